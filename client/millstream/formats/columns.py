"""The columns of a CSV file as a user declares them: by a Python type, by `Types`, or by an Arrow type."""

from __future__ import annotations  # pyarrow's classes are generic to a type checker only

import datetime
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow as pa

from millstream_dataflow.types import TypeInformation, arrow_type, from_hint
from millstream_dataflow.types.composites import OptionalType

_MEND = "declare int, float, bool, str, datetime.date, any of them with | None, Types.INSTANT() or an Arrow type"


class CsvColumn(NamedTuple):
    """A column that is read. Where it isn't `nullable`, a value that stands for none makes its line malformed."""

    name: str
    type: pa.DataType
    nullable: bool


def columns_of(declared: Mapping[str, object] | Iterable[str] | None) -> tuple[CsvColumn, ...] | None:
    """The columns in the order of the declaration; names without types are text. None: all that the file has."""
    if declared is None:
        return None
    if isinstance(declared, str):
        raise TypeError(f"columns are a dict of names to types, or a list of names, but got the str {declared!r}")
    types = declared if isinstance(declared, Mapping) else dict.fromkeys(declared, str)
    columns = tuple(_column(name, type_) for name, type_ in types.items())
    if not columns:
        raise ValueError("a CSV file is read for at least one column, but none was named")
    return columns


def _column(name: str, declared: object) -> CsvColumn:
    if isinstance(declared, pa.DataType):
        return CsvColumn(name, declared, nullable=True)
    information = declared if isinstance(declared, TypeInformation) else from_hint(declared)
    nullable = isinstance(information, OptionalType)
    inner = information.inner if isinstance(information, OptionalType) else information
    if inner is not None and inner == from_hint(datetime.datetime):
        mend = "declare Types.INSTANT() for times with a zone, Types.SQL_TIMESTAMP() for those without"
        raise TypeError(f"column {name!r}: a datetime may have a zone or not; {mend}")
    type_ = None if inner is None else arrow_type(inner)
    if type_ is None or pa.types.is_nested(type_):
        raise TypeError(f"column {name!r} can't be read from text as {declared!r}; {_MEND}")
    return CsvColumn(name, type_, nullable)
