"""Columns dealt out to two processes: half of each stays, half crosses a socket."""

import socket
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.harness import Measured, Report, check, compare
from benchmarks.jobs import PARALLELISM, run_job
from benchmarks.measuring import CountingSink, ReadySource, columns_of
from benchmarks.processes import Peer, in_two_processes
from millstream import StreamExecutionEnvironment, WatermarkStrategy
from millstream_dataflow.records import Batch, ColumnBatch

BATCH = 32_768  # columns are at their best from 8 to 32 thousand rows
BATCHES = 16
PASSES = 64
WIDTH = 4  # columns of 8 bytes
RECORDS = BATCH * BATCHES * PASSES * PARALLELISM


def columns(process: int, number: int) -> pa.RecordBatch:
    """One batch of input."""
    first = (process * BATCHES + number) * BATCH
    values = np.arange(first, first + BATCH, dtype=np.int64)
    return pa.RecordBatch.from_arrays([pa.array(values + column) for column in range(WIDTH)], list("abcd"))


def batches(process: int) -> Sequence[Batch]:
    """The input of one process."""
    return [ColumnBatch(columns(process, number)) for number in range(BATCHES)]


def total(batch: Batch) -> int:
    """The sum of all values."""
    return sum(int(pc.sum(column).as_py()) for column in columns_of(batch).columns)


def total_by_ends(batch: Batch) -> int:
    """The sum of the first column, by its first and last value, since they follow one another: whether all pieces came,
    each once. In the clock nothing else is read: the yardstick reads nothing, all of it would be a tenth of the time.
    """
    column = columns_of(batch).column(0)
    return int((column[0].as_py() + column[-1].as_py()) * len(column) // 2)


def ours(measure: Callable[[Batch], int] = total_by_ends, summed: int = 1) -> Measured:
    """As a program: half of each batch goes to either of the two. `measure` adds up so many columns."""

    def build(env: StreamExecutionEnvironment, directory: str) -> None:
        source = ReadySource(directory, batches, PASSES, PARALLELISM)
        stream = env.from_source(source, WatermarkStrategy.no_watermarks(), "columns")
        stream.rebalance().sink_to(CountingSink(directory, measure))

    found = run_job(build)
    rows = BATCH * BATCHES * PARALLELISM
    expected = PASSES * sum(sum(range(column, column + rows)) for column in range(summed))
    check("records and the sum of their values", (found.records, found.total), (RECORDS, expected))
    return found.measured(RECORDS)


def prepare(process: int) -> list[memoryview]:
    """The same bytes, without the work of making them columns."""
    return [memoryview(b"".join(_buffers(columns(process, number)))) for number in range(BATCHES)]


def _buffers(batch: pa.RecordBatch) -> list[bytes]:
    return [bytes(buffer) for column in batch.columns for buffer in column.buffers() if buffer is not None]


def work(_: int, ready: list[memoryview], end: socket.socket) -> int:
    """Every second batch to the other process."""
    peer = Peer(end)
    size = WIDTH * 8
    records = 0
    for _pass in range(PASSES):
        for number, batch in enumerate(ready):
            if number % 2:
                peer.send(batch)
            else:
                records += len(batch) // size
            for frame in peer.turn(wait=peer.backlog > 8):
                records += len(frame) // size
    for frame in peer.finish():
        records += len(frame) // size
    return records


def theirs() -> Measured:
    """In two processes."""
    return in_two_processes(prepare, work, RECORDS, lambda counts: check("records", sum(counts), RECORDS))


def run() -> Report:
    """The benchmark. Once, before the clock, every value is looked at."""
    ours(total, WIDTH)
    return compare("exchange", "a raw socket copy of the same bytes", ours, theirs)
