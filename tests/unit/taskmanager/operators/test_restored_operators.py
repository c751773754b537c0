"""Keyed operators go on from a snapshot, at any parallelism: state, timers, windows, how far event time had come."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import KeyedProcessFunction, ProcessWindowFunction, RuntimeContext
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.keys import key_group, key_hash
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    KeySelection,
    WindowSpecification,
)
from millstream_dataflow.records import Barrier, RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.state import (
    CheckpointedFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
    ListStateDescriptor,
    ValueStateDescriptor,
)
from millstream_dataflow.windows import TimeWindow, TumblingEventTimeWindows, TumblingProcessingTimeWindows
from millstream_runtime.checkpoint_files.contents import KeyedRun, StoredList
from millstream_taskmanager.operators.keyed import KeyedOperator
from millstream_taskmanager.operators.keyed_process import KeyedProcessOperator
from millstream_taskmanager.operators.keyed_reduce import KeyedReduceOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.operators.window import WindowOperator
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

KEY = KeySelection(lambda record: record[0])
BARRIER = Barrier(CheckpointId(1))


def taken(*operators: KeyedOperator) -> RestoredState:
    """Snapshots of all subtasks, as each subtask behind them reads them: of runs it takes its own groups'."""
    lists: list[StoredList] = []
    runs: list[KeyedRun] = []
    for operator in operators:
        lists += operator.snapshot(BARRIER, ended=False)
        snapshot = operator.keyed_snapshot()
        assert snapshot is not None
        while not snapshot.done:
            snapshot.encode_some()
        runs += snapshot.runs
    return RestoredState(tuple(lists), tuple(runs), restored=True)


def opened(operator: KeyedOperator, bench: OperatorBench, state: RestoredState | None = None) -> Any:  # noqa: ANN401  # of its own kind
    operator.open(bench.context(state))
    return operator


def rows(outputs: Iterable[object]) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    for output in outputs:
        assert isinstance(output, RowBatch)
        found += zip(output.values, output.timestamps or repeat(None, len(output)), strict=True)
    return found


# --------------------------------------------------------------------------------------- law 7.1: event time


def summed(one: tuple[str, int], other: tuple[str, int]) -> tuple[str, int]:
    return one[0], one[1] + other[1]


class Subtasks:
    """The subtasks of a window operator; each may have come as far as it has."""

    def __init__(self, parallelism: int, lateness: int, state: RestoredState | None = None) -> None:
        self.parallelism = parallelism
        specification = WindowSpecification(
            KEY, TumblingEventTimeWindows.of(10), reduce=summed, allowed_lateness=lateness
        )
        self.operators: list[WindowOperator] = [
            opened(WindowOperator(specification), OperatorBench(subtask=index, parallelism=parallelism), state)
            for index in range(parallelism)
        ]

    def of(self, key: str) -> int:
        return key_group(key_hash(key), 128) * self.parallelism // 128

    def send(self, records: Sequence[tuple[str, int, int]]) -> list[Any]:
        """Records of (key, number, time), to where they belong."""
        out: list[Any] = []
        for index, operator in enumerate(self.operators):
            own = [record for record in records if self.of(record[0]) == index]
            if own:
                out += rows(operator.process(0, RowBatch([record[:2] for record in own], [r[2] for r in own])))
        return out

    def advance(self, times: Sequence[int]) -> list[Any]:
        return [
            row for op, time in zip(self.operators, times, strict=False) for row in rows(op.advance(Watermark(time)))
        ]


class Model:
    """Windows of one key, which has a watermark of its own."""

    def __init__(self, lateness: int) -> None:
        self.lateness = lateness
        self.time = -(2**62)
        self.sums: dict[int, int] = {}
        self.fired: list[tuple[int, int]] = []
        self.late = 0

    def add(self, number: int, time: int) -> None:
        last = time // 10 * 10 + 9
        if last + self.lateness <= self.time:
            self.late += 1
            return
        self.sums[last] = self.sums.get(last, 0) + number
        if last <= self.time:
            self.fired.append((last, self.sums[last]))

    def advance(self, time: int) -> None:
        for last in sorted(self.sums):
            if self.time < last <= time:
                self.fired.append((last, self.sums[last]))
        self.time = max(self.time, time)
        self.sums = {last: kept for last, kept in self.sums.items() if last + self.lateness > self.time}


RECORDS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 9), st.integers(0, 60)), max_size=12)
TIMES = st.lists(st.integers(0, 60), min_size=5, max_size=5)


@given(
    st.integers(1, 5), st.integers(1, 5), st.sampled_from([0, 0, 7, 25]), st.lists(st.tuples(RECORDS, TIMES)),
    st.lists(st.tuples(RECORDS, TIMES)),
)  # fmt: skip
def test_windows_go_on_as_if_nothing_had_happened(
    before: int, after: int, lateness: int, first: list[Any], second: list[Any]
) -> None:
    """A window fires once for a key, and what was too late for it stays too late, whatever its subtask was and is."""
    models = {key: Model(lateness) for key in "abcdefgh"}
    subtasks = Subtasks(before, lateness)
    out = []
    late = 0
    for rounds in (first, second):
        for records, times in rounds:
            out += subtasks.send(records)
            for key, number, time in records:
                models[key].add(number, time)
            out += subtasks.advance(times)
            for key, model in models.items():
                model.advance(times[subtasks.of(key)])
        late += sum(operator.late for operator in subtasks.operators)
        if rounds is first:
            state = taken(*subtasks.operators)
            subtasks = Subtasks(after, lateness, state)
    out += subtasks.advance([MAX_TIME] * 5)
    for model in models.values():
        model.advance(MAX_TIME)
    expected = [((key, total), last) for key, model in models.items() for last, total in model.fired]
    assert Counter(out) == Counter(expected)
    assert late == sum(model.late for model in models.values())


def test_a_late_record_opens_no_fired_window_again() -> None:
    subtasks = Subtasks(1, 0)
    subtasks.send([("a", 1, 3)])
    assert subtasks.advance([9]) == [(("a", 1), 9)]
    again = Subtasks(1, 0, taken(*subtasks.operators))
    assert again.send([("a", 5, 4)]) == []
    assert again.advance([30]) == []
    assert again.operators[0].late == 1


@pytest.mark.parametrize("came_to", [9, 15])
def test_a_restored_window_fires_for_those_keys_alone_for_which_it_has_not(came_to: int) -> None:
    """Law 7.1: one of two subtasks had passed the window's end, and keeps it for late records."""
    keys = set("abcdefgh")
    former = Subtasks(2, 50)
    former.send([(key, 1, 3) for key in keys])
    fired = {key for (key, _), _ in former.advance([came_to, 5])}
    assert fired == {key for key in keys if former.of(key) == 0} != set()
    again = Subtasks(1, 50, taken(*former.operators))
    assert again.advance([8]) == []
    assert {key for (key, _), _ in again.advance([9])} == keys - fired != set()
    assert again.send([(min(fired), 4, 3)]) == [((min(fired), 5), 9)], "what is late fires its key anew"


def test_the_end_of_an_input_is_no_time() -> None:
    """A job that goes on from a drained one has records that aren't late."""
    subtasks = Subtasks(1, 0)
    subtasks.send([("a", 1, 13)])
    subtasks.advance([9])
    subtasks.advance([MAX_TIME])
    again = Subtasks(1, 0, taken(*subtasks.operators))
    again.send([("a", 5, 24), ("a", 7, 4)])
    assert again.advance([MAX_TIME]) == [(("a", 5), 29)]


def test_windows_by_the_clock_go_on() -> None:
    specification = WindowSpecification(KEY, TumblingProcessingTimeWindows.of(10), reduce=summed)
    former = opened(WindowOperator(specification), OperatorBench(now=103))
    assert rows(former.process(0, RowBatch([("a", 1)]))) == []
    bench = OperatorBench(now=500)
    again = opened(WindowOperator(specification), bench, taken(former))
    assert bench.due == [110]
    assert rows(again.process(0, RowBatch([("a", 2)]))) == []
    assert rows(again.on_time(500)) == [(("a", 1), 109)]
    assert rows(again.on_time(509)) == []
    assert rows(again.on_time(510)) == [(("a", 2), 509)]


class Told(ProcessWindowFunction[Any, Any, str, TimeWindow]):
    """Counts firings in the window's state and in the key's."""

    def process(
        self, key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Any]
    ) -> Iterator[Any]:
        counts = []
        for store in (context.window_state(), context.global_state()):
            state = store.get_state(ValueStateDescriptor("fired", int))
            state.update((state.value() or 0) + 1)
            counts.append(state.value())
        yield key, context.window().start, len(list(elements)), counts


def test_state_of_windows_and_of_their_keys_goes_on() -> None:
    specification = WindowSpecification(KEY, TumblingEventTimeWindows.of(10), process=Told(), allowed_lateness=50)
    former = opened(WindowOperator(specification), OperatorBench())
    list(former.process(0, RowBatch([("a", 1), ("a", 2)], [3, 4])))
    assert rows(former.advance(Watermark(12))) == [(("a", 0, 2, [1, 1]), 9)]
    again = opened(WindowOperator(specification), OperatorBench(), taken(former))
    assert rows(again.process(0, RowBatch([("a", 3), ("a", 4)], [14, 5]))) == [(("a", 0, 3, [2, 2]), 9)]
    assert rows(again.advance(Watermark(19))) == [(("a", 10, 1, [1, 3]), 19)]


def test_a_window_that_fires_stores_its_accumulators_first() -> None:
    """Law 4.5: with object reuse it gives the accumulator itself, and whoever gets it may change it."""
    specification = WindowSpecification(KEY, TumblingEventTimeWindows.of(10), reduce=lambda one, other: one + other[1:])
    former = opened(WindowOperator(specification, reuse=True), OperatorBench())
    list(former.process(0, RowBatch([["a", 1], ["a", 2], ["b", 3]], [1, 2, 3])))
    snapshot = former.keyed_snapshot()
    for value, _ in rows(former.advance(Watermark(9))):
        value.append("changed")
    while not snapshot.done:
        snapshot.encode_some()
    again = opened(WindowOperator(specification), OperatorBench(), RestoredState((), snapshot.runs, restored=True))
    assert rows(again.advance(Watermark(9))) == [(["a", 1, 2], 9), (["b", 3], 9)]


class Appending(ProcessWindowFunction[Any, Any, str, TimeWindow]):
    """Changes its elements."""

    def process(
        self, key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Any]
    ) -> Iterator[Any]:
        for element in elements:
            element.append("changed")
            yield element


def test_what_a_window_function_does_to_its_elements_is_in_no_open_snapshot() -> None:
    """Law 4.5: a window that fires stores what it holds first."""
    specification = WindowSpecification(KEY, TumblingEventTimeWindows.of(10), process=Appending())
    former = opened(WindowOperator(specification), OperatorBench())
    list(former.process(0, RowBatch([["a", 1], ["a", 2], ["b", 3]], [1, 2, 3])))
    snapshot = former.keyed_snapshot()
    assert len(rows(former.advance(Watermark(9)))) == 3
    while not snapshot.done:
        snapshot.encode_some()
    again = opened(WindowOperator(specification), OperatorBench(), RestoredState((), snapshot.runs, restored=True))
    values = [value for value, _ in rows(again.advance(Watermark(9)))]
    assert values == [["a", 1, "changed"], ["a", 2, "changed"], ["b", 3, "changed"]], "once"


# ----------------------------------------------------------------------------------------------- timers, reduce


class Ringing(KeyedProcessFunction[Any, tuple[Any, int, str], Any]):
    """Rings when it was told to, and tells how often it was."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", int))

    def process_element(self, value: tuple[Any, int, str], ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        self.count.update((self.count.value() or 0) + 1)
        timers = ctx.timer_service()
        if value[2] == "event":
            timers.register_event_time_timer(value[1])
        elif value[2] == "clock":
            timers.register_processing_time_timer(value[1])
        elif value[2] == "delete":
            timers.delete_event_time_timer(value[1])
        else:
            yield timers.current_watermark()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        yield ctx.get_current_key(), timestamp, self.count.value(), ctx.time_domain().name


def ringing(bench: OperatorBench, state: RestoredState | None = None) -> Any:  # noqa: ANN401  # that is, a KeyedProcessOperator
    return opened(KeyedProcessOperator(KeyedProcessSpecification(Ringing(), KEY)), bench, state)


@pytest.mark.parametrize("parallelism", [1, 3])
def test_timers_and_state_go_on(parallelism: int) -> None:
    former = ringing(OperatorBench())
    records = [("a", 10, "event"), ("b", 10, "event"), ("a", 30, "event"), ("a", 10, "event"), ("b", 30, "event")]
    list(former.process(0, RowBatch([*records, ("b", 30, "delete"), ("c", 77, "clock")])))
    state = taken(former)
    out: list[Any] = []
    due: list[int] = []
    for index in range(parallelism):
        bench = OperatorBench(subtask=index, parallelism=parallelism)
        again = ringing(bench, state)
        due += bench.due
        out += [value for value, _ in rows(again.advance(Watermark(50)))]
        out += [value for value, _ in rows(again.on_time(80))]
    expected = [("a", 10, 3, "EVENT_TIME"), ("a", 30, 3, "EVENT_TIME"), ("b", 10, 3, "EVENT_TIME")]
    assert sorted(out) == [*expected, ("c", 77, 1, "PROCESSING_TIME")]
    assert due == [78], "a timer by the clock asks for its time again"


def test_the_watermark_of_a_key_is_its_groups_until_the_operator_has_passed_them_all() -> None:
    """Law 7.1, as a process function sees it."""
    early, late = (ringing(OperatorBench(subtask=index, parallelism=2)) for index in range(2))
    first = next(key for key in range(99) if key_group(key_hash(key), 128) < 64)
    second = next(key for key in range(99) if key_group(key_hash(key), 128) >= 64)
    list(early.advance(Watermark(5)))
    list(late.advance(Watermark(20)))
    again = ringing(OperatorBench(), taken(early, late))
    ask = RowBatch([(second, 0, "ask"), (first, 0, "ask"), (second, 0, "ask")])
    assert sorted(value for value, _ in rows(again.process(0, ask))) == [5, 20, 20]
    assert list(again.advance(Watermark(3))) == [], "its own time doesn't fall"
    list(again.advance(Watermark(10)))
    assert sorted(value for value, _ in rows(again.process(0, ask))) == [10, 20, 20]
    list(again.advance(Watermark(21)))
    assert [value for value, _ in rows(again.process(0, ask))] == [21, 21, 21]


def test_a_running_reduction_goes_on_and_its_snapshot_is_a_value() -> None:
    def merge(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        one["n"] += other["n"]
        return one

    specification = KeyedReduceSpecification(merge, KeySelection(lambda record: record["k"]))
    former = opened(KeyedReduceOperator(specification), OperatorBench())
    list(former.process(0, RowBatch([{"k": "a", "n": 1}, {"k": "b", "n": 2}])))
    snapshot = former.keyed_snapshot()
    list(former.process(0, RowBatch([{"k": "a", "n": 10}])))
    while not snapshot.done:
        snapshot.encode_some()
    again = opened(KeyedReduceOperator(specification), OperatorBench(), RestoredState((), snapshot.runs, restored=True))
    assert rows(again.process(0, RowBatch([{"k": "a", "n": 100}]))) == [({"k": "a", "n": 101}, None)]


class Listed(Ringing, CheckpointedFunction):
    """Keeps operator state beside keyed state."""

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        self.seen = context.get_operator_state_store().get_list_state(ListStateDescriptor("seen", str))
        self.order = ["initialize_state"]

    def open(self, runtime_context: RuntimeContext) -> None:
        super().open(runtime_context)
        self.order.append("open")

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        self.seen.add(f"checkpoint {context.get_checkpoint_id()}")


def test_operator_state_of_a_function_on_keys_comes_before_its_open() -> None:
    function, again = Listed(), Listed()
    operator = opened(KeyedProcessOperator(KeyedProcessSpecification(function, KEY)), OperatorBench())
    assert function.order == ["initialize_state", "open"]
    opened(KeyedProcessOperator(KeyedProcessSpecification(again, KEY)), OperatorBench(), taken(operator))
    assert list(again.seen.get()) == ["checkpoint 1"]


def test_what_cant_be_restored_names_the_operator() -> None:
    former = ringing(OperatorBench())
    list(former.process(0, RowBatch([("a", 10, "event")])))
    state = taken(former)

    class Other(Ringing):
        def open(self, runtime_context: RuntimeContext) -> None:
            runtime_context.get_list_state(ListStateDescriptor("count", int))

    with pytest.raises(UserCodeError, match="operator Operator: state 'count' is asked for by ListStateDescriptor"):
        opened(KeyedProcessOperator(KeyedProcessSpecification(Other(), KEY)), OperatorBench(), state)
