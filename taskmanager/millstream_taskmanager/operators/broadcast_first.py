"""Batch mode: of a stream without keys and a broadcast one, all that is broadcast comes first, as in Flink.

Where it lies in files it is read first (`worker.stored`), and nothing waits here. Where both come at once, inline or by
pipelined exchanges, the records wait until the broadcast stream has ended.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from millstream_dataflow.records import Barrier, RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_taskmanager.operators.base import PAUSE, Operator, OperatorContext, Output, RowOperator
from millstream_taskmanager.operators.state import StoredList
from millstream_taskmanager.sorting.backlog import Backlog
from millstream_taskmanager.user_code.errors import ConnectorCode

_RECORDS: Final = 0
_BROADCAST: Final = 1


class BroadcastFirstOperator(RowOperator):
    """See the module. `inner` is the operator of streaming mode."""

    def __init__(self, inner: Operator, memory: int, directory: str) -> None:
        """`memory` and `directory`: as Backlog says."""
        self._inner = inner
        self._backlog = Backlog(memory, directory)
        self._waits = True
        self._ended = False

    def open(self, context: OperatorContext) -> None:
        """See Operator."""
        self._guard = ConnectorCode(context.name)  # a full disk is nobody's mistake, and may have room again
        self._inner.open(context)

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        if number == _BROADCAST or not self._waits:
            return self._inner.process(number, batch)
        with self._guard:
            self._backlog.add(batch)
        return iter(())

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """Event time may be at its end just before the end of the input is told."""
        if watermark.time == MAX_TIME:
            yield from self._go_on()
        yield from self._inner.advance(watermark)

    def end_of_input(self, number: int) -> Iterator[Output]:
        """That of the records is told when they have been given."""
        if number == _RECORDS and self._waits:
            self._ended = True
            return
        if number == _BROADCAST:
            yield from self._go_on()
        yield from self._inner.end_of_input(number)
        if number == _BROADCAST and self._ended:
            yield from self._inner.end_of_input(_RECORDS)

    def _go_on(self) -> Iterator[Output]:
        """Nothing more is broadcast."""
        if not self._waits:
            return
        self._waits = False
        batches = self._backlog.batches()
        while (batch := self._next(batches)) is not None:
            yield from self._inner.process(_RECORDS, batch)
            yield PAUSE  # a cancel needn't wait until all records are through

    def _next(self, batches: Iterator[RowBatch]) -> RowBatch | None:
        with self._guard:
            return next(batches, None)

    def finish(self) -> Iterator[Output]:
        """See Operator."""
        return self._inner.finish()

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """Nothing waits at the only checkpoint of a job."""
        return self._inner.snapshot(barrier, ended=ended)

    def close(self) -> None:
        """See Operator."""
        self._backlog.close()
        self._inner.close()
