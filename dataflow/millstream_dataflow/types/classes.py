"""Types of the user's own classes: dataclasses, NamedTuples, enums. `hints` reads their fields from the annotations.

msgspec makes objects of these classes without calling their constructors. So a class is plain only if no code of its
own would notice: whether it is, is decided once, where the type is made.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from operator import attrgetter
from typing import Any, TypeVar, cast

import msgspec

from millstream_dataflow.types.composites import Parts, all_plain_columns
from millstream_dataflow.types.information import (
    TypeInformation,
    class_key_problem,
    first_key_problem,
    misfit_sentence,
    type_name,
)

T_co = TypeVar("T_co", covariant=True)

_MISSING = object()


@dataclass(frozen=True, slots=True)
class ClassType(TypeInformation[T_co]):
    """A class with annotated fields: a dataclass or a NamedTuple."""

    cls: type[T_co]
    names: tuple[str, ...]
    fields: Parts
    plain: bool

    def misfit(self, value: object, place: str) -> str | None:
        """The class, then field by field."""
        if not isinstance(value, self.cls):
            return misfit_sentence(self, f"an instance of {type_name(self.cls)}", value, place)
        for name, part in zip(self.names, self.fields, strict=True):
            field = getattr(value, name, _MISSING)
            if field is _MISSING:
                return misfit_sentence(self, f"its field {name} was never set", value, place)
            if problem := part.misfit(field, f"{place}.{name}"):
                return problem
        return None

    @property
    def is_plain(self) -> bool:
        """Whether all fields are, and the class does nothing of its own while an object is made."""
        return self.plain

    def python_type(self) -> Any:  # noqa: ANN401  # an annotation may be any object
        """The class."""
        return self.cls


@dataclass(frozen=True, slots=True)
class DataclassType(ClassType[T_co]):
    """A dataclass; as a key it must be frozen."""

    def all_plain(self, values: Sequence[object]) -> bool:
        """See TypeInformation. Attributes beside the fields would be lost, so there may be none."""
        if not self.plain or not {self.cls}.issuperset(map(type, values)):
            return False
        if self.cls.__dictoffset__ and not {len(self.names)}.issuperset(map(len, map(vars, values))):
            return False
        try:
            columns = [list(map(attrgetter(name), values)) for name in self.names]
        except AttributeError:  # a slot that was never set
            return False
        return all(part.all_plain(column) for part, column in zip(self.fields, columns, strict=True))

    def key_problem(self) -> str | None:
        """It must be frozen, and the fields that it is compared by must be parts of a key."""
        if problem := class_key_problem(self.cls):
            return problem
        if callable(getattr(self.cls, "__canonical_fields__", None)):
            return None
        compared = {field.name for field in fields(cast("Any", self.cls)) if field.compare}
        named = zip(self.names, self.fields, strict=True)
        return first_key_problem([(f"field {name}", part) for name, part in named if name in compared])

    def __str__(self) -> str:
        return f"DATACLASS({type_name(self.cls)})"


@dataclass(frozen=True, slots=True)
class NamedTupleType(ClassType[T_co]):
    """A NamedTuple; as a key it is like a tuple."""

    def all_plain(self, values: Sequence[object]) -> bool:
        """See TypeInformation."""
        if not self.plain or not {self.cls}.issuperset(map(type, values)):
            return False
        return all_plain_columns(self.fields, cast("Sequence[tuple[object, ...]]", values))

    def key_problem(self) -> str | None:
        """The first field that can't be a part of a key."""
        return first_key_problem([(f"field {n}", part) for n, part in zip(self.names, self.fields, strict=True)])

    def __str__(self) -> str:
        return f"NAMED_TUPLE({type_name(self.cls)})"


@dataclass(frozen=True, slots=True)
class EnumType(TypeInformation[T_co]):
    """The members of an enum."""

    cls: type[T_co]
    plain: bool

    def misfit(self, value: object, place: str) -> str | None:
        """One look at the class."""
        if isinstance(value, self.cls):
            return None
        return misfit_sentence(self, f"a member of {type_name(self.cls)}", value, place)

    @property
    def is_plain(self) -> bool:
        """Whether all its values are ints, or all are strs, and it isn't a Flag."""
        return self.plain

    def all_plain(self, values: Sequence[object]) -> bool:
        """See TypeInformation."""
        return self.plain and {self.cls}.issuperset(map(type, values))

    def python_type(self) -> Any:  # noqa: ANN401  # an annotation may be any object
        """The class."""
        return self.cls

    def key_problem(self) -> str | None:
        """None: an enum is a key by its class and name, one of numbers or strs by its value."""
        return class_key_problem(self.cls)

    def __str__(self) -> str:
        return f"ENUM({type_name(self.cls)})"


def is_plain_dataclass(cls: type, parts: Parts) -> bool:
    """Whether msgspec makes such an object as the class itself would, and nothing is stored beside the fields."""
    names = {field.name for field in fields(cast("Any", cls))}
    slots = {name for base in cls.__mro__ for name in _slots(base)} - {"__weakref__", "__dict__"}
    stored = not slots if cls.__dictoffset__ else slots == names
    quiet = _is_own("__new__", cls) and not hasattr(cls, "__post_init__")
    untouched = _is_own("__getattribute__", cls) and (_is_frozen(cls) or _is_own("__setattr__", cls))
    return stored and quiet and untouched and all(part.is_plain for part in parts) and _is_decodable(cls)


def is_plain_named_tuple(cls: type, parts: Parts) -> bool:
    """Whether the class is the one that NamedTuple made, with no constructor of a subclass."""
    return cls.__bases__[:1] == (tuple,) and all(part.is_plain for part in parts) and _is_decodable(cls)


def is_plain_enum(cls: type) -> bool:
    """Whether msgspec can tell its members apart."""
    return not issubclass(cls, enum.Flag) and _is_decodable(cls)


def _slots(base: type) -> tuple[str, ...]:
    slots = cast("dict[str, Any]", vars(base)).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_own(method: str, cls: type) -> bool:
    return cast("Callable[..., Any]", getattr(cls, method)) is getattr(object, method)


def _is_frozen(cls: type) -> bool:
    return is_dataclass(cls) and cast("Any", cls).__dataclass_params__.frozen is True


def _is_decodable(cls: type) -> bool:
    try:
        msgspec.msgpack.Decoder(cls)
    except (TypeError, ValueError, OverflowError, NameError):  # InitVar, mixed enums, names that can't be resolved
        return False
    return True
