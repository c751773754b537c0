"""A snapshot of windows is a value (law 4.5): what comes behind the barrier isn't in it, whatever changes in place."""

import pickle
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import AggregateFunction
from millstream_dataflow.keys import key_group, key_hash
from millstream_dataflow.state import ListStateDescriptor, StateDescriptor
from millstream_dataflow.windows import (
    ContinuousEventTimeTrigger,
    CountEvictor,
    CountSlidingWindowAssigner,
    DeltaTrigger,
    EventTimeSessionWindows,
    PurgingTrigger,
    SlidingEventTimeWindows,
    Trigger,
    TriggerResult,
    TumblingEventTimeWindows,
    Window,
)
from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.state.snapshot import KeyedSnapshot
from tests.support.windows import Windows


class Texts(AggregateFunction[list[Any], list[str], str]):
    """In an accumulator that is changed in place wherever that may be."""

    def create_accumulator(self) -> list[str]:
        return []

    def add(self, value: list[Any], accumulator: list[str]) -> list[str]:
        accumulator.append(value[1])
        return accumulator

    def get_result(self, accumulator: list[str]) -> str:
        return "".join(accumulator)

    def merge(self, acc_a: list[str], acc_b: list[str]) -> list[str]:
        acc_a += acc_b
        acc_b.clear()
        return acc_a


def extended(one: list[Any], other: list[Any]) -> list[Any]:
    one[1] += other[1]
    return one


def whole(_key: object, _context: object, elements: Iterable[Any]) -> Iterator[Any]:
    rows = list(elements)
    yield "".join(row[1] for row in rows)
    for row in rows:
        row[1] = "changed"


class Listing(Trigger[Any, Window]):
    """Keeps what came in a list of its own, and fires when there are three."""

    seen: StateDescriptor[Any] = ListStateDescriptor("seen")

    def on_element(self, element: Any, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:  # noqa: ANN401  # any record
        state = ctx.get_partitioned_state(self.seen)
        state.add(element)
        return TriggerResult.FIRE if len(list(state.get())) % 3 == 0 else TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def can_merge(self) -> bool:
        return True

    def on_merge(self, window: Window, ctx: Trigger.OnMergeContext) -> None:
        ctx.merge_partitioned_state(self.seen)

    def clear(self, window: Window, ctx: Trigger.TriggerContext) -> None:
        ctx.get_partitioned_state(self.seen).clear()


SLIDES, SESSIONS = SlidingEventTimeWindows.of(20, 10), EventTimeSessionWindows.with_gap(8)
DELTA = DeltaTrigger.of(0, lambda one, other: ord(other[1][0]) - ord(one[1][0]))
WAYS: dict[str, dict[str, Any]] = {
    "panes by reduce": {"assigner": SLIDES, "reduce": extended},
    "panes by aggregate": {"assigner": SLIDES, "aggregate": Texts()},
    "panes, all records": {"assigner": SLIDES, "process": whole},
    "panes of keys": {"assigner": SLIDES, "aggregate": Texts(), "trigger": ContinuousEventTimeTrigger.of(4)},
    "copies": {"assigner": SLIDES, "reduce": extended, "trigger": PurgingTrigger.of(ContinuousEventTimeTrigger.of(4))},
    "sessions by reduce": {"assigner": SESSIONS, "reduce": extended},
    "sessions by aggregate": {"assigner": SESSIONS, "aggregate": Texts(), "with_firings": True},
    "sessions, all records": {"assigner": SESSIONS, "process": whole},
    "a trigger's state": {"assigner": SESSIONS, "aggregate": Texts(), "trigger": Listing()},
    "a trigger's record": {"assigner": TumblingEventTimeWindows.of(30), "reduce": extended, "trigger": DELTA},
    "an evictor": {"assigner": SESSIONS, "process": whole, "evictor": CountEvictor.of(3)},
    "counts": {"assigner": CountSlidingWindowAssigner.of(4, 2), "aggregate": Texts()},
}

Step = tuple[list[tuple[str, str, int]], int | None]
STEP: st.SearchStrategy[Step] = st.tuples(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("uvwxyz"), st.integers(0, 50)), max_size=5),
    st.one_of(st.none(), st.integers(0, 60)),
)


def go(windows: Windows, steps: list[Step]) -> Iterator[list[Any]]:
    for records, watermark in steps:
        yield sorted(windows.come(*[list(record) for record in records]), key=repr)
        if watermark is not None:
            yield sorted(windows.reach(watermark), key=repr)


def opened(way: str, lateness: int, state: RestoredState | None = None) -> Windows:
    options: dict[str, Any] = dict(WAYS[way])
    if options["assigner"].is_event_time():
        options["allowed_lateness"] = lateness
    return Windows(options.pop("assigner"), state=state, **options)


@pytest.mark.parametrize("way", WAYS)
@given(st.lists(STEP, max_size=3), st.lists(STEP, min_size=1, max_size=4), st.sampled_from([0, 10]), st.integers(0, 3))
def test_what_comes_behind_the_barrier_is_not_in_the_snapshot(
    way: str, before: list[Step], behind: list[Step], lateness: int, slices: int
) -> None:
    windows = opened(way, lateness)
    list(go(windows, before))
    snapshot: KeyedSnapshot = windows.operator.keyed_snapshot()
    for _ in range(slices):
        if not snapshot.done:
            snapshot.encode_some()
    first = [*go(windows, behind), sorted(windows.end(), key=repr)]
    while not snapshot.done:
        snapshot.encode_some()
    runs: tuple[KeyedRun, ...] = snapshot.runs
    again = opened(way, lateness, RestoredState((), runs, restored=True))
    assert [*go(again, behind), sorted(again.end(), key=repr)] == first


@pytest.mark.parametrize("way", WAYS)
def test_what_is_stored_names_no_class_of_ours(way: str) -> None:
    """A savepoint outlives the names of our classes: windows are plain tuples in it."""
    windows = opened(way, 10)
    list(go(windows, [([("a", "u", 1), ("a", "v", 12), ("b", "w", 3)], 5), ([("a", "x", 4)], None)]))
    runs = windows.state().runs
    assert {run.table for run in runs} > {"watermark"}
    assert not [run.table for run in runs if b"millstream" in run.data]


def test_windows_that_the_first_version_stored_are_read() -> None:
    """Namespaces of tumbling windows: pairs of start and end."""
    data = pickle.dumps((["a"], [(0, 10)], [["a", "u"]], ("ANY()", "ANY()"), False), 5)  # as it was
    state = RestoredState((), (KeyedRun("windows-reduced", key_group(key_hash("a"), 128), 1, data),), restored=True)
    windows = Windows(TumblingEventTimeWindows.of(10), reduce=extended, state=state)
    windows.come(["a", "v", 5])
    assert windows.end() == [(["a", "uv"], 9)]
