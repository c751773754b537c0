"""`Types`: the names by which a user declares types, PyFlink's and a few of ours."""
# ruff: noqa: N802  # the names are PyFlink's

import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

from millstream_dataflow.types import hints, scalars
from millstream_dataflow.types.composites import ListType, MapType, Parts, RowType, TupleType, optional
from millstream_dataflow.types.information import TypeInformation
from millstream_dataflow.types.row import Row

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class Types:
    """Every type that a stream, a state or a side output can be declared with.

    Values are what Python calls them: an `int` for all whole numbers, a `float` for FLOAT and DOUBLE, `bytes` for
    PRIMITIVE_ARRAY(BYTE). Of what a function gives, an `int` becomes a float where one was declared, numpy's numbers
    Python's, and a Row takes the names of its ROW_NAMED. Nothing else is converted; a value that doesn't fit fails the
    job with its content.
    Meaning: Flink, "Data Types in the Python DataStream API". DATACLASS, NAMED_TUPLE, ENUM, OPTIONAL, ANY are ours.
    """

    @staticmethod
    def STRING() -> TypeInformation[str]:
        """A `str`."""
        return scalars.STRING

    @staticmethod
    def CHAR() -> TypeInformation[str]:
        """A `str` of one character."""
        return scalars.CHAR

    @staticmethod
    def BOOLEAN() -> TypeInformation[bool]:
        """A `bool`; not 0 or 1."""
        return scalars.BOOLEAN

    @staticmethod
    def BYTE() -> TypeInformation[int]:
        """An `int` from -128 to 127."""
        return scalars.BYTE

    @staticmethod
    def SHORT() -> TypeInformation[int]:
        """An `int` of 16 bits."""
        return scalars.SHORT

    @staticmethod
    def INT() -> TypeInformation[int]:
        """An `int` of 32 bits."""
        return scalars.INT

    @staticmethod
    def LONG() -> TypeInformation[int]:
        """An `int` of 64 bits."""
        return scalars.LONG

    @staticmethod
    def BIG_INT() -> TypeInformation[int]:
        """An `int` of any size."""
        return scalars.BIG_INT

    @staticmethod
    def FLOAT() -> TypeInformation[float]:
        """A `float`, or an `int` that becomes one. Python's has 64 bits, and keeps them."""
        return scalars.FLOAT

    @staticmethod
    def DOUBLE() -> TypeInformation[float]:
        """A `float`, or an `int` that becomes one."""
        return scalars.DOUBLE

    @staticmethod
    def BIG_DEC() -> TypeInformation[Decimal]:
        """A `decimal.Decimal`, of any precision."""
        return scalars.BIG_DEC

    @staticmethod
    def SQL_DATE() -> TypeInformation[datetime.date]:
        """A `datetime.date`; not a `datetime`."""
        return scalars.SQL_DATE

    @staticmethod
    def SQL_TIME() -> TypeInformation[datetime.time]:
        """A `datetime.time`."""
        return scalars.SQL_TIME

    @staticmethod
    def SQL_TIMESTAMP() -> TypeInformation[datetime.datetime]:
        """A `datetime.datetime` without a time zone."""
        return scalars.SQL_TIMESTAMP

    @staticmethod
    def INSTANT() -> TypeInformation[datetime.datetime]:
        """A `datetime.datetime` with a time zone; it travels fastest with `datetime.UTC`."""
        return scalars.INSTANT

    @staticmethod
    def PICKLED_BYTE_ARRAY() -> TypeInformation[Any]:
        """Anything that can be pickled: what an undeclared stream has. The same as ANY."""
        return scalars.ANY

    @staticmethod
    def ANY() -> TypeInformation[Any]:
        """Anything that can be pickled."""
        return scalars.ANY

    @staticmethod
    def TUPLE(field_types: Sequence[TypeInformation[Any]]) -> TypeInformation[tuple[Any, ...]]:
        """A `tuple` of exactly these fields, none of them None unless OPTIONAL."""
        return TupleType(_parts("TUPLE", field_types))

    @staticmethod
    def ROW(field_types: Sequence[TypeInformation[Any]]) -> TypeInformation[Row]:
        """A `Row` of these fields, named or not; any of them may be None."""
        return RowType(_parts("ROW", field_types))

    @staticmethod
    def ROW_NAMED(field_names: Sequence[str], field_types: Sequence[TypeInformation[Any]]) -> TypeInformation[Row]:
        """A `Row` with these field names in this order; its values may be None. ValueError when the counts differ."""
        names, parts = tuple(field_names), _parts("ROW_NAMED", field_types)
        if len(names) != len(parts) or len(set(names)) != len(names):
            raise ValueError(
                f"ROW_NAMED needs one type for each of its different names: {len(parts)} types for {names}"
            )
        return RowType(parts, names)

    @staticmethod
    def LIST(element_type_info: TypeInformation[T]) -> TypeInformation[list[T]]:
        """A `list` of any length."""
        return ListType(_part("LIST", element_type_info))

    @staticmethod
    def MAP(key_type_info: TypeInformation[K], value_type_info: TypeInformation[V]) -> TypeInformation[dict[K, V]]:
        """A `dict` of any size."""
        return MapType(_part("MAP", key_type_info), _part("MAP", value_type_info))

    @staticmethod
    def PRIMITIVE_ARRAY(element_type: TypeInformation[Any]) -> TypeInformation[Any]:
        """`bytes` for BYTE; else a `list` of numbers, bools or characters, none of them None."""
        if element_type not in scalars.PRIMITIVES:
            raise ValueError(f"PRIMITIVE_ARRAY holds numbers, booleans or characters, not {element_type}; use LIST")
        return scalars.BYTES if element_type == scalars.BYTE else ListType(element_type, "PRIMITIVE_ARRAY")

    @staticmethod
    def BASIC_ARRAY(element_type: TypeInformation[T]) -> TypeInformation[list[T | None]]:
        """A `list` of numbers, bools or strs, each of which may be None."""
        if element_type not in scalars.PRIMITIVES and element_type != scalars.STRING:
            raise ValueError(f"BASIC_ARRAY holds numbers, booleans, characters or STRING, not {element_type}; use LIST")
        return ListType(optional(element_type), "BASIC_ARRAY")

    @staticmethod
    def OBJECT_ARRAY(element_type: TypeInformation[T]) -> TypeInformation[list[T | None]]:
        """A `list` of any type's values, each of which may be None."""
        return ListType(optional(_part("OBJECT_ARRAY", element_type)), "OBJECT_ARRAY")

    @staticmethod
    def OPTIONAL(type_info: TypeInformation[T]) -> TypeInformation[T | None]:
        """A value of that type, or None."""
        return optional(_part("OPTIONAL", type_info))

    @staticmethod
    def DATACLASS(dataclass: type[T]) -> TypeInformation[T]:
        """Objects of a dataclass, whose fields have the types they are annotated with."""
        return hints.dataclass_type(dataclass)

    @staticmethod
    def NAMED_TUPLE(named_tuple: type[T]) -> TypeInformation[T]:
        """Objects of a `typing.NamedTuple` class, whose fields have the types they are annotated with."""
        return hints.named_tuple_type(named_tuple)

    @staticmethod
    def ENUM(enum: type[T]) -> TypeInformation[T]:
        """Members of an `enum.Enum` class."""
        return hints.enum_type(enum)


def _part(call: str, part: TypeInformation[T]) -> TypeInformation[T]:
    """TypeError for what is no type, such as a Python class, or a function of Types that wasn't called."""
    if not isinstance(cast("object", part), TypeInformation):
        raise TypeError(f"Types.{call} takes types of Types, such as Types.INT(), but got {part!r:.80}")
    return part


def _parts(call: str, parts: Sequence[TypeInformation[Any]]) -> Parts:
    if not isinstance(cast("object", parts), Iterable) or isinstance(cast("object", parts), str):
        what = f"Types.{call} takes a list of types, such as [Types.INT(), Types.STRING()], but got {parts!s:.80}"
        raise TypeError(what)
    return tuple(_part(call, part) for part in parts)
