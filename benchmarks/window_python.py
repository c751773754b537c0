"""Sums per key and ten seconds, in Python: keys are exchanged between two processes, windows fire by event time."""

import socket
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.harness import Measured, Report, check, compare
from benchmarks.jobs import PARALLELISM, run_job
from benchmarks.measuring import CountingSink, ReadySource, rows_of
from benchmarks.processes import Peer, dumps, in_two_processes, loads
from millstream import StreamExecutionEnvironment, Time, TumblingEventTimeWindows, WatermarkStrategy
from millstream_dataflow.records import Batch, RowBatch

KEYS = 1_000
BATCH = 8_192
BATCHES = 160
PASSES = 1
RECORDS = BATCH * BATCHES * PARALLELISM * PASSES
WINDOW = 10_000  # ms, of 20,000 records: 20 for each result

Event = tuple[str, int]


def events(process: int) -> tuple[list[Event], list[int]]:
    """Input of one process: (key, value) pairs and their times, one a millisecond."""
    count = BATCH * BATCHES
    values = [(f"key-{number * 7919 % KEYS}", number) for number in range(process, count * PARALLELISM, PARALLELISM)]
    return values, list(range(count))


def batches(process: int) -> Sequence[Batch]:
    """The same as batches."""
    values, times = events(process)
    starts = range(0, len(values), BATCH)
    return [RowBatch(values[start : start + BATCH], times[start : start + BATCH]) for start in starts]


def expected() -> tuple[int, int]:
    """How many windows of a key there are, and the sum of everything."""
    places = set[tuple[int, str]]()
    total = 0
    for process in range(PARALLELISM):
        for (key, value), time in zip(*events(process), strict=True):
            places.add((time // WINDOW, key))
            total += value
    return len(places), total


def ours() -> Measured:
    """As a program."""

    def build(env: StreamExecutionEnvironment, directory: str) -> None:
        source = ReadySource(directory, batches, PASSES, PARALLELISM)
        stream = env.from_source(source, WatermarkStrategy.for_monotonous_timestamps(), "events")
        sums = (
            stream.key_by(lambda event: event[0])
            .window(TumblingEventTimeWindows.of(Time.milliseconds(WINDOW)))
            .reduce(lambda one, other: (one[0], one[1] + other[1]))
        )
        sums.sink_to(CountingSink(directory, lambda batch: sum(event[1] for event in rows_of(batch))))

    found = run_job(build)
    check("windows and their sum", (found.records, found.total), expected())
    return found.measured(RECORDS)


def work(process: int, ready: tuple[list[Event], list[int]], end: socket.socket) -> tuple[int, int]:
    """As a loop: a dictionary per window, half of the events to the other process in batches."""
    peer = Peer(end)
    windows: dict[int, dict[str, int]] = defaultdict(dict)

    def add(values: list[Event], times: list[int]) -> None:
        for (key, value), time in zip(values, times, strict=True):
            sums = windows[time // WINDOW]
            sums[key] = sums.get(key, 0) + value

    owner = {f"key-{number}": number & 1 for number in range(KEYS)}
    values, times = ready
    for start in range(0, len(values), BATCH):
        mine: tuple[list[Event], list[int]] = ([], [])
        other: tuple[list[Event], list[int]] = ([], [])
        for event, time in zip(values[start : start + BATCH], times[start : start + BATCH], strict=True):
            part = mine if owner[event[0]] == process else other
            part[0].append(event)
            part[1].append(time)
        peer.send(dumps(other))
        add(*mine)
        for frame in peer.turn(wait=peer.backlog > 8):
            add(*loads(frame))
    for frame in peer.finish():
        add(*loads(frame))
    results = [value for sums in windows.values() for value in sums.values()]
    return len(results), sum(results)


def theirs() -> Measured:
    """In two processes."""

    def verify(results: list[tuple[int, int]]) -> None:
        found = sum(count for count, _ in results), sum(total for _, total in results)
        check("windows by the yardstick", found, expected())

    return in_two_processes(events, work, RECORDS, verify)


def run() -> Report:
    """The benchmark."""
    return compare("window_python", "a dict loop with a hash shuffle over a Unix socket", ours, theirs)
