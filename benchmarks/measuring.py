"""Sources whose input lies ready before the clock starts, and sinks that count, add up and take the time.

All readers of a job wait for each other; the clock starts with the first batch that any of them gives and stops when
the last sink has heard of the end. Both write what they saw into a directory, one file each.
"""

import json
import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Measured
from millstream_dataflow.connectors import Boundedness, Read, Sink, SinkContext, SinkWriter, Source, SourceContext
from millstream_dataflow.connectors import SplitReader as Reader
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Batch, ColumnBatch, RowBatch

MakeBatches = Callable[[int], Sequence[Batch]]
"""From a subtask's index to the batches that it will read."""

_inputs: dict[int, Sequence[Batch]] = {}
"""What readers of this process have been given, by split, kept until the split's next one: a yardstick's clock doesn't
run either while its input is freed, which takes 0.1 us a record.
"""


@dataclass(frozen=True)
class ReadySource(Source[int]):
    """Gives prepared batches, one at a read, `passes` times over."""

    directory: str
    make: MakeBatches
    passes: int
    parallelism: int
    boundedness: Boundedness = Boundedness.BOUNDED
    has_enumerator: bool = False
    discovery_interval: int | None = None

    def static_splits(self, parallelism: int) -> Sequence[int]:
        return range(parallelism)

    def create_reader(self, context: SourceContext, split: int, position: Any) -> "ReadyReader":  # noqa: ANN401  # the interface's
        return ReadyReader(self, split, position or 0)


class ReadyReader(Reader):
    """See the source."""

    def __init__(self, source: ReadySource, split: int, position: int) -> None:
        self._source = source
        self._split = split
        self._batches = _inputs[split] = source.make(split)
        self._end = len(self._batches) * source.passes
        self._next = position
        self._started = False
        publish(source.directory, f"ready-{split}", {})

    def read(self, limit: int) -> Read:
        if not self._started:
            if len(list(Path(self._source.directory).glob("ready-*"))) < self._source.parallelism:
                return Read()
            self._started = True
            publish(self._source.directory, f"start-{self._split}", {"time": time.monotonic()})
        batch = self._batches[self._next % len(self._batches)]
        self._next += 1
        return Read(batch, ended=self._next >= self._end)

    def position(self) -> int:
        return self._next


@dataclass(frozen=True)
class CountingSink(Sink[Any]):
    """Counts records and adds up what `measure` gives of each batch."""

    directory: str
    measure: Callable[[Batch], int]
    commits_outside: bool = False

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> "CountingWriter":
        return CountingWriter(self, context.subtask_index)


class CountingWriter(SinkWriter[Any]):
    """See the sink."""

    def __init__(self, sink: CountingSink, subtask: int) -> None:
        self._sink = sink
        self._subtask = subtask
        self._records = 0
        self._total = 0

    def write(self, batch: Batch) -> None:
        self._records += len(batch)
        self._total += self._sink.measure(batch)

    def prepare_commit(self, checkpoint: CheckpointId, *, end_of_input: bool) -> Sequence[Any]:
        if end_of_input:
            seen = {"time": time.monotonic(), "records": self._records, "total": self._total}
            publish(self._sink.directory, f"end-{self._subtask}", {**seen, **used()})
        return ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What all sinks of a job saw."""

    records: int
    total: int
    seconds: float
    rss_mb: float
    cpu_s: float

    def measured(self, records: int) -> Measured:
        """The round's figures, for so many records of input."""
        return Measured(records, self.seconds, self.rss_mb, self.cpu_s)


def seen(directory: Path) -> Seen:
    """What lies in the directory when the job has finished."""
    starts = [json.loads(path.read_text()) for path in directory.glob("start-*")]
    ends = [json.loads(path.read_text()) for path in directory.glob("end-*")]
    return Seen(
        sum(end["records"] for end in ends),
        sum(end["total"] for end in ends),
        max(end["time"] for end in ends) - min(start["time"] for start in starts),
        *used_by_all(ends),
    )


def used() -> dict[str, float]:
    """What this process has used so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"rss_kb": usage.ru_maxrss, "cpu_s": usage.ru_utime + usage.ru_stime, "pid": os.getpid()}


def used_by_all(ends: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """MB and seconds of all processes together, of what their tasks saw at their ends (`used`)."""
    by_process = {end["pid"]: end for end in ends}.values()
    return sum(end["rss_kb"] for end in by_process) / 1_024, sum(end["cpu_s"] for end in by_process)


def rows_of(batch: Batch) -> list[Any]:
    """The rows of a batch that has them."""
    assert isinstance(batch, RowBatch)
    return batch.values


def columns_of(batch: Batch) -> Any:  # noqa: ANN401  # pyarrow has no types for it
    """The columns of a batch that has them."""
    assert isinstance(batch, ColumnBatch)
    return batch.columns


def publish(directory: str, name: str, content: Mapping[str, object]) -> None:
    """A file that is whole as soon as it is seen."""
    place = Path(directory) / f".{name}"
    place.write_text(json.dumps(content))
    place.rename(Path(directory) / name)
