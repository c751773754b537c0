"""Windows of event time and of the clock, with late records (law 7)."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import AggregateFunction, ProcessWindowFunction
from millstream_dataflow.operators.specifications import KeySelection, WindowSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.state import ValueStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.windows import (
    EventTimeSessionWindows,
    TimeWindow,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
    WindowAssigner,
)
from millstream_taskmanager.operators.base import SLICE, SideBatch
from millstream_taskmanager.operators.window import WindowOperator
from millstream_taskmanager.user_code.errors import UnsupportedOperatorError, UserCodeError
from tests.support.tasks import OperatorBench

LATE: OutputTag[Any] = OutputTag("late")
TENS = TumblingEventTimeWindows.of(10)


def first(record: tuple[Any, Any]) -> Any:  # noqa: ANN401  # any key
    return record[0]


def add(one: tuple[Any, int], other: tuple[Any, int]) -> tuple[Any, int]:
    return one[0], one[1] + other[1]


def opened(
    bench: OperatorBench | None = None,
    assigner: WindowAssigner[Any, TimeWindow] = TENS,
    **options: Any,  # noqa: ANN401  # of the specification
) -> WindowOperator:
    operator = WindowOperator(WindowSpecification(KeySelection(first), assigner, **options))
    operator.open((bench or OperatorBench()).context())
    return operator


def came(operator: WindowOperator, *records: tuple[Any, int, int]) -> list[Any]:
    """Records of (key, number, time)."""
    batch = RowBatch([(key, number) for key, number, _ in records], [time for _, _, time in records])
    return shown(operator.process(0, batch))


def reached(operator: WindowOperator, time: int) -> list[Any]:
    return shown(operator.advance(Watermark(time)))


def shown(outputs: Iterable[object]) -> list[Any]:
    rows: list[Any] = []
    for output in outputs:
        batch = output.batch if isinstance(output, SideBatch) else output
        assert isinstance(batch, RowBatch)
        assert batch.timestamps is not None
        tagged = zip(batch.values, batch.timestamps, strict=True)
        rows += [("late", *row) for row in tagged] if isinstance(output, SideBatch) else tagged
    return rows


def test_it_fires_when_the_watermark_reaches_its_last_millisecond() -> None:
    operator = opened(reduce=add)
    assert came(operator, ("a", 1, 3), ("b", 2, 9), ("a", 4, 10), ("a", 8, 5)) == []
    assert reached(operator, 8) == []
    assert reached(operator, 9) == [(("a", 9), 9), (("b", 2), 9)]
    assert reached(operator, MAX_TIME) == [(("a", 4), 19)]
    assert operator._table.entries == {}
    assert operator._places._known == {}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5), st.integers(-50, 50)), max_size=40))
def test_equals_a_group_by(records: list[tuple[str, int, int]]) -> None:
    operator = opened(reduce=add)
    for start in range(0, len(records), 7):
        came(operator, *records[start : start + 7])
    naive: dict[tuple[int, str], int] = {}
    for key, number, time in records:
        window = time // 10
        naive[window, key] = naive.get((window, key), 0) + number
    fired = reached(operator, MAX_TIME)
    assert {(time // 10, key): number for (key, number), time in fired} == naive
    assert [time for _, time in fired] == sorted(time for _, time in fired)


def test_late_records_are_dropped_and_counted_or_go_to_the_side() -> None:
    for late, expected in ((None, []), (LATE, [("late", ("a", 7), 3)])):
        operator = opened(reduce=add, late=late)
        reached(operator, 9)
        assert came(operator, ("a", 7, 3), ("a", 1, 10)) == expected
        assert operator.late == 1
        assert reached(operator, 19) == [(("a", 1), 19)]


def test_allowed_lateness_fires_again() -> None:
    operator = opened(reduce=add, allowed_lateness=5, late=LATE)
    came(operator, ("a", 1, 3), ("b", 1, 3))
    assert reached(operator, 9) == [(("a", 1), 9), (("b", 1), 9)]
    assert came(operator, ("a", 2, 4), ("a", 3, 4)) == [(("a", 3), 9), (("a", 6), 9)]
    assert reached(operator, 13) == []
    # A window that is new and late fires by its records alone.
    fresh = opened(reduce=add, allowed_lateness=5)
    reached(fresh, 9)
    assert came(fresh, ("c", 4, 1)) == [(("c", 4), 9)]
    assert reached(fresh, 12) == []
    assert reached(operator, 14) == []
    assert came(operator, ("a", 5, 4)) == [("late", ("a", 5), 4)]
    assert operator._table.entries == {}


def test_what_is_kept_is_shared_with_nobody() -> None:
    def merge(one: list[Any], other: list[Any]) -> list[Any]:
        one[1] += other[1]
        return one

    operator = opened(reduce=merge, allowed_lateness=100)
    shown(operator.process(0, RowBatch([["a", 1], ["a", 2]], [1, 1])))
    [(result, _)] = reached(operator, 9)
    result[1] = 1_000
    [(again, _)] = shown(operator.process(0, RowBatch([["a", 4]], [1])))
    assert again == ["a", 7]


class Mean(AggregateFunction[tuple[str, int], list[int], float]):
    """Its accumulator is changed in place."""

    def create_accumulator(self) -> list[int]:
        return [0, 0]

    def add(self, value: tuple[str, int], accumulator: list[int]) -> list[int]:
        accumulator[0] += value[1]
        accumulator[1] += 1
        return accumulator

    def get_result(self, accumulator: list[int]) -> float:
        return accumulator[0] / accumulator[1]

    def merge(self, acc_a: list[int], acc_b: list[int]) -> list[int]:
        return [acc_a[0] + acc_b[0], acc_a[1] + acc_b[1]]


class Describe(ProcessWindowFunction[Any, Any, str, TimeWindow]):
    """Tells all it can, and counts in both states."""

    cleared: list[Any] = []  # noqa: RUF012  # shared on purpose

    def process(
        self, key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Any]
    ) -> Iterator[Any]:
        counts = []
        for store in (context.window_state(), context.global_state()):
            state = store.get_state(ValueStateDescriptor("fired", int))
            state.update((state.value() or 0) + 1)
            counts.append(state.value())
        yield key, context.window().start, list(elements), context.current_watermark(), counts

    def clear(self, context: ProcessWindowFunction.Context[Any]) -> None:
        state = context.window_state().get_state(ValueStateDescriptor("fired", int))
        self.cleared.append((context.window().start, state.value()))
        state.clear()


class Listing(AggregateFunction[tuple[str, int], list[int], list[int]]):
    """Gives one list of its own for all results."""

    def __init__(self) -> None:
        self.shared: list[int] = []

    def create_accumulator(self) -> list[int]:
        return []

    def add(self, value: tuple[str, int], accumulator: list[int]) -> list[int]:
        return [*accumulator, value[1]]

    def get_result(self, accumulator: list[int]) -> list[int]:
        self.shared[:] = accumulator
        return self.shared

    def merge(self, acc_a: list[int], acc_b: list[int]) -> list[int]:
        return acc_a + acc_b


def test_what_is_emitted_is_as_it_was_then() -> None:
    shared: list[Any] = []

    def process(key: str, _context: object, elements: Iterable[Any]) -> Iterator[Any]:
        shared[:] = [key, *elements]
        yield shared

    for operator, expected in (
        (opened(aggregate=Listing()), [[1], [2]]),
        (opened(process=process), [["a", ("a", 1)], ["b", ("b", 2)]]),
    ):
        came(operator, ("a", 1, 1), ("b", 2, 1))
        assert [row for row, _ in reached(operator, 9)] == expected


def test_what_is_kept_is_shared_with_nobody_with_object_reuse_either() -> None:
    options = WindowSpecification(KeySelection(first), TENS, reduce=lambda one, _: one, allowed_lateness=9)
    operator = WindowOperator(options, reuse=True)
    operator.open(OperatorBench().context())
    shown(operator.process(0, RowBatch([["a", 1]], [1])))
    [(result, _)] = reached(operator, 9)
    result[1] = 1_000
    assert shown(operator.process(0, RowBatch([["a", 4]], [1]))) == [(["a", 1], 9)]


def test_aggregates() -> None:
    operator = opened(aggregate=Mean())
    came(operator, ("a", 1, 1), ("a", 2, 2), ("b", 5, 3))
    assert reached(operator, 9) == [(1.5, 9), (5.0, 9)]


@pytest.mark.parametrize(
    ("options", "elements"),
    [({"aggregate": Mean()}, [1.5]), ({"reduce": add}, [("a", 3)]), ({}, [("a", 1), ("a", 2)])],
    ids=["behind aggregate", "behind reduce", "alone"],
)
def test_process_functions(options: dict[str, Any], elements: list[Any]) -> None:
    Describe.cleared.clear()
    operator = opened(process=Describe(), allowed_lateness=10, **options)
    came(operator, ("a", 1, 1), ("a", 2, 2))
    assert reached(operator, 12) == [(("a", 0, elements, 12, [1, 1]), 9)]
    came(operator, ("a", 1, 11), ("a", 2, 12))
    again = came(operator, ("a", 3, 3))
    assert [row[0][4] for row in again] == [[2, 2]]
    assert reached(operator, MAX_TIME) == [(("a", 10, elements, MAX_TIME, [1, 3]), 19)]
    assert Describe.cleared == [(0, 2), (10, 1)]


def test_windows_by_the_clock() -> None:
    bench = OperatorBench(now=103)
    operator = opened(bench, TumblingProcessingTimeWindows.of(10), reduce=add, allowed_lateness=50)
    assert list(operator.process(0, RowBatch([("a", 1), ("a", 2)]))) == []
    assert bench.due == [110]
    bench.time = 109
    assert shown(operator.on_time(109)) == []
    assert bench.due[-1] == 110
    assert list(operator.process(0, RowBatch([("a", 4)]))) == []
    bench.time = 112
    assert list(operator.process(0, RowBatch([("a", 8)]))) == []
    assert shown(operator.on_time(112)) == [(("a", 7), 109)], "once, with the record of its last millisecond"
    assert bench.due[-1] == 120
    assert reached(operator, MAX_TIME) == [], "the end of input stops no clock"
    assert shown(operator.on_time(130)) == [(("a", 8), 119)]
    assert operator._table.entries == {}, "nothing is late by the clock: a restore would fire it again"


def test_many_keys_fire_in_slices() -> None:
    operator = opened(reduce=add)
    count = SLICE + 3
    list(operator.process(0, RowBatch([(number, 1) for number in range(count)], [1] * count)))
    sizes = [len(batch) for batch in operator.advance(Watermark(9)) if isinstance(batch, RowBatch)]
    assert sizes == [SLICE, 3]


def test_keys_keep_the_form_that_came_first() -> None:
    operator = opened(process=lambda key, _context, elements: [(key, len(list(elements)))])
    nan = float("nan")
    came(operator, (1, 0, 1), (True, 0, 1), (nan, 0, 1), (float("nan"), 0, 1))
    (one, _), (other, _) = reached(operator, 9)
    assert (type(one[0]), one[1], other[1]) == (int, 2, 2)
    assert other[0] is nan


def test_records_need_times() -> None:
    with pytest.raises(UserCodeError, match="assign timestamps"):
        list(opened(reduce=add).process(0, RowBatch([("a", 1)])))


def test_errors_name_the_record_or_the_window() -> None:
    operator = opened(reduce=lambda _one, _other: 1 // 0)
    with pytest.raises(UserCodeError) as raised:
        came(operator, ("a", 1, 1), ("a", 2, 2))
    assert raised.value.record == "('a', 2)"
    fragile = opened(process=lambda _key, _context, _elements: 1 // 0)
    came(fragile, ("a", 1, 1))
    with pytest.raises(UserCodeError) as raised:
        reached(fragile, 9)
    assert raised.value.record == "<TimeWindow(1970-01-01T00:00:00Z, 1970-01-01T00:00:00.010Z) of key 'a'>"


def test_other_windows_are_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="windows by EventTimeSessionWindows"):
        opened(assigner=EventTimeSessionWindows.with_gap(5), reduce=add)


def test_windows_long_gone_are_not_remembered() -> None:
    operator = opened(reduce=add)
    reached(operator, 10**9)
    for start in range(3_000):
        came(operator, ("a", 1, start * 10))
    assert len(operator._places._known) <= 1_024
    assert operator.late == 3_000


def test_a_reduction_to_nothing_is_told() -> None:
    operator = opened(reduce=lambda _one, _other: None)
    with pytest.raises(UserCodeError, match=r"reduce\(\) returned None for two records; it must return") as raised:
        came(operator, ("a", 1, 3), ("b", 2, 4), ("a", 5, 6))
    assert raised.value.record == "('a', 5)"
