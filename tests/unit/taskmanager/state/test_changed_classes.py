"""State, timers, windows and lists of a program whose classes have other fields than when it was stored."""

from collections.abc import Iterable
from typing import Any

import pytest

from millstream_dataflow.functions import KeyedProcessFunction, RuntimeContext
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import KeyedProcessSpecification, KeySelection, WindowSpecification
from millstream_dataflow.records import Barrier, RowBatch, Watermark
from millstream_dataflow.state import ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor
from millstream_dataflow.windows import TumblingEventTimeWindows
from millstream_taskmanager.operators.keyed import KeyedOperator
from millstream_taskmanager.operators.keyed_process import KeyedProcessOperator
from millstream_taskmanager.operators.state import RestoredState, stored_list
from millstream_taskmanager.operators.window import WindowOperator
from millstream_taskmanager.state.schemas import SchemaError
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.changing import Program
from tests.support.tasks import OperatorBench

THEN = "@dataclass(frozen=True)\nclass Trip:\n    city: str\n    fare: int"
NOW = f"{THEN}\n    tip: int = 9"
WITHOUT = "@dataclass(frozen=True)\nclass Trip:\n    city: str"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(monkeypatch)


class Keeping(KeyedProcessFunction[Any, Any, Any]):
    """Keeps its records in each way, and tells them by a timer."""

    def __init__(self, type_: type | None = None) -> None:
        self.type = type_

    def open(self, runtime_context: RuntimeContext) -> None:
        self.last: Any = runtime_context.get_state(ValueStateDescriptor("last", self.type))
        self.all: Any = runtime_context.get_list_state(ListStateDescriptor("all"))
        self.map: Any = runtime_context.get_map_state(MapStateDescriptor("map"))

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterable[Any]:  # noqa: ANN401  # any record
        self.last.update(value)
        self.all.add((value, [value]))
        self.map.put(value, value)
        ctx.timer_service().register_event_time_timer(100)
        return ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[Any]:
        yield self.last.value(), list(self.all), dict(self.map.items())


def keeping(type_: type | None = None, key: Any = lambda value: value.city) -> KeyedProcessOperator:  # noqa: ANN401  # of any key
    return KeyedProcessOperator(KeyedProcessSpecification(Keeping(type_), KeySelection(key)))


def opened(operator: Any, state: RestoredState | None = None) -> Any:  # noqa: ANN401  # of any kind
    operator.open(OperatorBench().context(state))
    return operator


def taken(operator: KeyedOperator, *records: object, touch: bool = False) -> RestoredState:
    """What an operator has stored when it has had these records. `touch`: it had more to do meanwhile."""
    list(operator.process(0, RowBatch(list(records), [5] * len(records))))
    snapshot = operator.keyed_snapshot()
    assert snapshot is not None
    if touch:
        list(operator.advance(Watermark(100)))
    while not snapshot.done:
        snapshot.encode_some()
    return RestoredState(tuple(operator.snapshot(Barrier(CheckpointId(1)), ended=False)), snapshot.runs, restored=True)


def fired(operator: KeyedOperator) -> list[Any]:
    found: list[Any] = []
    for output in operator.advance(Watermark(100)):
        assert isinstance(output, RowBatch)
        found += output.values
    return found


@pytest.mark.parametrize("touch", [False, True])
def test_state_of_all_kinds_follows(shop: Program, touch: bool) -> None:
    state = taken(opened(keeping()), shop.version(THEN).Trip("Oslo", 3), touch=touch)
    trip = shop.version(NOW).Trip("Oslo", 3, 9)
    assert fired(opened(keeping(), state)) == [(trip, [(trip, [trip])], {trip: trip})]


def test_windows_follow(shop: Program) -> None:
    def windows() -> WindowOperator:
        key = KeySelection(lambda value: value.city)
        return WindowOperator(WindowSpecification(key, TumblingEventTimeWindows.of(10), reduce=lambda one, _: one))

    state = taken(opened(windows()), shop.version(THEN).Trip("Oslo", 3))
    trip = shop.version(NOW).Trip("Oslo", 3, 9)
    assert fired(opened(windows(), state)) == [trip]


def test_lists_follow(shop: Program) -> None:
    stored = stored_list("all", [shop.version(THEN).Trip("Oslo", 3), 5])
    trip = shop.version(NOW).Trip("Oslo", 3, 9)
    assert RestoredState((stored,)).items("all") == [trip, 5]
    shop.version("")
    with pytest.raises(SchemaError, match=r"list 'all' can't be restored: there is no class shop.Trip"):
        RestoredState((stored,)).items("all")


def refusal(operator: KeyedOperator, state: RestoredState) -> str:
    """What is said of a restore, which isn't tried again."""
    with pytest.raises(UserCodeError) as raised:
        opened(operator, state)
    assert not raised.value.failure().restartable
    return str(raised.value.cause)


def test_a_field_without_a_default_is_named_with_operator_state_and_class(shop: Program) -> None:
    state = taken(opened(keeping()), shop.version(THEN).Trip("Oslo", 3))
    shop.version(f"{THEN}\n    tip: int")
    assert refusal(keeping(), state) == (
        "operator Operator: state 'last' can't be restored: the class shop.Trip has the field 'tip' now, which stored "
        "objects of it don't have and which has no default; give it one, or take it out again"
    )


def test_a_default_that_does_not_fit_what_is_declared_is_told(shop: Program) -> None:
    module = shop.version(THEN)
    state = taken(opened(keeping(module.Trip)), module.Trip("Oslo", 3))
    module = shop.version(f"{THEN}\n    tip: int = None")
    said = refusal(keeping(module.Trip), state)
    assert said.startswith(
        "operator Operator: state 'last' holds objects of which not all fit their class as it is now"
    )
    assert "value.tip is NoneType None" in said


def test_keys_can_not_change(shop: Program) -> None:
    """They would be others, of other key groups (law 11)."""
    by_itself = keeping(key=lambda value: (value, 1))
    state = taken(opened(by_itself), shop.version(THEN).Trip("Oslo", 3))
    shop.version(NOW)
    said = refusal(keeping(key=lambda value: (value, 1)), state)
    assert "has keys of the class shop.Trip, whose fields have changed" in said


def test_keys_of_a_map_that_would_become_one_are_refused(shop: Program) -> None:
    trip = shop.version(THEN).Trip
    state = taken(opened(keeping()), trip("Oslo", 3), trip("Oslo", 4))
    shop.version(WITHOUT)
    assert "keys of a map that were told apart by a field are the same without it" in refusal(keeping(), state)
