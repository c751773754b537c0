"""Columns by the batch: a function from a `pyarrow.RecordBatch` to another.

Where it gives as many rows as it got, they keep their times. Fewer or more would leave it open whose time is whose, so
such a function is refused on a stream that has times.
"""

from collections.abc import Iterator

import pyarrow as pa

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.functions import resolve_map_batches
from millstream_dataflow.operators.specifications import MapBatchesSpecification
from millstream_dataflow.records import Batch, ColumnBatch
from millstream_taskmanager.operators.base import SLICE, Operator, OperatorContext, Output, Takes
from millstream_taskmanager.operators.errors import UserCodeError


class MapBatchesOperator(Operator):
    """See the module."""

    takes = Takes.COLUMNS

    def __init__(self, specification: MapBatchesSpecification) -> None:
        self._function = resolve_map_batches(specification.function)

    def open(self, context: OperatorContext) -> None:
        """See Operator."""
        self._name = context.name

    def process(self, number: int, batch: Batch) -> Iterator[Output]:
        """See Operator."""
        if not isinstance(batch, ColumnBatch):
            raise TypeError("map_batches takes columns, but the chain brought rows")
        result = self._result(batch)
        for start in range(0, len(result), SLICE):
            columns = result.columns.slice(start, SLICE)
            times = None if result.timestamps is None else result.timestamps[start : start + SLICE]
            yield ColumnBatch(columns, times)

    def _result(self, batch: ColumnBatch) -> ColumnBatch:
        try:
            columns = self._function(batch.columns)
            _check(columns, batch)
        except BaseException as error:  # the user's code may raise what it likes
            raise UserCodeError(error, self._name, _Shape(batch.columns)) from error
        return ColumnBatch(columns, batch.timestamps)


class _Shape:
    """A batch in the place of a record."""

    def __init__(self, columns: pa.RecordBatch) -> None:
        self._columns = columns

    def __repr__(self) -> str:
        fields = ", ".join(f"{field.name}: {field.type}" for field in self._columns.schema)
        return f"<{self._columns.num_rows} rows of {fields}>"


def _check(columns: object, batch: ColumnBatch) -> None:
    if not isinstance(columns, pa.RecordBatch):
        kind = type(columns)
        raise InvalidTypesError(
            f"map_batches must return a pyarrow.RecordBatch, but returned {kind.__module__}.{kind.__name__}"
        )
    if batch.timestamps is not None and columns.num_rows != len(batch):
        raise InvalidProgramError(
            f"map_batches returned {columns.num_rows} rows for {len(batch)}, so their event times are unknown; keep "
            "the number of rows, or assign timestamps and watermarks behind it"
        )
