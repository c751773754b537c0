"""Functions of ours live the life of the user's that they stand for."""

from collections.abc import Iterable
from typing import Any

import pytest

from millstream.datastream.joining import CoGroupOfWindow, JoinOfWindow
from millstream.datastream.keyed_functions import KeyedFilter
from millstream.datastream.stand_in import StandIn
from millstream_dataflow.functions import CoGroupFunction, FilterFunction, Function, JoinFunction, RuntimeContext
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Barrier
from millstream_dataflow.state import (
    CheckpointedFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
    ListStateDescriptor,
)
from millstream_taskmanager.operators.functions import FunctionLife
from millstream_taskmanager.operators.state import FRESH, RestoredState
from tests.support.tasks import OperatorBench


class Living(Function, CheckpointedFunction):
    """Knows what it was told, and counts in a list of its own."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        self.list = context.get_operator_state_store().get_list_state(ListStateDescriptor("seen", int))
        self.seen = list(self.list)
        self.told.append(f"initialised in {self.get_runtime_context().get_operator_name()}")

    def open(self, runtime_context: RuntimeContext) -> None:
        self.told.append("opened")

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        self.list.update(self.seen)

    def close(self) -> None:
        self.told.append("closed")


class Joining(Living, JoinFunction[Any, Any, Any]):
    def join(self, first: int, second: int) -> tuple[int, int]:
        self.seen.append(first)
        return self.get_runtime_context().get_index_of_this_subtask(), first + second


class Grouping(Living, CoGroupFunction[Any, Any, Any]):
    def co_group(self, first: Iterable[int], second: Iterable[int]) -> list[tuple[int, int]]:
        self.seen.extend(first)
        return [(self.get_runtime_context().get_index_of_this_subtask(), sum(second))]


class Choosing(Living, FilterFunction[int]):
    def filter(self, value: int) -> bool:
        self.seen.append(value)
        return self.get_runtime_context().get_index_of_this_subtask() == value


def called(stand_in: Any) -> list[Any]:  # noqa: ANN401  # of any kind
    """With the record 1, and where two streams meet with 10."""
    if hasattr(stand_in, "process_element"):
        return list(stand_in.process_element(1, None))
    return list(stand_in.process("key", None, [(0, 1), (1, 10)]))


@pytest.mark.parametrize(
    ("stand_in", "function", "given"),
    [
        (JoinOfWindow, Joining, [(1, 11)]),
        (CoGroupOfWindow, Grouping, [(1, 10)]),
        (KeyedFilter, Choosing, [1]),
    ],
)
def test_a_life(stand_in: type[Any], function: type[Living], given: list[Any]) -> None:
    state: RestoredState = FRESH
    for seen in ([1], [1, 1]):
        one = function()
        standing: StandIn = stand_in(one)
        life = FunctionLife(standing)
        life.open(OperatorBench(subtask=1, parallelism=2).context(state))
        assert called(standing) == given
        assert one.seen == seen, "what was stored is there again"
        state = RestoredState(tuple(life.snapshot(Barrier(CheckpointId(1)))), restored=True)
        life.close()
        assert one.told == ["initialised in Operator", "opened", "closed"]


def test_a_plain_function_has_no_life() -> None:
    standing = JoinOfWindow(lambda first, second: first + second)
    life = FunctionLife(standing)
    life.open(OperatorBench().context())
    assert called(standing) == [11]
    assert [stored.items for stored in life.snapshot(Barrier(CheckpointId(1)))] == []
    life.close()
