"""Windows of event time against a plain model of what Flink says of them (`tests.support.window_model`): any assigner
with any trigger, late records, records that the user's function changes, and a snapshot that is encoded while more
comes, from which several subtasks go on.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from millstream_dataflow.functions import AggregateFunction, ProcessWindowFunction
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Barrier, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.windows import (
    ContinuousEventTimeTrigger,
    CountTrigger,
    EventTimeSessionWindows,
    EventTimeTrigger,
    PurgingTrigger,
    SlidingEventTimeWindows,
    TimeWindow,
    TumblingEventTimeWindows,
)
from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.state.snapshot import KeyedSnapshot
from tests.support.window_model import WindowsOfKey, empty
from tests.support.windows import Windows, shown

KEYS = "abcdefgh"
LATE: OutputTag[Any] = OutputTag("late")
ASSIGNERS = [
    TumblingEventTimeWindows.of(10, 3),
    SlidingEventTimeWindows.of(12, 5),
    SlidingEventTimeWindows.of(10, 5, 2),
    SlidingEventTimeWindows.of(4, 9),
    EventTimeSessionWindows.with_gap(7),
    EventTimeSessionWindows.with_dynamic_gap(lambda record: 3 + record[1] % 9),
]
TRIGGERS = [
    None,
    EventTimeTrigger(),
    ContinuousEventTimeTrigger.of(4),
    CountTrigger.of(2),
    PurgingTrigger.of(EventTimeTrigger()),
    PurgingTrigger.of(CountTrigger.of(2)),
    PurgingTrigger.of(ContinuousEventTimeTrigger.of(4)),
]


class Bag(AggregateFunction[list[Any], list[Any], list[Any]]):
    """All records, in a list that it changes in place."""

    def create_accumulator(self) -> list[Any]:
        return []

    def add(self, value: list[Any], accumulator: list[Any]) -> list[Any]:
        accumulator.append(value)
        return accumulator

    def merge(self, acc_a: list[Any], acc_b: list[Any]) -> list[Any]:
        acc_a.extend(acc_b)
        return acc_a

    def get_result(self, accumulator: list[Any]) -> list[Any]:
        return accumulator


def spoiling(key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Any]) -> Iterator[Any]:
    """The numbers of a window, whose records are spoilt by it."""
    records = list(elements)
    numbers = sorted(record[1] for record in records)
    for record in records:
        record[1] = "spoilt"
    yield key, (context.window(), numbers, context.firing_number())


def spoiling_bag(
    key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[list[Any]]
) -> Iterator[Any]:
    for bag in elements:
        yield from spoiling(key, context, bag)
        bag.clear()


# ------------------------------------------------------------------------------------------------- what happens


@dataclass(frozen=True)
class Come:
    """Records, each with its key, a number and its time."""

    records: list[tuple[str, int, int]]


@dataclass(frozen=True)
class Reach:
    """A watermark for each subtask that there is."""

    times: tuple[int, int, int]


@dataclass(frozen=True)
class Cut:
    """A snapshot begins."""


@dataclass(frozen=True)
class Encode:
    """Some of it is encoded."""

    parts: int


@dataclass(frozen=True)
class Restore:
    """So many subtasks go on from it."""

    parallelism: int


Step = Come | Reach | Cut | Encode | Restore
RECORDS = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 20), st.integers(0, 60)), min_size=1, max_size=30)
TIMES = st.tuples(st.integers(0, 70), st.integers(0, 70), st.integers(0, 70))
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Come, RECORDS),
    st.builds(Reach, TIMES),
    st.builds(Cut),
    st.builds(Encode, st.integers(1, 4)),
    st.builds(Restore, st.integers(1, 3)),
)


class Pair:
    """The operator and the model, which the same happens to."""

    def __init__(self, windows: Windows, keys: Mapping[str, WindowsOfKey]) -> None:
        self.windows = windows
        self.keys = keys
        self.cut: tuple[list[KeyedSnapshot], Mapping[str, WindowsOfKey]] | None = None

    def happen(self, step: Step) -> list[Any]:
        """What the operator gives."""
        match step:
            case Reach(times=times):
                return self.advance(times)
            case Come(records=records):
                for key, number, time in records:
                    self.keys[key].add(number, time)
                return self.windows.come(*map(list, records))
            case Cut():
                self.cut = self.snapshots(), copy.deepcopy(self.keys)
            case Encode(parts=parts) if self.cut is not None:
                self.encode(self.cut[0], parts)
            case Restore(parallelism=parallelism) if self.cut is not None:
                self.encode(self.cut[0])
                self.restore([run for one in self.cut[0] for run in one.runs], self.cut[1], parallelism)
            case _:  # there was no cut
                pass
        return []

    def advance(self, times: tuple[int, int, int]) -> list[Any]:
        for key in self.keys.values():
            key.advance(times[self.windows.owner(key.key)])
        pairs = zip(self.windows.operators, times, strict=False)
        return [row for operator, time in pairs for row in shown(operator.advance(Watermark(time)))]

    def snapshots(self) -> list[KeyedSnapshot]:
        taken: list[KeyedSnapshot] = []
        for operator in self.windows.operators:
            operator.snapshot(Barrier(CheckpointId(1)), ended=False)
            snapshot = operator.keyed_snapshot()
            assert snapshot is not None
            taken.append(snapshot)
        return taken

    def encode(self, snapshots: Iterable[KeyedSnapshot], parts: int = 1_000_000) -> None:
        for snapshot in snapshots:
            for _ in range(parts):
                if snapshot.done:
                    break
                snapshot.encode_some()

    def restore(self, runs: list[KeyedRun], keys: Mapping[str, WindowsOfKey], parallelism: int) -> None:
        specification = self.windows.specification
        options = {name: getattr(specification, name) for name in specification.__dataclass_fields__}
        state = RestoredState((), tuple(runs), restored=True)
        self.windows = Windows(parallelism=parallelism, state=state, **options)
        self.keys, self.cut = keys, None
        empty(self.keys.values())

    def compare(self, rows: list[Any]) -> None:
        """Key by key, in no order."""
        given: dict[str, list[Any]] = {key: [] for key in self.keys}
        for row in rows:
            if row[0] == LATE.tag_id:
                given[row[1][0]].append(("late", row[1][1], row[2]))
            else:
                given[row[0][0]].append(row[0][1])
        for name, key in self.keys.items():
            expected = [*key.results, *(("late", *one) for one in key.late)]
            assert sorted(map(repr, given[name])) == sorted(map(repr, expected))
        empty(self.keys.values())


@settings(max_examples=5 * settings().max_examples)  # there are many combinations, and they are fast
@given(
    st.sampled_from(ASSIGNERS),
    st.sampled_from(TRIGGERS),
    st.sampled_from([0, 0, 5, 30]),
    st.booleans(),
    st.lists(STEPS, max_size=16),
)
@example(  # a timer behind the watermark, which then doesn't rise
    TumblingEventTimeWindows.of(10, 3),
    ContinuousEventTimeTrigger.of(4),
    0,
    False,
    [Reach((4, 4, 4)), Come([("a", 0, 3)]), Reach((4, 4, 4))],
)
def test_windows_give_what_flink_says(
    assigner: Any,  # noqa: ANN401  # of several kinds
    trigger: Any,  # noqa: ANN401  # of several kinds
    lateness: int,
    is_bag: bool,
    steps: list[Step],
) -> None:
    kept: dict[str, Any] = {"aggregate": Bag(), "process": spoiling_bag} if is_bag else {"process": spoiling}
    windows = Windows(assigner, trigger=trigger, allowed_lateness=lateness, late=LATE, **kept)
    pair = Pair(windows, {key: WindowsOfKey(key, assigner, trigger, lateness) for key in KEYS})
    for step in [*steps, Reach((MAX_TIME, MAX_TIME, MAX_TIME))]:
        pair.compare(pair.happen(step))
    for operator in pair.windows.operators:
        for table in operator.backend._tables.values():
            assert not list(table.identities()), f"{table.where.title} are left"
