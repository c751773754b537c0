"""Values of a type that the user declared: one that doesn't fit fails (law 9.4), also where nothing travels.

Between processes the codec finds it; here it is found behind the operator whose type it is, once a batch. Per record
that costs the check that `exchange.codecs.rows` measures: 12 ns for a str, 30 for an int, 94 for a tuple of three.
Where nothing was declared it costs nothing. Of columns the schema says mostly that all of them fit, whatever is in
them; else they are looked at as the rows that they stand for.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.operators.chain import ChainNode
from millstream_dataflow.operators.columns import FilterExpressionSpecification
from millstream_dataflow.operators.specifications import FilterSpecification, TimestampsSpecification
from millstream_dataflow.records import Batch, RowBatch
from millstream_dataflow.types import TypeInformation, Types, all_rows_fit
from millstream_dataflow.types.completion import completer
from millstream_taskmanager.operators.conversion import to_rows
from millstream_taskmanager.user_code.errors import UserCodeError

_PASSES_ON = (FilterExpressionSpecification, FilterSpecification, TimestampsSpecification)
"""What gives nothing but what came to it: its type is that of its input."""


class Declared:
    """A declared type, and the operator that an error names."""

    def __init__(self, type_: TypeInformation[Any], operator: str) -> None:
        self._type = type_
        self._operator = operator
        self._schema: pa.Schema | None = None  # of columns that always fit
        self._complete = completer(type_)

    def completed(self, batch: Batch) -> Batch:
        """A batch in either form, its rows completed by what was declared (`types.completion`). UserCodeError as of
        `check`.
        """
        if isinstance(batch, RowBatch):
            if self._type.all_fit(batch.values):
                return batch
            values = batch.values if self._complete is None else list(map(self._complete, batch.values))
            self.check(values, batch.values)
            return RowBatch(values, batch.timestamps)
        schema = batch.columns.schema
        if self._schema is None or not self._schema.equals(schema):
            if all_rows_fit(self._type, schema):
                self._schema = schema
            else:
                self.check(to_rows(batch).values)
        return batch

    def check(self, values: Sequence[Any], records: Sequence[Any] | None = None) -> None:
        """UserCodeError names the first that doesn't fit: itself, or of `records`, which are parallel, the one that it
        was made from.
        """
        if self._type.all_fit(values):
            return
        for value, record in zip(values, values if records is None else records, strict=True):
            if (sentence := self._type.check(value)) is not None:
                raise UserCodeError(InvalidTypesError(sentence), self._operator, record)
        raise AssertionError(f"{self._type} refuses a batch and none of its values")


def declared(type_: TypeInformation[Any] | None, operator: str) -> Declared | None:
    """None where nothing was declared, or anything fits."""
    return None if type_ is None or type_ == Types.ANY() else Declared(type_, operator)


def declared_output(node: ChainNode, operator: str) -> Declared | None:
    """What an operator declares of the records that it gives."""
    return None if isinstance(node.specification, _PASSES_ON) else declared(node.type, operator)
