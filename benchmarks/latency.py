"""How long a record takes from one process to another, at 10,000 a second: the slowest of a hundred."""

import json
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import ROUNDS, Measured, Report, check
from benchmarks.measuring import publish, used, used_by_all
from benchmarks.processes import in_two_processes
from millstream import StreamExecutionEnvironment, WatermarkStrategy
from millstream_dataflow.connectors import Boundedness, Read, Sink, SinkContext, SinkWriter, Source, SourceContext
from millstream_dataflow.connectors import SplitReader as Reader
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Batch, RowBatch

RATE = 10_000
SECONDS = 3
RECORDS = RATE * SECONDS
WARM_UP = RATE // 2  # records that don't count: connections, caches


def due(started: float, number: int) -> float:
    """When a record is to be sent, by the monotonic clock: whoever sends it late has that time against him."""
    return started + number / RATE


@dataclass(frozen=True)
class SteadySource(Source[int]):
    """Gives each record at its time, which is the record."""

    directory: str
    boundedness: Boundedness = Boundedness.BOUNDED
    has_enumerator: bool = False
    discovery_interval: int | None = None

    def static_splits(self, parallelism: int) -> Sequence[int]:
        return (0,)

    def create_reader(self, context: SourceContext, split: int, position: Any) -> "SteadyReader":  # noqa: ANN401  # the interface's
        return SteadyReader(self.directory, context, position or 0)


class SteadyReader(Reader):
    """See the source."""

    def __init__(self, directory: str, context: SourceContext, position: int) -> None:
        self._directory = directory
        self._context = context
        self._started: float | None = None
        self._next = position

    def read(self, limit: int) -> Read:
        now = time.monotonic()
        if self._started is None:
            self._started = now - self._next / RATE
        end = min(int((now - self._started) * RATE) + 1, RECORDS, self._next + limit)
        if end <= self._next:
            return Read(ready_at=self._context.now() + 1)
        times = [due(self._started, number) for number in range(self._next, end)]
        self._next = end
        if end >= RECORDS:
            publish(self._directory, "end-source", used())
        return Read(RowBatch(times), ended=end >= RECORDS, ready_at=self._context.now() + 1)

    def position(self) -> int:
        return self._next


@dataclass(frozen=True)
class LatencySink(Sink[Any]):
    """Keeps how old each record is when it comes."""

    directory: str
    commits_outside: bool = False

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> "LatencyWriter":
        return LatencyWriter(self.directory)


class LatencyWriter(SinkWriter[Any]):
    """See the sink."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._ages: list[float] = []

    def write(self, batch: Batch) -> None:
        assert isinstance(batch, RowBatch)
        now = time.monotonic()
        self._ages += [now - moment for moment in batch.values]

    def prepare_commit(self, checkpoint: CheckpointId, *, end_of_input: bool) -> Sequence[Any]:
        if end_of_input:
            publish(self._directory, "end-sink", {"ages": self._ages, **used()})
        return ()


def ours() -> tuple[float, Measured]:
    """As a program whose sink is in a worker of its own. Milliseconds, and what both workers used."""
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark-") as directory:
        env = StreamExecutionEnvironment.get_execution_environment(
            {"parallelism.default": 1, "execution.checkpointing.interval": "1 s"}
        )
        stream = env.from_source(SteadySource(directory), WatermarkStrategy.no_watermarks(), "steady")
        sink = stream.rebalance().map(lambda moment: moment).slot_sharing_group("sink").sink_to(LatencySink(directory))
        sink.slot_sharing_group("sink")
        env.execute("latency")
        ends = [json.loads((Path(directory) / f"end-{end}").read_text()) for end in ("source", "sink")]
    ages = ends[1]["ages"]
    check("records that arrived", len(ages), RECORDS)
    return _p99(ages[WARM_UP:]), Measured(RECORDS, SECONDS, *used_by_all(ends))


def work(process: int, _: object, end: socket.socket) -> list[float]:
    """Process 0 sends times, process 1 sends them back."""
    if process:
        while data := end.recv(65_536):
            end.sendall(data)
        return []
    end.setblocking(False)
    started, sent, answered = time.monotonic(), 0, 0
    ages: list[float] = []
    buffer = bytearray()
    while answered < RECORDS:
        now = time.monotonic()
        count = min(int((now - started) * RATE) + 1, RECORDS) - sent
        if count > 0:
            end.sendall(b"12345678" * count)
            sent += count
        try:
            buffer += end.recv(65_536)
        except BlockingIOError:
            time.sleep(0.0001)
            continue
        now = time.monotonic()
        fresh = len(buffer) // 8
        ages += [now - due(started, number) for number in range(answered, answered + fresh)]
        answered += fresh
        del buffer[: fresh * 8]
    end.shutdown(socket.SHUT_WR)
    return ages


def theirs() -> float:
    """There and back between two processes. Milliseconds."""
    found: list[float] = []
    in_two_processes(lambda _: None, work, RECORDS, lambda results: found.extend(results[0]))
    check("records that came back", len(found), RECORDS)
    return _p99(found[WARM_UP:])


def _p99(ages: list[float]) -> float:
    return statistics.quantiles(ages, n=100)[98] * 1_000


def run() -> Report:
    """The benchmark. The ratio is the yardstick's time over ours."""
    ours()
    pairs = [(theirs(), ours()) for _ in range(ROUNDS)]
    other = statistics.median([yardstick for yardstick, _ in pairs])
    mine = statistics.median([latency for _, (latency, _) in pairs])
    return Report(
        "latency",
        RECORDS,
        mine,
        f"a two-process echo at {RATE:,} events a second",
        other,
        other / mine,
        statistics.median([measured.rss_mb for _, (_, measured) in pairs]),
        statistics.median([measured.cpu_s for _, (_, measured) in pairs]),
        "ms p99",
    )
