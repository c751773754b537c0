"""Batches that wait for their turn, first come, first gone; what doesn't fit into memory waits on disk."""

from collections.abc import Iterator

import numpy as np

from millstream_dataflow.records import RowBatch
from millstream_dataflow.time import NO_TIMESTAMP
from millstream_taskmanager.sorting.blocks import Block, times_array
from millstream_taskmanager.sorting.held import HeldBytes
from millstream_taskmanager.sorting.runs import Run


class Backlog:
    """Of one input."""

    def __init__(self, memory: int, directory: str) -> None:
        """`memory`: bytes that may be held, about. `directory`: where the rest goes."""
        self._memory = memory
        self._directory = directory
        self._batches: list[RowBatch] = []
        self._held = HeldBytes()
        self._run: Run | None = None

    def add(self, batch: RowBatch) -> None:
        """Behind all others. SpillError when there is no room on disk either."""
        if not len(batch):
            return
        self._batches.append(batch)
        if self._held.add(batch.values) > self._memory:
            if self._run is None:
                self._run = Run(self._directory)
            self._run.write(map(_block, self._batches))
            self._batches.clear()
            self._held.forget()

    def batches(self) -> Iterator[RowBatch]:
        """All of them; once."""
        if self._run is not None:
            for block in self._run.read():
                times = block.times.tolist()
                yield RowBatch(block.values, None if times[0] == NO_TIMESTAMP else times)
        yield from self._batches
        self.close()

    def close(self) -> None:
        """Nothing of it is wanted any more."""
        if self._run is not None:
            self._run.close()
        self._run = None
        self._batches = []


def _block(batch: RowBatch) -> Block:
    count = len(batch)
    nothing = np.zeros(count, np.uint64), np.zeros(count, np.int64)
    return Block(nothing[0], times_array(batch.timestamps, count), nothing[1], batch.values)
