"""Two lambdas over integers, in two processes."""

import socket
from collections.abc import Callable, Sequence

from benchmarks.harness import Measured, Report, check, compare
from benchmarks.jobs import PARALLELISM, run_job
from benchmarks.measuring import CountingSink, ReadySource, rows_of
from benchmarks.processes import in_two_processes
from millstream import StreamExecutionEnvironment, WatermarkStrategy
from millstream_dataflow.records import Batch, RowBatch

BATCH = 8_192
BATCHES = 128
PASSES = 8
RECORDS = BATCH * BATCHES * PASSES * PARALLELISM


def numbers(process: int) -> list[int]:
    """The input of one process."""
    return list(range(process, BATCH * BATCHES * PARALLELISM, PARALLELISM))


def batches(process: int) -> Sequence[Batch]:
    """The same as batches."""
    values = numbers(process)
    return [RowBatch(values[start : start + BATCH]) for start in range(0, len(values), BATCH)]


def expected() -> int:
    """The sum of what passes."""
    passed = (number * 3 for number in range(BATCH * BATCHES * PARALLELISM))
    return PASSES * sum(value for value in passed if value % 2 == 0)


def ours() -> Measured:
    """As a program."""

    def build(env: StreamExecutionEnvironment, directory: str) -> None:
        source = ReadySource(directory, batches, PASSES, PARALLELISM)
        stream = env.from_source(source, WatermarkStrategy.no_watermarks(), "numbers")
        kept = stream.map(lambda value: value * 3).filter(lambda value: value % 2 == 0)
        kept.sink_to(CountingSink(directory, lambda batch: sum(rows_of(batch))))

    found = run_job(build)
    check("sum of the records that passed", found.total, expected())
    return found.measured(RECORDS)


def work(_process: int, values: list[int], _end: socket.socket) -> int:
    """As a loop: a comprehension that calls both lambdas is the fastest of the forms that take any two functions."""
    triple: Callable[[int], int] = lambda value: value * 3  # noqa: E731  # it stands for the user's
    even: Callable[[int], bool] = lambda value: value % 2 == 0  # noqa: E731  # as above
    total = 0
    for _pass in range(PASSES):
        total += sum([result for value in values if even(result := triple(value))])
    return total


def theirs() -> Measured:
    """In two processes."""
    return in_two_processes(
        numbers, work, RECORDS, lambda totals: check("sum by the yardstick", sum(totals), expected())
    )


def run() -> Report:
    """The benchmark."""
    return compare("map_filter", "two lambdas over a list in two processes", ours, theirs)
