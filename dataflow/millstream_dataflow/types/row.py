"""`Row`: a record of ordered values, with or without names, as PyFlink has it."""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum, nonmember
from functools import lru_cache
from operator import attrgetter
from typing import Any, overload

from millstream_dataflow.not_there import NotThere
from millstream_dataflow.words import counted


class RowKind(Enum):
    """What a row says about a changing result (Flink, "Dynamic Tables"); INSERT unless set otherwise."""

    INSERT = 0
    UPDATE_BEFORE = 1
    UPDATE_AFTER = 2
    DELETE = 3

    to_j_row_kind = nonmember(NotThere("no Java runs here; compare it with the kinds themselves"))


@lru_cache(maxsize=1024)  # rows of one shape share one tuple of names: in memory, and in a pickle of many
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    return names


class Row:
    """A record of ordered values. There are three ways to make one.

    >>> Row("Ann", 31)
    Row('Ann', 31)
    >>> Row(name="Ann", age=31)
    Row(name='Ann', age=31)
    >>> person = Row("name", "age")  # names first, then values: the order stays
    >>> person("Ann", 31)
    Row(name='Ann', age=31)

    Values are had by index, by name and as attributes. Two rows are equal when values, names and kind are; as keys
    they are the same when their values are (law 11). Values, kind and names can be set, attributes can't.
    """

    __slots__ = ("_kind", "_names", "_values")
    _values: tuple[Any, ...]
    _names: tuple[str, ...] | None
    _kind: RowKind

    def __init__(self, *values: object, **named: object) -> None:
        """Values in order, or values by name; ValueError for both at once."""
        if named:
            if values:
                raise ValueError("a Row is made of values or of named values, not of both at once")
            self._values, self._names = tuple(named.values()), _shared(tuple(named))
        else:
            self._values, self._names = values, None
        self._kind = RowKind.INSERT

    def __call__(self, *values: object) -> "Row":
        """A row whose field names are this row's values; ValueError when their numbers differ."""
        if len(values) != len(self._values):
            raise ValueError(f"{self!r} names {counted(len(self._values), 'field')}, but got {len(values)} values")
        return _restore(values, self._values, self._kind)

    def as_dict(self, recursive: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  # PyFlink's signature
        """Names to values; `recursive` turns rows inside of rows, lists and dicts as well. TypeError without names."""
        if self._names is None:
            raise TypeError(f"{self!r} has no field names, so it can't become a dict")
        values = map(_unrow, self._values) if recursive else self._values
        return dict(zip(self._names, values, strict=True))

    @staticmethod
    def of_kind(row_kind: RowKind, *args: object, **kwargs: object) -> "Row":
        """A row of this kind, made as by `Row(...)`."""
        row = Row(*args, **kwargs)
        row.set_row_kind(row_kind)
        return row

    def get_row_kind(self) -> RowKind:
        """INSERT unless it was set."""
        return self._kind

    def set_row_kind(self, row_kind: RowKind) -> None:
        """Say what the row means for a changing result."""
        self._kind = row_kind

    def get_field_names(self) -> tuple[str, ...] | None:
        """The names in order; None if it has none."""
        return self._names

    def get_fields_by_names(self, names: Sequence[str]) -> list[Any]:
        """The values of these fields, in this order; KeyError for a name that it hasn't. A row without names gives all
        its values, as in PyFlink.
        """
        return list(self._values) if self._names is None else [self[name] for name in names]

    def set_field_names(self, field_names: Sequence[str]) -> None:
        """Name the fields; ValueError when there are more or fewer names than values."""
        if len(field_names) != len(self._values):
            raise ValueError(f"{self!r} has {len(self._values)} values, but got {len(field_names)} names")
        self._names = _shared(tuple(field_names))

    def __canonical_fields__(self) -> tuple[object, ...]:
        """The values, by which rows are keys (law 11)."""
        return self._values

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # a field may be anything
        """The value of that name, unless it begins with an underscore."""
        if name[0] != "_" and (names := self._names) is not None and name in names:
            return self._values[names.index(name)]
        raise AttributeError(f"the row has no field {name!r}; it has {self._known()}", name=name, obj=self)

    @overload
    def __getitem__(self, item: int | str) -> Any: ...  # noqa: ANN401  # a field may be anything
    @overload
    def __getitem__(self, item: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, item: int | str | slice) -> Any:  # a field may be anything
        """By position, by name, or a tuple by slice."""
        return self._values[self._index(item) if isinstance(item, str) else item]

    def __setitem__(self, item: int | str, value: object) -> None:
        """By position or by name."""
        values = list(self._values)
        values[self._index(item) if isinstance(item, str) else item] = value
        self._values = tuple(values)

    def _index(self, name: str) -> int:
        if self._names is None or name not in self._names:
            raise KeyError(f"the row has no field {name!r}; it has {self._known()}")
        return self._names.index(name)

    def _known(self) -> str:
        return "no names" if self._names is None else ", ".join(self._names)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, value: object) -> bool:
        """Whether it is one of the names; of a row without names, such as `Row("name", "age")`, one of the values."""
        return value in (self._values if self._names is None else self._names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Row):
            return NotImplemented
        return self._values == other._values and self._names == other._names and self._kind is other._kind

    def __hash__(self) -> int:
        return hash(self._values)

    def __repr__(self) -> str:
        shown = [repr(value) for value in self._values]
        if self._names is not None:
            shown = [f"{name}={value}" for name, value in zip(self._names, shown, strict=True)]
        sign = "" if self._kind is RowKind.INSERT else f"<{self._kind.name}>"
        return f"Row{sign}({', '.join(shown)})"

    def __reduce__(self) -> tuple[Callable[..., "Row"], tuple[Any, ...]]:
        if self._kind is not RowKind.INSERT:
            return _restore, (self._values, self._names, self._kind)
        return (Row, self._values) if self._names is None else (_restore, (self._values, self._names))


names_and_values: Callable[[Row], tuple[tuple[str, ...] | None, tuple[Any, ...]]] = attrgetter("_names", "_values")
"""Both of a row at once, in 60 ns; through its methods each takes as long."""


def _restore(values: tuple[Any, ...], names: tuple[str, ...] | None, kind: RowKind = RowKind.INSERT) -> Row:
    row = Row.__new__(Row)
    row._values, row._names, row._kind = values, names, kind  # noqa: SLF001  # it makes the row
    return row


def _unrow(value: object) -> object:
    match value:
        case Row():
            return value.as_dict(recursive=True)
        case list():
            return [_unrow(item) for item in value]
        case dict():
            return {key: _unrow(item) for key, item in value.items()}
        case _:
            return value
