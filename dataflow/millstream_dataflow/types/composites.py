"""Types with parts: tuples, rows, lists, maps, and values that may be absent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import GenericAlias
from typing import Any, Optional, TypeVar, cast

from millstream_dataflow.reprs import short_repr
from millstream_dataflow.types.information import (
    TypeInformation,
    class_key_problem,
    first_key_problem,
    misfit_sentence,
)
from millstream_dataflow.types.row import Row
from millstream_dataflow.types.scalars import MAP_KEYS
from millstream_dataflow.words import counted

E = TypeVar("E")
K = TypeVar("K")
V = TypeVar("V")

Parts = tuple[TypeInformation[Any], ...]

_OPTIONAL_ELEMENTS = frozenset({"BASIC_ARRAY", "OBJECT_ARRAY"})


def written(parts: Sequence[TypeInformation[Any]]) -> str:
    """A list of types as it is written in a program."""
    return f"[{', '.join(map(str, parts))}]"


def _are(cls: type, values: Sequence[object]) -> bool:
    return all(issubclass(kind, cls) for kind in set(map(type, values)))


def all_plain_columns(parts: Parts, rows: Sequence[tuple[object, ...]]) -> bool:
    """Whether each of the tuples has as many fields as there are parts, and all of them are plain."""
    if rows and len(rows[0]) != len(parts):
        return False
    try:
        columns = list(zip(*rows, strict=True))
    except ValueError:  # one is longer or shorter than the first
        return False
    return all(part.all_plain(column) for part, column in zip(parts, columns, strict=False))


def all_fit_columns(parts: Parts, rows: Sequence[tuple[object, ...]], *, absent: bool = False) -> bool:
    """Whether each of the tuples has as many fields as there are parts, and all of them fit. `absent`: or are None."""
    if not {len(parts)}.issuperset(map(len, rows)):
        return False
    columns: list[Sequence[object]] = list(zip(*rows, strict=True))
    if absent:
        columns = [[value for value in column if value is not None] for column in columns]
    return all(part.all_fit(column) for part, column in zip(parts, columns, strict=False))


@dataclass(frozen=True, slots=True)
class TupleType(TypeInformation[tuple[Any, ...]]):
    """A tuple of as many fields, one type each."""

    fields: Parts

    def misfit(self, value: object, place: str) -> str | None:
        """The class, the number of fields, then field by field."""
        if not isinstance(value, tuple):
            return misfit_sentence(self, f"a tuple of {len(self.fields)}", value, place)
        fields = cast("tuple[object, ...]", value)
        if len(fields) != len(self.fields):
            return misfit_sentence(self, f"{counted(len(self.fields), 'field')}, not {len(fields)}", value, place)
        misfits = (
            part.misfit(field, f"{place}[{i}]") for i, (part, field) in enumerate(zip(self.fields, fields, strict=True))
        )
        return next(filter(None, misfits), None)

    @property
    def is_plain(self) -> bool:
        """Whether all fields are."""
        return all(part.is_plain for part in self.fields)

    def all_plain(self, values: Sequence[object]) -> bool:
        """See TypeInformation."""
        if not self.is_plain or not {tuple}.issuperset(map(type, values)):
            return False
        return all_plain_columns(self.fields, cast("Sequence[tuple[object, ...]]", values))

    def all_fit(self, values: Sequence[object]) -> bool:
        """See TypeInformation."""
        return _are(tuple, values) and all_fit_columns(self.fields, cast("Sequence[tuple[object, ...]]", values))

    def python_type(self) -> Any:  # noqa: ANN401  # an annotation may be any object
        """`tuple[...]`."""
        return GenericAlias(tuple, tuple(part.python_type() for part in self.fields))

    def key_problem(self) -> str | None:
        """The first field that can't be a part of a key."""
        return first_key_problem([(f"field {i}", part) for i, part in enumerate(self.fields)])

    def get_field_types(self) -> list[TypeInformation[Any]]:
        """The types of the fields, in order."""
        return list(self.fields)

    def __str__(self) -> str:
        return f"TUPLE({written(self.fields)})"


@dataclass(frozen=True, slots=True)
class RowType(TypeInformation[Row]):
    """A Row of as many fields, each of which may be None as in Flink; with names, the Row must have the same ones."""

    fields: Parts
    names: tuple[str, ...] | None = None

    def misfit(self, value: object, place: str) -> str | None:
        """The class, the number and names of fields, then field by field."""
        if not isinstance(value, Row):
            return misfit_sentence(self, f"a Row of {len(self.fields)}", value, place)
        if len(value) != len(self.fields):
            return misfit_sentence(self, f"{counted(len(self.fields), 'field')}, not {len(value)}", value, place)
        if self.names is not None and value.get_field_names() != self.names:
            meaning = f"its fields are named; make it by Row({', '.join(map(repr, self.names))})(...)"
            return misfit_sentence(self, meaning, value, place)
        for i, (part, field) in enumerate(zip(self.fields, value, strict=True)):
            at = f"{place}.{self.names[i]}" if self.names else f"{place}[{i}]"
            if field is not None and (problem := part.misfit(field, at)):
                return problem
        return None

    @property
    def is_plain(self) -> bool:
        """Never: a Row has a kind and names beside its values. Its pickle is small."""
        return False

    def all_plain(self, values: Sequence[object]) -> bool:
        """False."""
        return False

    def all_fit(self, values: Sequence[object]) -> bool:
        """See TypeInformation."""
        if not _are(Row, values):
            return False
        rows = cast("Sequence[Row]", values)
        if self.names is not None and not {self.names}.issuperset(map(Row.get_field_names, rows)):
            return False
        return all_fit_columns(self.fields, list(map(Row.__canonical_fields__, rows)), absent=True)

    def python_type(self) -> Any:  # noqa: ANN401  # an annotation may be any object
        """`Row`."""
        return Row

    def key_problem(self) -> str | None:
        """The first field that can't be a part of a key."""
        names = self.names or [str(i) for i in range(len(self.fields))]
        return first_key_problem([(f"field {name}", part) for name, part in zip(names, self.fields, strict=True)])

    def get_field_names(self) -> list[str]:
        """The names of the fields, in order; f0, f1, ... where they have none, as in Flink."""
        return list(self.names or [f"f{i}" for i in range(len(self.fields))])

    def get_field_types(self) -> list[TypeInformation[Any]]:
        """The types of the fields, in order."""
        return list(self.fields)

    def __str__(self) -> str:
        if self.names is None:
            return f"ROW({written(self.fields)})"
        return f"ROW_NAMED({list(self.names)}, {written(self.fields)})"


@dataclass(frozen=True, slots=True)
class ListType(TypeInformation[list[E]]):
    """A list of any length. Flink's arrays are lists too; elements of BASIC_ARRAY and OBJECT_ARRAY are optional."""

    element: TypeInformation[E]
    name: str = "LIST"

    def misfit(self, value: object, place: str) -> str | None:
        """The class, then element by element."""
        if not isinstance(value, list):
            return misfit_sentence(self, "a list", value, place)
        misfits = (
            self.element.misfit(element, f"{place}[{i}]") for i, element in enumerate(cast("list[object]", value))
        )
        return next(filter(None, misfits), None)

    @property
    def is_plain(self) -> bool:
        """Whether its elements are."""
        return self.element.is_plain

    def all_plain(self, values: Sequence[object]) -> bool:
        """See TypeInformation."""
        if not self.is_plain or not {list}.issuperset(map(type, values)):
            return False
        return self.element.all_plain(list(chain.from_iterable(cast("Sequence[list[object]]", values))))

    def python_type(self) -> Any:  # noqa: ANN401  # an annotation may be any object
        """`list[...]`."""
        return GenericAlias(list, (self.element.python_type(),))

    def key_problem(self) -> str | None:
        """A list can change."""
        return class_key_problem(list)

    def __str__(self) -> str:
        element: TypeInformation[Any] = self.element
        if self.name in _OPTIONAL_ELEMENTS and isinstance(element, OptionalType):
            element = element.inner
        return f"{self.name}({element})"


@dataclass(frozen=True, slots=True)
class MapType(TypeInformation[dict[K, V]]):
    """A dict of any size."""

    key: TypeInformation[K]
    value: TypeInformation[V]

    def misfit(self, value: object, place: str) -> str | None:
        """The class, then key by key with its value."""
        if not isinstance(value, dict):
            return misfit_sentence(self, "a dict", value, place)
        for key, item in cast("Mapping[object, object]", value).items():
            at = f"{place}[{short_repr(key)}]"
            if problem := self.key.misfit(key, f"the key of {at}") or self.value.misfit(item, at):
                return problem
        return None

    @property
    def is_plain(self) -> bool:
        """Whether its values are, and its keys are text, bytes, ints or dates."""
        return self.key in MAP_KEYS and self.value.is_plain

    def all_plain(self, values: Sequence[object]) -> bool:
        """See TypeInformation."""
        if not self.is_plain or not {dict}.issuperset(map(type, values)):
            return False
        maps = cast("Sequence[dict[object, object]]", values)
        keys = list(chain.from_iterable(maps))
        return self.key.all_plain(keys) and self.value.all_plain(list(chain.from_iterable(m.values() for m in maps)))

    def python_type(self) -> Any:  # noqa: ANN401  # an annotation may be any object
        """`dict[..., ...]`."""
        return GenericAlias(dict, (self.key.python_type(), self.value.python_type()))

    def key_problem(self) -> str | None:
        """A dict can change."""
        return class_key_problem(dict)

    def __str__(self) -> str:
        return f"MAP({self.key}, {self.value})"


@dataclass(frozen=True, slots=True)
class OptionalType(TypeInformation[E | None]):
    """A value, or None."""

    inner: TypeInformation[E]

    def misfit(self, value: object, place: str) -> str | None:
        """None fits."""
        return None if value is None else self.inner.misfit(value, place)

    @property
    def is_plain(self) -> bool:
        """As without None."""
        return self.inner.is_plain

    def all_plain(self, values: Sequence[object]) -> bool:
        """See TypeInformation."""
        return self.inner.all_plain([value for value in values if value is not None])

    def python_type(self) -> Any:  # noqa: ANN401  # an annotation may be any object
        """`... | None`."""
        return Optional[self.inner.python_type()]  # noqa: UP045  # `X | None` needs a class on its left

    def key_problem(self) -> str | None:
        """As without None, which is a key."""
        return self.inner.key_problem()

    def __str__(self) -> str:
        return f"OPTIONAL({self.inner})"


def optional(inner: TypeInformation[E]) -> TypeInformation[E | None]:
    """The type that admits None as well; the same one where it does already."""
    return inner if inner.misfit(None, "") is None else OptionalType(inner)
