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

    boundedness: Boundedness = Boundedness.BOUNDED
    has_enumerator: bool = False
    discovery_interval: int | None = None

    def static_splits(self, parallelism: int) -> Sequence[int]:
        return (0,)

    def create_reader(self, context: SourceContext, split: int, position: Any) -> "SteadyReader":  # noqa: ANN401  # the interface's
        return SteadyReader(context, position or 0)


class SteadyReader(Reader):
    """See the source."""

    def __init__(self, context: SourceContext, position: int) -> None:
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
        return Read(RowBatch(times), ended=end >= RECORDS, ready_at=self._context.now() + 1)

    def position(self) -> int:
        return self._next


@dataclass(frozen=True)
class LatencySink(Sink[Any]):
    """Keeps how old each record is when it comes."""

    file: str
    commits_outside: bool = False

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> "LatencyWriter":
        return LatencyWriter(self.file)


class LatencyWriter(SinkWriter[Any]):
    """See the sink."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._ages: list[float] = []

    def write(self, batch: Batch) -> None:
        assert isinstance(batch, RowBatch)
        now = time.monotonic()
        self._ages += [now - moment for moment in batch.values]

    def prepare_commit(self, checkpoint: CheckpointId, *, end_of_input: bool) -> Sequence[Any]:
        if end_of_input:
            Path(self._file).write_text(json.dumps(self._ages))
        return ()


def ours() -> float:
    """As a program whose sink is in a worker of its own. Milliseconds."""
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark-") as directory:
        file = Path(directory) / "ages"
        env = StreamExecutionEnvironment.get_execution_environment(
            {"parallelism.default": 1, "execution.checkpointing.interval": "1 s"}
        )
        stream = env.from_source(SteadySource(), WatermarkStrategy.no_watermarks(), "steady")
        sink = stream.rebalance().map(lambda moment: moment).slot_sharing_group("sink").sink_to(LatencySink(str(file)))
        sink.slot_sharing_group("sink")
        env.execute("latency")
        ages = json.loads(file.read_text())
    check("records that arrived", len(ages), RECORDS)
    return _p99(ages[WARM_UP:])


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
    other, mine = (statistics.median(side) for side in zip(*pairs, strict=True))
    used = Measured(RECORDS, SECONDS, 0.0, 0.0)
    return Report(
        "latency",
        used.records,
        mine,
        f"a two-process echo at {RATE:,} events a second",
        other,
        other / mine,
        used.rss_mb,
        used.cpu_s,
        "ms p99",
    )
