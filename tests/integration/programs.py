"""Programs that the fault tests run, each with a truth to compare its output with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millstream import (
    AggregateFunction,
    FileSink,
    KeyedProcessFunction,
    ProcessWindowFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
    Time,
    TimeWindow,
    TumblingEventTimeWindows,
    Types,
    ValueStateDescriptor,
    WatermarkStrategy,
)
from millstream_dataflow.connectors import Sink, SinkContext, SinkWriter
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Batch, RowBatch
from tests.support.jobs import Event, PacedEvents

WINDOW = 1_000
HEADER = ("window_start", "key", "events", "total")


class CountAndSum(AggregateFunction[Event, list[int], list[int]]):
    """Changes its accumulator in place, as people do (law 4.5)."""

    def create_accumulator(self) -> list[int]:
        return [0, 0]

    def add(self, value: Event, accumulator: list[int]) -> list[int]:
        accumulator[0] += 1
        accumulator[1] += value[1]
        return accumulator

    def get_result(self, accumulator: list[int]) -> list[int]:
        return accumulator

    def merge(self, acc_a: list[int], acc_b: list[int]) -> list[int]:
        return [acc_a[0] + acc_b[0], acc_a[1] + acc_b[1]]


class WithWindow(ProcessWindowFunction[list[int], tuple[int, int, int, int], int, TimeWindow]):
    """Puts window and key before the result."""

    def process(
        self, key: int, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[list[int]]
    ) -> Iterable[tuple[int, int, int, int]]:
        for events, total in elements:
            yield context.window().start, key, events, total


def windows(env: StreamExecutionEnvironment, source: PacedEvents, directory: Path, group: str = "default") -> None:
    """Counts and sums per key and second, exactly once into CSV files."""
    (
        env.from_source(source, WatermarkStrategy.for_monotonous_timestamps(), "events")
        .slot_sharing_group(group)
        .key_by(lambda event: event[0])
        .window(TumblingEventTimeWindows.of(Time.milliseconds(WINDOW)))
        .aggregate(CountAndSum(), WithWindow())
        .sink_to(FileSink.csv(str(directory), HEADER))
    )


class CountPerKey(KeyedProcessFunction[int, Event, tuple[int, int]]):
    """The running count of each key, in a value state."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value: Event, ctx: KeyedProcessFunction.Context) -> Iterable[tuple[int, int]]:
        count = (self.count.value() or 0) + 1
        self.count.update(count)
        yield value[0], count


def keyed_counts(env: StreamExecutionEnvironment, source: PacedEvents, directory: Path) -> None:
    """The last count of each key into one file a subtask, by a sink that commits nothing."""
    (
        env.from_source(source, WatermarkStrategy.no_watermarks(), "events")
        .key_by(lambda event: event[0])
        .process(CountPerKey())
        .sink_to(LastCounts(str(directory)))
    )


@dataclass(frozen=True)
class LastCounts(Sink[Any]):
    """Writes what it knows when its input ends."""

    directory: str
    commits_outside: bool = False

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> "LastCountsWriter":
        return LastCountsWriter(self.directory, context.subtask_index, dict(state))


class LastCountsWriter(SinkWriter[Any]):
    """See the sink."""

    def __init__(self, directory: str, subtask: int, counts: dict[int, int]) -> None:
        self.file = Path(directory) / f"counts-{subtask}"
        self.counts = counts

    def write(self, batch: Batch) -> None:
        assert isinstance(batch, RowBatch)
        self.counts.update(batch.values)

    def prepare_commit(self, checkpoint: CheckpointId, *, end_of_input: bool) -> Sequence[Any]:
        if end_of_input:
            self.file.parent.mkdir(exist_ok=True)
            self.file.write_text("".join(f"{key},{count}\n" for key, count in sorted(self.counts.items())))
        return ()

    def snapshot(self) -> Sequence[Any]:
        return list(self.counts.items())
