"""A function's life, and the lists of a CheckpointedFunction."""

from collections.abc import Iterable
from typing import Any

import pytest

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.functions import FlatMapFunction, RuntimeContext
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Barrier
from millstream_dataflow.state import (
    CheckpointedFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
    ListStateDescriptor,
    StateTtlConfig,
    ValueStateDescriptor,
)
from millstream_runtime.messages.snapshots import Redistribution
from millstream_taskmanager.operators.functions import FunctionLife, TaskRuntimeContext
from millstream_taskmanager.operators.state import RestoredState, StoredList, stored_list
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

BARRIER = Barrier(CheckpointId(3))


class Buffer(FlatMapFunction[int, int], CheckpointedFunction):
    """Keeps what came in a list."""

    def __init__(self, type_: Any = int) -> None:  # noqa: ANN401  # of the elements
        self.type = type_
        self.restored: bool | None = None
        self.items: list[int] = []
        self.at_open: list[int] = []

    def open(self, runtime_context: RuntimeContext) -> None:
        self.at_open = list(self.items)

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        store = context.get_operator_state_store()
        self.state = store.get_list_state(ListStateDescriptor[Any]("buffer", self.type))
        self.union = store.get_union_list_state(ListStateDescriptor("seen", int))
        self.restored = context.is_restored()
        self.items = list(self.state)

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        self.state.update(self.items)
        self.union.add(context.get_checkpoint_id())

    def flat_map(self, value: int) -> Iterable[int]:
        self.items.append(value)
        return ()


def test_lists_survive() -> None:
    buffer = Buffer()
    life = FunctionLife(buffer)
    life.open(OperatorBench().context())
    assert buffer.restored is False
    buffer.flat_map(1)
    buffer.flat_map(2)
    stored = tuple(life.snapshot(BARRIER))
    assert [(one.name, one.redistribution, len(one.items)) for one in stored] == [
        ("buffer", Redistribution.SPLIT, 2),
        ("seen", Redistribution.UNION, 1),
    ]
    again = Buffer()
    FunctionLife(again).open(OperatorBench().context(RestoredState(stored, restored=True)))
    assert (again.restored, again.items, list(again.union)) == (True, [1, 2], [3])
    assert again.at_open == [1, 2], "open finds the state"


def test_a_snapshot_is_a_value() -> None:
    """Law 4.5: what is done to an item behind the barrier belongs to the next checkpoint."""
    buffer: Any = Buffer(list)
    life = FunctionLife(buffer)
    life.open(OperatorBench().context())
    item = [1]
    buffer.items.append(item)
    stored = tuple(life.snapshot(BARRIER))
    item.append(2)
    assert RestoredState(stored, restored=True).items("buffer") == [[1]]


def test_one_name_one_way_of_sharing() -> None:
    class Confused(Buffer):
        def initialize_state(self, context: FunctionInitializationContext) -> None:
            context.get_operator_state_store().get_list_state(ListStateDescriptor("x", int))
            context.get_operator_state_store().get_union_list_state(ListStateDescriptor("x", int))

    with pytest.raises(UserCodeError, match="both split and as a union"):
        FunctionLife(Confused()).open(OperatorBench().context())


def test_keyed_state_needs_keys() -> None:
    context: RuntimeContext = TaskRuntimeContext(OperatorBench().context())
    with pytest.raises(InvalidProgramError, match="key_by"):
        context.get_state(ValueStateDescriptor("n", int))


def test_what_a_function_may_know() -> None:
    context: RuntimeContext = TaskRuntimeContext(OperatorBench(subtask=2, parallelism=6).context())
    assert context.get_task_name_with_subtasks() == "Vertex (3/6)"
    assert (context.get_index_of_this_subtask(), context.get_number_of_parallel_subtasks()) == (2, 6)
    assert (context.get_max_number_of_parallel_subtasks(), context.get_attempt_number()) == (128, 0)
    assert (context.get_job_parameter("answer", ""), context.get_job_parameter("other", "none")) == ("42", "none")


def test_what_a_function_may_know_of_its_job() -> None:
    context: RuntimeContext = TaskRuntimeContext(OperatorBench().context())
    assert (context.get_job_id(), context.get_job_name(), context.get_operator_name()) == ("job", "Job", "Operator")
    assert context.get_global_job_parameters() == {"answer": "42"}


def test_the_runtime_context_is_there_from_initialize_state_on() -> None:
    class Asking(Buffer):
        def __init__(self) -> None:
            super().__init__()
            self.known: list[int] = []

        def initialize_state(self, context: FunctionInitializationContext) -> None:
            super().initialize_state(context)
            self.known.append(self.get_runtime_context().get_index_of_this_subtask())

        def flat_map(self, value: int) -> Iterable[int]:
            return [self.get_runtime_context().get_index_of_this_subtask()]

    function = Asking()
    with pytest.raises(InvalidProgramError, match=r"asked for its runtime context before it was opened; ask in open"):
        function.get_runtime_context()
    FunctionLife(function).open(OperatorBench(subtask=3, parallelism=4).context())
    assert (function.known, list(function.flat_map(1))) == ([3], [3])


class Knowing(Buffer):
    """Keeps what the contexts tell."""

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        self.from_checkpoint = context.get_restored_checkpoint_id()
        self.before = set(context.get_operator_state_store().get_registered_state_names())
        self.keyed = context.get_keyed_state_store()
        super().initialize_state(context)
        self.after = set(context.get_operator_state_store().get_registered_state_names())

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        super().snapshot_state(context)
        self.time = context.get_checkpoint_timestamp()


def test_what_the_contexts_tell() -> None:
    function = Knowing()
    life = FunctionLife(function)
    life.open(OperatorBench(now=77).context())
    function.items = [1]
    stored = (*life.snapshot(BARRIER), StoredList("other", Redistribution.SPLIT, (b"",)))
    assert (function.from_checkpoint, function.before, function.after, function.time) == (
        None,
        set(),
        {"buffer", "seen"},
        77,
    )
    with pytest.raises(InvalidProgramError, match="key_by"):
        function.keyed.get_state(ValueStateDescriptor("n"))
    again = Knowing()
    FunctionLife(again).open(OperatorBench().context(RestoredState(stored, restored=True, checkpoint=CheckpointId(3))))
    assert (again.from_checkpoint, again.before) == (3, {"buffer", "seen", "other"})


def test_elements_are_of_the_type_that_is_declared() -> None:
    stored = (stored_list("buffer", ["a"]),)
    with pytest.raises(UserCodeError) as raised:
        FunctionLife(Buffer()).open(OperatorBench().context(RestoredState(stored, restored=True)))
    assert "list state 'buffer' was restored, but an element doesn't fit: value is str 'a'" in str(raised.value.cause)
    assert not raised.value.failure().restartable


def test_lists_of_subtasks_do_not_get_too_old() -> None:
    class Forgetful(Buffer):
        def initialize_state(self, context: FunctionInitializationContext) -> None:
            descriptor = ListStateDescriptor("x", int).enable_time_to_live(StateTtlConfig(5))
            context.get_operator_state_store().get_list_state(descriptor)

    with pytest.raises(UserCodeError, match="list state 'x' has a time to live, which only state of keys can have"):
        FunctionLife(Forgetful()).open(OperatorBench().context())


def test_an_open_that_fails_is_closed_and_named() -> None:
    log: list[str] = []

    class Failing(FlatMapFunction[int, int]):
        def open(self, runtime_context: RuntimeContext) -> None:
            raise ConnectionError("no route")

        def flat_map(self, value: int) -> Iterable[int]:
            return ()

        def close(self) -> None:
            log.append("closed")

    life = FunctionLife(Failing())
    with pytest.raises(UserCodeError, match="no route"):
        life.open(OperatorBench().context())
    life.close()
    assert log == ["closed"]


def test_a_plain_callable_has_no_life() -> None:
    life = FunctionLife(len)
    life.open(OperatorBench().context())
    assert list(life.snapshot(BARRIER)) == []
    life.close()
