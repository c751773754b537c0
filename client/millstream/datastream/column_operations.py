"""The calls of a stream that are told by expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millstream.datastream.columns import AnyType, projected, selected
from millstream_dataflow.expressions import Expression
from millstream_dataflow.operators.specifications import OperatorSpecification
from millstream_dataflow.types import Row

if TYPE_CHECKING:
    from millstream.datastream.data_stream import DataStream
    from millstream_dataflow.transformations import Transformation


class ColumnOperations:
    """What a stream can do by expressions, such as `col("price") * 2`. Rows stay rows, and columns stay columns, which
    are computed at once.

    Records may be Rows, tuples, NamedTuples, dataclasses, dicts or other objects with attributes.
    """

    if TYPE_CHECKING:
        _transformation: Transformation

        def _operate(self, specification: OperatorSpecification, type_: AnyType) -> DataStream[Any]: ...

    def select(self, *columns: Expression | str, **named: Expression | str) -> DataStream[Row]:
        """A Row of these columns for each record: names of fields, and expressions that have a name, by `alias` or as
        keyword: `select("a", (col("b") * 2).alias("c"), d=col("a") + 1)`.
        """
        return self._operate(*selected("select", columns, named, self._transformation.type, keeps=False))

    def with_columns(self, *columns: Expression | str, **named: Expression | str) -> DataStream[Row]:
        """A Row of all fields of each record and these columns; one of the same name takes the field's place."""
        return self._operate(*selected("with_columns", columns, named, self._transformation.type, keeps=True))

    def project(self, *field_indexes: int | str) -> DataStream[Any]:
        """Some fields of each record, by position or name, in that order: of a tuple a tuple, as in PyFlink; of records
        whose fields have names a Row with these.
        """
        return self._operate(*projected(field_indexes, self._transformation.type))
