"""Functions of two streams without keys."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from millstream_dataflow.functions import (
    CoFlatMapFunction,
    CoMapFunction,
    CoProcessFunction,
    RuntimeContext,
)
from millstream_dataflow.operators.two_inputs import CoCall, CoProcessSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.state import (
    CheckpointedFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
    ListStateDescriptor,
    ValueStateDescriptor,
)
from millstream_dataflow.tags import OutputTag
from millstream_taskmanager.operators.base import SLICE, SideBatch
from millstream_taskmanager.operators.co_process import CoProcessOperator
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench
from tests.support.two_inputs import given, restored, timed, untimed

ODD: OutputTag[int] = OutputTag("odd")


def opened(function: object, call: CoCall = CoCall.PROCESS, **options: Any) -> CoProcessOperator:  # noqa: ANN401  # of any kind
    operator = CoProcessOperator(CoProcessSpecification(function, call))
    operator.open(options.get("bench", OperatorBench()).context(options.get("state")))
    return operator


class Lengths(CoMapFunction[int, str, int]):
    def open(self, runtime_context: RuntimeContext) -> None:
        self.sign = 1 if runtime_context.get_index_of_this_subtask() == 0 else 0

    def map1(self, value: int) -> int:
        return self.sign * value

    def map2(self, value: str) -> int:
        return self.sign * len(value)


class Words(CoFlatMapFunction[int, str, str]):
    def flat_map1(self, value: int) -> None:
        return None

    def flat_map2(self, value: str) -> Iterator[str]:
        yield from value.split()


class Looking(CoProcessFunction[int, str, Any]):
    """Tells what it sees."""

    def process_element1(self, value: int, ctx: CoProcessFunction.Context) -> Iterator[Any]:
        yield (ODD, value) if value % 2 else value

    def process_element2(self, value: str, ctx: CoProcessFunction.Context) -> Iterator[Any]:
        times = ctx.timer_service()
        yield value, ctx.timestamp(), times.current_watermark(), times.current_processing_time()


@pytest.mark.parametrize("function", [Lengths(), (lambda n: n, len)])
def test_map(function: object) -> None:
    operator = opened(function, CoCall.MAP)
    assert list(operator.process(0, timed((7, 1), (8, 2)))) == [RowBatch([7, 8], [1, 2])]
    assert list(operator.process(1, untimed("abc"))) == [RowBatch([3])]


def test_a_map_that_gives_none_gives_nothing() -> None:
    """As in PyFlink, but for a map of one stream."""
    operator = opened((lambda n: n or None, lambda n: n), CoCall.MAP)
    assert list(operator.process(0, timed((0, 1), (5, 2)))) == [RowBatch([5], [2])]
    assert list(operator.process(1, untimed(0, None))) == [RowBatch([0])]


def none(value: int) -> None:
    """Gives nothing."""


@pytest.mark.parametrize("function", [Words(), (none, str.split)])
def test_flat_map(function: object) -> None:
    operator = opened(function, CoCall.FLAT_MAP)
    assert list(operator.process(0, timed((7, 1)))) == []
    assert list(operator.process(1, timed(("a b", 5), ("", 6), ("c", 7)))) == [RowBatch(["a", "b", "c"], [5, 5, 7])]


def test_process_has_the_record_s_time_the_times_of_now_and_side_outputs() -> None:
    operator = opened(Looking(), bench=OperatorBench(now=99))
    assert list(operator.process(0, timed((1, 10), (2, 20)))) == [
        RowBatch([2], [20]),
        SideBatch("odd", RowBatch([1], [10])),
    ]
    assert given(operator.process(1, untimed("x"))) == [(("x", None, MIN_TIME, 99), None)]
    assert list(operator.advance(Watermark(15))) == []
    assert given(operator.process(1, timed(("y", 16)))) == [(("y", 16, 15, 99), 16)]


def test_a_pair_of_functions_processes_too() -> None:
    operator = opened((lambda value, ctx: [value, ctx.timestamp()], lambda _value, _ctx: None))
    assert given(operator.process(0, timed((1, 10)))) == [(1, 10), (10, 10)]
    assert given(operator.process(1, timed(("a", 10)))) == []


def test_an_input_that_has_ended_leaves_the_other_one_as_it_is() -> None:
    operator = opened(Lengths(), CoCall.MAP)
    assert list(operator.end_of_input(0)) == []
    assert given(operator.process(1, untimed("abc"))) == [(3, None)]
    assert list(operator.end_of_input(1)) == []
    assert list(operator.finish()) == []


def test_much_comes_in_slices() -> None:
    operator = opened((range, lambda _: ()), CoCall.FLAT_MAP)
    first, second = operator.process(0, untimed(SLICE - 1, SLICE))
    assert isinstance(first, RowBatch)
    assert isinstance(second, RowBatch)
    assert (len(first), len(first) + len(second)) == (SLICE, 2 * SLICE - 1)


class Fragile(CoMapFunction[int, int, float]):
    def map1(self, value: int) -> float:
        return 1 / value

    def map2(self, value: int) -> float:
        return value


def test_an_error_names_operator_and_record() -> None:
    with pytest.raises(UserCodeError) as raised:
        list(opened(Fragile(), CoCall.MAP).process(0, untimed(1, 0)))
    assert (raised.value.operator, raised.value.record) == ("Operator", "0")
    assert isinstance(raised.value.cause, ZeroDivisionError)


class Stateful(CoMapFunction[int, int, int]):
    def open(self, runtime_context: RuntimeContext) -> None:
        runtime_context.get_state(ValueStateDescriptor("count", int))

    def map1(self, value: int) -> int:
        return value

    map2 = map1


def test_there_is_no_keyed_state_and_no_timer() -> None:
    with pytest.raises(UserCodeError, match="state 'count' was asked for, but keyed state belongs to keys"):
        opened(Stateful(), CoCall.MAP)
    calls: list[Callable[[Any, Any], Any]] = [
        lambda value, ctx: ctx.timer_service().register_event_time_timer(value),
        lambda value, ctx: ctx.timer_service().delete_processing_time_timer(value),
    ]
    for number, call in enumerate(calls):
        operator = opened((call, call))
        with pytest.raises(UserCodeError, match=r"timers belong to keys.*process with a KeyedCoProcessFunction"):
            list(operator.process(number, untimed(1)))


class Counting(CoMapFunction[int, int, int], CheckpointedFunction):
    """How many have come, by both inputs, in state of the subtask."""

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        self.counts = context.get_operator_state_store().get_list_state(ListStateDescriptor("counts", int))
        self.count = sum(self.counts)

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        self.counts.update([self.count])

    def map1(self, value: int) -> int:
        self.count += 1
        return self.count

    map2 = map1


def test_state_of_the_subtask_is_stored_and_taken_up_again() -> None:
    operator = opened(Counting(), CoCall.MAP)
    assert given(operator.process(0, untimed(1, 1))) == [(1, None), (2, None)]
    assert given(operator.process(1, untimed(1))) == [(3, None)]
    again = opened(Counting(), CoCall.MAP, state=restored(operator))
    assert given(again.process(1, untimed(1))) == [(4, None)]


def test_what_is_emitted_is_as_it_was_then() -> None:
    kept: list[int] = []

    def growing(value: int) -> Iterable[Any]:
        kept.append(value)
        return [kept]

    operator = opened((growing, growing), CoCall.FLAT_MAP)
    assert given(operator.process(0, untimed(1, 2))) == [([1], None), ([1, 2], None)]
