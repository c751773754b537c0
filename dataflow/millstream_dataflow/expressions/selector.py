"""An expression as the key of a stream, or as the time of its records: `key_by("k")`, `key_by(col("a") % 10)`,
`with_timestamp_assigner(col("at").epoch_millis())`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from millstream_dataflow.expressions.nodes import Expression
from millstream_dataflow.expressions.rows import row_function

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class ColumnKey:
    """A key selector that columns need not be taken apart for. Called as any other, with a record."""

    expression: Expression
    _of_record: Callable[[Any], Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_of_record", row_function(self.expression))

    def __call__(self, record: Any) -> Any:  # noqa: ANN401  # records and keys are the user's
        """The key of a record."""
        return self._of_record(record)

    def __reduce__(self) -> tuple[type[ColumnKey], tuple[Expression]]:
        """It travels as its expression."""
        return ColumnKey, (self.expression,)

    @property
    def __name__(self) -> str:
        """What plans and errors call it."""
        return repr(self.expression)

    def column(self, batch: pa.RecordBatch) -> pa.Array[Any]:
        """The keys of a batch of columns."""
        from millstream_dataflow.expressions.columns import evaluated  # noqa: PLC0415  # heavy: Arrow

        return evaluated(self.expression, batch)
