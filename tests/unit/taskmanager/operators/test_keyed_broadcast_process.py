"""Functions of a stream with keys and a broadcast one: state of each key, timers, and rules for all."""

from collections.abc import Iterator
from typing import Any

import pytest

from millstream_dataflow.functions import (
    AggregateFunction,
    KeyedBroadcastProcessFunction,
    KeyedStateFunction,
    RuntimeContext,
)
from millstream_dataflow.operators.two_inputs import KeyedBroadcastProcessSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueState,
    ValueStateDescriptor,
)
from millstream_dataflow.tags import OutputTag
from millstream_taskmanager.operators.base import SideBatch
from millstream_taskmanager.operators.keyed_broadcast_process import KeyedBroadcastProcessOperator
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench
from tests.support.two_inputs import FIRST, given, restored, timed, untimed

RULES = MapStateDescriptor[Any, Any]("rules")
COUNT = ValueStateDescriptor("count", int)
TOLD: OutputTag[Any] = OutputTag("told")

ReadOnlyContext = KeyedBroadcastProcessFunction.ReadOnlyContext
Context = KeyedBroadcastProcessFunction.Context


class Limits(KeyedBroadcastProcessFunction[str, tuple[str, int], tuple[str, int], Any]):
    """Counts per key up to the limit that was broadcast, and tells of those that have passed it when time comes."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(COUNT)

    def process_element(self, value: tuple[str, int], ctx: ReadOnlyContext) -> Iterator[Any]:
        self.count.update((self.count.value() or 0) + value[1])
        limit = ctx.get_broadcast_state(RULES).get("limit")
        if limit is not None and (self.count.value() or 0) > limit:
            ctx.timer_service().register_event_time_timer(100)
        yield ctx.get_current_key(), self.count.value(), ctx.timestamp(), ctx.current_watermark()

    def process_broadcast_element(self, value: tuple[str, int], ctx: Context) -> Iterator[Any]:
        name, rule = value
        if name == "limit":
            ctx.get_broadcast_state(RULES)[name] = rule
        else:
            ctx.apply_to_keyed_state(COUNT, Adding(rule))
        yield TOLD, (name, ctx.timestamp(), ctx.current_watermark(), ctx.current_processing_time())

    def on_timer(self, timestamp: int, ctx: KeyedBroadcastProcessFunction.OnTimerContext) -> Iterator[Any]:
        limit = ctx.get_broadcast_state(RULES)["limit"]
        yield ctx.get_current_key(), "above", limit, timestamp, ctx.time_domain().name


class Adding(KeyedStateFunction[str, ValueState[int]]):
    def __init__(self, number: int) -> None:
        self.number = number

    def process(self, key: str, state: ValueState[int]) -> None:
        state.update((state.value() or 0) + self.number)


def opened(function: object, **options: Any) -> KeyedBroadcastProcessOperator:  # noqa: ANN401  # of any kind
    operator = KeyedBroadcastProcessOperator(KeyedBroadcastProcessSpecification(function, FIRST, (RULES,)))
    operator.open(options.get("bench", OperatorBench(now=77)).context(options.get("state")))
    return operator


def test_records_have_their_key_s_state_and_timers_and_read_the_rules() -> None:
    operator = opened(Limits())
    assert list(operator.process(1, timed((("limit", 5), 1)))) == [
        SideBatch("told", RowBatch([("limit", 1, MIN_TIME, 77)], [1]))
    ]
    assert given(operator.process(0, timed((("a", 4), 10), (("b", 6), 20)))) == [
        (("a", 4, 10, MIN_TIME), 10),
        (("b", 6, 20, MIN_TIME), 20),
    ]
    assert given(operator.advance(Watermark(100))) == [(("b", "above", 5, 100, "EVENT_TIME"), 100)]
    assert list(operator.process(1, untimed(("limit", 7)))) == [SideBatch("told", RowBatch([("limit", None, 100, 77)]))]
    assert (operator.received, operator.processed) == (4, 4)


def test_a_broadcast_element_reaches_the_state_of_every_key() -> None:
    operator = opened(Limits())
    list(operator.process(0, untimed(("a", 1), ("b", 2))))
    list(operator.process(1, untimed(("add", 10))))
    found = given(operator.process(0, untimed(("a", 0), ("b", 0), ("c", 0))))
    assert [value[:2] for value, _ in found] == [("a", 11), ("b", 12), ("c", 0)]


class Total(AggregateFunction[int, int, int]):
    def create_accumulator(self) -> int:
        return 0

    def add(self, value: int, accumulator: int) -> int:
        return accumulator + value

    def get_result(self, accumulator: int) -> int:
        return accumulator

    def merge(self, acc_a: int, acc_b: int) -> int:
        return acc_a + acc_b


EACH: tuple[Any, ...] = (
    (ValueStateDescriptor("value"), lambda state: state.update(1), lambda state: state.value()),
    (ListStateDescriptor("list"), lambda state: state.add(1), list),
    (MapStateDescriptor[Any, Any]("map"), lambda state: state.put(1, 2), lambda state: dict(state.items())),
    (ReducingStateDescriptor("reducing", max), lambda state: state.add(1), lambda state: state.get()),
    (AggregatingStateDescriptor("sum", Total()), lambda state: state.add(1), lambda state: state.get()),
)


@pytest.mark.parametrize(("descriptor", "write", "read"), EACH)
def test_state_of_each_kind_can_be_reached(descriptor: Any, write: Any, read: Any) -> None:  # noqa: ANN401  # of each kind
    class Keeping(KeyedBroadcastProcessFunction[Any, Any, Any, Any]):
        def open(self, runtime_context: RuntimeContext) -> None:
            kind = type(descriptor).__name__.removesuffix("StateDescriptor").lower()
            self.state: Any = getattr(runtime_context, f"get_{kind}_state".replace("value_", ""))(descriptor)

        def process_element(self, value: Any, ctx: ReadOnlyContext) -> None:  # noqa: ANN401  # any record
            write(self.state)

        def process_broadcast_element(self, value: Any, ctx: Context) -> list[Any]:  # noqa: ANN401  # any record
            found: list[Any] = []
            ctx.apply_to_keyed_state(descriptor, lambda key, state: found.append((key, read(state))))
            return sorted(found)

    operator = opened(Keeping())
    list(operator.process(0, untimed(("a",), ("b",))))
    values = [value for value, _ in given(operator.process(1, untimed(None)))]
    assert [key for key, _ in values] == ["a", "b"]
    assert values[0][1] == values[1][1] != None  # noqa: E711  # both have what was written


def test_a_broadcast_element_has_no_key() -> None:
    class Lost(Limits):
        def process_broadcast_element(self, value: Any, ctx: Context) -> Any:  # noqa: ANN401  # any record
            return getattr(self.count, value)(*[1][: value == "update"])

    for call in ("value", "update"):
        operator = opened(Lost())
        list(operator.process(0, untimed(("a", 1))))
        with pytest.raises(UserCodeError, match=r"which has no key; reach it by ctx.apply_to_keyed_state") as raised:
            list(operator.process(1, untimed(call)))
        assert raised.value.record == repr(call)


def test_a_broadcast_element_has_no_timers() -> None:
    operator = opened((lambda _, _ctx: (), lambda _, ctx: ctx.timer_service()))
    with pytest.raises(UserCodeError, match="an element of the broadcast stream has none; register") as raised:
        list(operator.process(1, untimed(1)))
    assert not raised.value.failure().restartable


def test_a_broadcast_element_tells_no_key() -> None:
    operator = opened((lambda _, _ctx: (), lambda _, ctx: [ctx.get_current_key()]))
    with pytest.raises(UserCodeError, match="an element of the broadcast stream has no key; apply_to_keyed_state"):
        list(operator.process(1, untimed(1)))


@pytest.mark.parametrize(
    ("descriptor", "function", "sentence"),
    [
        (COUNT, 5, r"apply_to_keyed_state takes a KeyedStateFunction or a function of \(key, state\), but got 5"),
        (COUNT, Adding, "but got the class Adding"),
        (COUNT, lambda _key: None, r"called with \(key, state\), but"),
        ("count", lambda _key, _state: None, "takes the descriptor of a keyed state, but got 'count'"),
    ],
)
def test_what_apply_to_keyed_state_refuses(descriptor: Any, function: Any, sentence: str) -> None:  # noqa: ANN401  # of any kind
    operator = opened((lambda _, _ctx: (), lambda _, ctx: ctx.apply_to_keyed_state(descriptor, function)))
    with pytest.raises(UserCodeError, match=sentence):
        list(operator.process(1, untimed(1)))


def test_all_kinds_of_its_state_are_stored_and_taken_up_again() -> None:
    operator = opened(Limits())
    list(operator.process(1, untimed(("limit", 5))))
    list(operator.process(0, untimed(("a", 4), ("b", 6))))
    list(operator.advance(Watermark(50)))
    again = opened(Limits(), state=restored(operator))
    assert [value[:2] for value, _ in given(again.process(0, untimed(("a", 2), ("b", 0))))] == [("a", 6), ("b", 6)]
    assert given(again.advance(Watermark(100))) == [
        (("b", "above", 5, 100, "EVENT_TIME"), 100),
        (("a", "above", 5, 100, "EVENT_TIME"), 100),
    ]
