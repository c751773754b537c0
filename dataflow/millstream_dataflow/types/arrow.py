"""The Arrow column for values of a type, where there is one that holds each of them unchanged."""

from __future__ import annotations  # pyarrow's classes are generic to a type checker only

from typing import Any

import pyarrow as pa

from millstream_dataflow.types import scalars
from millstream_dataflow.types.classes import ClassType
from millstream_dataflow.types.composites import ListType, MapType, OptionalType, RowType, TupleType
from millstream_dataflow.types.information import TypeInformation
from millstream_dataflow.types.scalars import Scalar

# FLOAT has 64 bits, since Python's float has them. An annotated int is taken for one of 64 bits: Arrow refuses a
# bigger one. BIG_INT and BIG_DEC promise no size, so no column holds them all.
_SCALARS: dict[Scalar[Any], pa.DataType] = {
    scalars.STRING: pa.string(),
    scalars.CHAR: pa.string(),
    scalars.BOOLEAN: pa.bool_(),
    scalars.BYTE: pa.int8(),
    scalars.SHORT: pa.int16(),
    scalars.INT: pa.int32(),
    scalars.LONG: pa.int64(),
    scalars.FLOAT: pa.float64(),
    scalars.DOUBLE: pa.float64(),
    scalars.SQL_DATE: pa.date32(),
    scalars.SQL_TIME: pa.time64("us"),
    scalars.SQL_TIMESTAMP: pa.timestamp("us"),
    scalars.INSTANT: pa.timestamp("us", tz="UTC"),
    scalars.BYTES: pa.binary(),
    scalars.HINT_INT: pa.int64(),
    scalars.HINT_FLOAT: pa.float64(),
}


def arrow_type(type_info: TypeInformation[Any]) -> pa.DataType | None:
    """The type of the column, or None if there is none.

    Fields of a tuple or an unnamed row are called f0, f1, ... as in Flink. None is a null in any column.
    """
    match type_info:
        case Scalar():
            return _SCALARS.get(type_info)
        case OptionalType(inner=inner):
            return arrow_type(inner)
        case ListType(element=element):
            items = arrow_type(element)
            return None if items is None else pa.list_(items)
        case MapType(key=key, value=value):
            keys, values = arrow_type(key), arrow_type(value)
            return None if keys is None or values is None else pa.map_(keys, values)
        case TupleType(fields=fields):
            return _struct([f"f{i}" for i in range(len(fields))], fields)
        case RowType(fields=fields, names=names):
            return _struct(names or [f"f{i}" for i in range(len(fields))], fields)
        case ClassType(names=names, fields=fields):
            return _struct(names, fields)
        case _:
            return None


def all_rows_fit(type_info: TypeInformation[Any], schema: pa.Schema) -> bool:
    """Whether columns of that schema, as the Rows that they stand for, fit the type whatever is in them. False: it
    depends.
    """
    if not isinstance(type_info, RowType) or len(type_info.fields) != len(schema):
        return False
    if type_info.names is not None and type_info.names != tuple(schema.names):
        return False
    return all(_values_fit(part, column.type) for part, column in zip(type_info.fields, schema, strict=True))


def _values_fit(part: TypeInformation[Any], column: pa.DataType) -> bool:
    if isinstance(part, OptionalType):
        return _values_fit(part.inner, column)
    if not isinstance(part, Scalar) or part == scalars.CHAR:
        return False
    if part == scalars.BIG_INT:
        return pa.types.is_integer(column)
    widest = _SCALARS.get(part)
    return part == scalars.ANY or widest == column or (widest is not None and _is_narrower(column, widest))


def _is_narrower(column: pa.DataType, widest: pa.DataType) -> bool:
    """Whether all values of the one are among those of the other, once they are Python's."""
    if pa.types.is_signed_integer(widest):
        return pa.types.is_integer(column) and column.bit_width < widest.bit_width
    if pa.types.is_float64(widest):
        return pa.types.is_float32(column)
    return pa.types.is_string(widest) and pa.types.is_large_string(column)


def _struct(names: tuple[str, ...] | list[str], parts: tuple[TypeInformation[Any], ...]) -> pa.DataType | None:
    columns: list[tuple[str, pa.DataType]] = []
    for name, part in zip(names, parts, strict=True):
        column = arrow_type(part)
        if column is None:
            return None
        columns.append((name, column))
    return pa.struct(columns)
