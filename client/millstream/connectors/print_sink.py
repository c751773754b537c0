"""Records as lines on the standard output of the tasks: `print`. Flink's prefixes (its PrintSinkOutputWriter)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.connectors import Sink, SinkContext, SinkWriter
from millstream_dataflow.records import Batch, ColumnBatch


@dataclass(frozen=True)
class PrintSink(Sink[None]):
    """Writes `str(value)` of each record, a line each. What was printed before a failure may be printed again.

    With an identifier lines begin with `identifier:2> `, without one with `2> `, the number being the writer's, from 1;
    where there is one writer alone they begin with `identifier> ` or with nothing.
    """

    identifier: str = ""
    writer_keeps_state = False

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> SinkWriter[None]:
        """A writer that knows its prefix."""
        return _PrintWriter(context, self.identifier)


class _PrintWriter(SinkWriter[None]):
    def __init__(self, context: SinkContext, identifier: str) -> None:
        number = str(context.subtask_index + 1) if context.parallelism > 1 else ""
        head = ":".join(part for part in (identifier, number) if part)
        self._prefix = f"{head}> " if head else ""
        self._context = context

    def write(self, batch: Batch) -> None:
        """One call a batch: a line each would cost a system call each. Columns are shown as a dict a row."""
        values: list[Any] = batch.columns.to_pylist() if isinstance(batch, ColumnBatch) else batch.values
        if values:
            prefix = self._prefix
            self._context.write_out("".join([f"{prefix}{value}\n" for value in values]))
