"""Small batches as larger ones: what comes of one key is often one record, and a batch costs as much as many."""

from collections.abc import Iterable, Iterator

from millstream_dataflow.records import RowBatch, StreamStatus, Watermark
from millstream_taskmanager.operators.base import SLICE, Output, SideBatch

_MAIN = ""  # no side output has an empty tag


class Gathering:
    """Rows of each output, in order. Columns, and rows of another kind than those before, let them out first."""

    def __init__(self) -> None:
        self._open: dict[str, RowBatch] = {}
        self._count = 0

    def pass_on(self, outputs: Iterable[Output]) -> Iterator[Output]:
        """What an operator gives, without what it says of event time."""
        for output in outputs:
            if isinstance(output, Watermark | StreamStatus):
                continue
            tag, batch = (output.tag, output.batch) if isinstance(output, SideBatch) else (_MAIN, output)
            if isinstance(batch, RowBatch):
                yield from self._take(tag, batch)
            else:
                yield from self.rest()
                yield output

    def rest(self) -> Iterator[Output]:
        """What has not been let out."""
        open_, self._open, self._count = self._open, {}, 0
        for tag, batch in open_.items():
            yield from _slices(tag, batch)

    def _take(self, tag: str, batch: RowBatch) -> Iterator[Output]:
        known = self._open.get(tag)
        if known is not None and (known.timestamps is None) != (batch.timestamps is None):
            yield from _slices(tag, self._open.pop(tag))
            known = None
        if known is None:
            known = self._open[tag] = RowBatch([], None if batch.timestamps is None else [])
        known.values += batch.values
        if known.timestamps is not None and batch.timestamps is not None:
            known.timestamps += batch.timestamps
        self._count += len(batch)
        if self._count >= SLICE:
            yield from self.rest()


def _slices(tag: str, batch: RowBatch) -> Iterator[Output]:
    """Law 9.1."""
    for start in range(0, len(batch), SLICE):
        part = batch if len(batch) <= SLICE else batch.slice(start, start + SLICE)
        yield SideBatch(tag, part) if tag else part
