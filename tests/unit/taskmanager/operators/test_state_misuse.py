"""State and timers where no key is at hand: a sentence, and never an entry of nobody's."""

from collections.abc import Iterable
from typing import Any

import pytest

from millstream.datastream.keyed_functions import KeyedMap
from millstream_dataflow.functions import KeyedProcessFunction, MapFunction, RuntimeContext
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import KeyedProcessSpecification, KeySelection
from millstream_dataflow.records import Barrier, RowBatch
from millstream_dataflow.state import (
    CheckpointedFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
    ListStateDescriptor,
    StateTtlConfig,
    ValueStateDescriptor,
)
from millstream_taskmanager.operators.keyed_process import KeyedProcessOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

BARRIER = Barrier(CheckpointId(1))


class Misplaced(KeyedProcessFunction[Any, Any, Any], CheckpointedFunction):
    """Uses its state where it is told to."""

    def __init__(self, place: str, descriptor: ValueStateDescriptor[int]) -> None:
        self.place = place
        self.descriptor = descriptor

    def use(self, place: str) -> None:
        if place == self.place:
            self.state.value()
        if f"{place}, writing" == self.place:
            self.state.update(1)

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        self.state: Any = context.get_keyed_state_store().get_state(self.descriptor)
        self.use("initialize_state")

    def open(self, runtime_context: RuntimeContext) -> None:
        self.use("open")

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterable[Any]:  # noqa: ANN401  # any record
        self.timers = ctx.timer_service()
        self.state.update(value)
        return ()

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        self.use("snapshot_state")
        if self.place == "a timer":
            self.timers.register_event_time_timer(5)

    def close(self) -> None:
        self.use("close")


def opened(function: Any, state: RestoredState | None = None) -> KeyedProcessOperator:  # noqa: ANN401  # of any kind
    operator = KeyedProcessOperator(KeyedProcessSpecification(function, KeySelection(lambda value: value % 2)))
    operator.open(OperatorBench().context(state))
    return operator


def lived(function: Misplaced) -> None:
    operator = opened(function)
    list(operator.process(0, RowBatch([1, 2, 3])))
    operator.snapshot(BARRIER, ended=False)
    operator.close()


@pytest.mark.parametrize("ttl", [None, StateTtlConfig(1_000)])
@pytest.mark.parametrize(
    "place",
    ["initialize_state", "open", "open, writing", "snapshot_state", "snapshot_state, writing", "close", "a timer"],
)
def test_no_key_is_at_hand(place: str, ttl: StateTtlConfig | None) -> None:
    descriptor = ValueStateDescriptor("n", int)
    if ttl is not None:
        descriptor.enable_time_to_live(ttl)
    with pytest.raises(UserCodeError) as raised:
        lived(Misplaced(place, descriptor))
    assert str(raised.value.cause) == (
        "keyed state or a timer was used where no key is at hand, as in open(), close() or snapshot_state(); use it "
        "where a record or a timer is handled, and ask for it in open()"
    )
    assert raised.value.operator == "Operator"


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    lived(Misplaced("nowhere", ValueStateDescriptor("n", int)))


@pytest.mark.parametrize("domain", ["event_time", "processing_time"])
def test_a_plain_function_has_no_timers(domain: str) -> None:
    """They would be kept, stored, and never heard of."""

    def process(value: int, ctx: KeyedProcessFunction.Context) -> None:
        getattr(ctx.timer_service(), f"register_{domain}_timer")(value)

    operator = opened(process)
    with pytest.raises(UserCodeError) as raised:
        list(operator.process(0, RowBatch([1])))
    assert str(raised.value.cause) == (
        "a timer calls on_timer, and a plain function has none; write a KeyedProcessFunction with an on_timer method"
    )
    assert not raised.value.failure().restartable


class Counting(MapFunction[int, int], CheckpointedFunction):
    """State of the key, and a list of its own."""

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        self.list = context.get_operator_state_store().get_list_state(ListStateDescriptor("all", int))
        self.all = list(self.list)

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count: Any = self.get_runtime_context().get_state(ValueStateDescriptor("count", int))

    def map(self, value: int) -> int:
        self.all.append(value)
        self.count.update((self.count.value() or 0) + 1)
        return int(self.count.value()) * 100 + len(self.all)

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        self.list.update(self.all)


def test_a_map_on_a_keyed_stream_has_both_kinds_of_state() -> None:
    operator = opened(KeyedMap(Counting()))
    assert list(operator.process(0, RowBatch([1, 2, 3]))) == [RowBatch([101, 102, 203])]
    snapshot = operator.keyed_snapshot()
    assert snapshot is not None
    lists = tuple(operator.snapshot(BARRIER, ended=False))
    while not snapshot.done:
        snapshot.encode_some()
    again = opened(KeyedMap(Counting()), RestoredState(lists, snapshot.runs, restored=True))
    assert list(again.process(0, RowBatch([5]))) == [RowBatch([304])]
