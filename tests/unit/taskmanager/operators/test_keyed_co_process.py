"""Functions of two streams with keys: both share the state and the timers of a key."""

from collections.abc import Iterator
from typing import Any

import pytest

from millstream_dataflow.functions import (
    CoMapFunction,
    CoProcessFunction,
    KeyedCoProcessFunction,
    RuntimeContext,
)
from millstream_dataflow.operators.specifications import KeySelection
from millstream_dataflow.operators.two_inputs import CoCall, KeyedCoProcessSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.state import ValueStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.types import Types
from millstream_taskmanager.operators.base import SideBatch
from millstream_taskmanager.operators.keyed_co_process import KeyedCoProcessOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench
from tests.support.two_inputs import FIRST, given, restored, timed, untimed

UNPAID: OutputTag[Any] = OutputTag("unpaid")
SECOND = KeySelection(lambda record: record[1])


class Payments(KeyedCoProcessFunction[str, tuple[str, int], tuple[int, str], Any]):
    """Orders are (order, price), payments (paid, order): a timer tells of orders that nobody has paid for."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.price = runtime_context.get_state(ValueStateDescriptor("price", int))

    def process_element1(self, value: tuple[str, int], ctx: KeyedCoProcessFunction.Context) -> None:
        self.price.update(value[1])
        ctx.timer_service().register_event_time_timer((ctx.timestamp() or 0) + 100)

    def process_element2(self, value: tuple[int, str], ctx: KeyedCoProcessFunction.Context) -> Iterator[Any]:
        price = self.price.value()
        if price is not None:
            yield ctx.get_current_key(), price - value[0]
            self.price.clear()

    def on_timer(self, timestamp: int, ctx: KeyedCoProcessFunction.OnTimerContext) -> Iterator[Any]:
        if self.price.value() is not None:
            yield UNPAID, (ctx.get_current_key(), timestamp, ctx.time_domain().name)
            self.price.clear()


def opened(
    function: object,
    call: CoCall = CoCall.PROCESS,
    state: RestoredState | None = None,
    keys: Any = (FIRST, SECOND),  # noqa: ANN401  # of any kind
) -> KeyedCoProcessOperator:
    operator = KeyedCoProcessOperator(KeyedCoProcessSpecification(function, call, keys))
    operator.open(OperatorBench().context(state))
    return operator


def test_both_inputs_share_the_state_of_a_key_and_its_timers() -> None:
    operator = opened(Payments())
    assert given(operator.process(0, timed((("a", 5), 10), (("b", 7), 20)))) == []
    assert given(operator.process(1, timed(((5, "a"), 30), ((1, "c"), 30)))) == [(("a", 0), 30)]
    assert list(operator.advance(Watermark(119))) == []
    assert list(operator.advance(Watermark(120))) == [
        SideBatch("unpaid", RowBatch([("b", 120, "EVENT_TIME")], [120]))
    ], "the order that was paid for has no price any more"


def test_keys_of_both_inputs_are_the_same_whatever_their_form() -> None:
    operator = opened(Payments())
    assert given(operator.process(0, timed(((1, 5), 10)))) == []
    assert given(operator.process(1, timed(((2, 1.0), 10)))) == [((1.0, 3), 10)]


def test_records_are_counted_by_both_inputs() -> None:
    operator = opened(Payments())
    list(operator.process(0, timed((("a", 5), 10))))
    list(operator.process(1, timed(((5, "a"), 10), ((5, "a"), 10))))
    assert (operator.received, operator.processed) == (3, 3)


class Sums(CoMapFunction[tuple[str, int], tuple[int, str], int]):
    """State in `open`, where the streams have keys."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.sum = runtime_context.get_state(ValueStateDescriptor("sum", int))

    def map1(self, value: tuple[str, int]) -> int:
        return self.add(value[1])

    def map2(self, value: tuple[int, str]) -> int:
        return self.add(value[0])

    def add(self, number: int) -> int:
        total = (self.sum.value() or 0) + number
        self.sum.update(total)
        return total


def test_a_co_map_function_has_state_of_the_key() -> None:
    operator = opened(Sums(), CoCall.MAP)
    assert given(operator.process(0, untimed(("a", 1), ("b", 10)))) == [(1, None), (10, None)]
    assert given(operator.process(1, untimed((2, "a"), (20, "b")))) == [(3, None), (30, None)]


class Untimed(CoProcessFunction[Any, Any, Any]):
    def process_element1(self, value: Any, ctx: CoProcessFunction.Context) -> Iterator[Any]:  # noqa: ANN401  # any record
        yield ctx.timer_service().current_watermark()
        yield ctx.timer_service().current_processing_time()

    def process_element2(self, value: Any, ctx: CoProcessFunction.Context) -> None:  # noqa: ANN401  # any record
        ctx.timer_service().register_event_time_timer(5)


def test_a_function_without_on_timer_has_no_timers() -> None:
    operator = opened(Untimed())
    assert list(operator.advance(Watermark(7))) == []
    assert given(operator.process(0, untimed(("a", 1)))) == [(7, None), (0, None)]
    with pytest.raises(UserCodeError, match=r"timers need an on_timer.*use a KeyedCoProcessFunction") as raised:
        list(operator.process(1, untimed((1, "a"))))
    assert not raised.value.failure().restartable


def test_each_input_s_keys_are_checked_against_their_own_type() -> None:
    keys = (KeySelection(lambda record: record[0], Types.STRING()), KeySelection(lambda record: record[1]))
    operator = opened(Payments(), keys=keys)
    list(operator.process(1, timed(((1, 5), 10))))
    with pytest.raises(UserCodeError, match="value is int 5, but STRING") as raised:
        list(operator.process(0, timed(((5, 1), 10))))
    assert raised.value.operator == "the key selector of Operator"


def test_an_error_names_the_record_of_its_input() -> None:
    operator = opened((lambda value: value, lambda value: 1 / value[0]), CoCall.MAP)
    with pytest.raises(UserCodeError) as raised:
        list(operator.process(1, untimed((1, "a"), (0, "b"))))
    assert raised.value.record == "(0, 'b')"


def test_state_and_timers_are_stored_and_taken_up_again() -> None:
    operator = opened(Payments())
    list(operator.process(0, timed((("a", 5), 10), (("b", 7), 20))))
    list(operator.advance(Watermark(50)))
    again = opened(Payments(), state=restored(operator))
    assert given(again.process(1, timed(((4, "b"), 60)))) == [(("b", 3), 60)]
    assert list(again.advance(Watermark(200))) == [SideBatch("unpaid", RowBatch([("a", 110, "EVENT_TIME")], [110]))]


def test_after_a_restore_a_key_has_its_own_watermark_by_both_inputs() -> None:
    """Law 7.1: subtasks that were restored together had not come equally far."""
    look = (lambda _, ctx: [ctx.timer_service().current_watermark()],) * 2
    former: list[KeyedCoProcessOperator] = []
    for index, time in enumerate((100, 50)):
        operator = KeyedCoProcessOperator(KeyedCoProcessSpecification(look, CoCall.PROCESS, (FIRST, SECOND)))
        operator.open(OperatorBench(subtask=index, parallelism=2).context())
        list(operator.advance(Watermark(time)))
        former.append(operator)
    again = opened(look, state=restored(*former))
    keys = "abcdefgh"
    records: Any
    for number, records in enumerate(([(key, 0) for key in keys], [(0, key) for key in keys])):
        assert {value for value, _ in given(again.process(number, untimed(*records)))} == {50, 100}
