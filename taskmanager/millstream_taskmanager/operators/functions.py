"""A user's function in a subtask: opened, asked for its state at barriers, closed. A plain callable has no such
life.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.functions import Function, RuntimeContext
from millstream_dataflow.functions.function import give_context
from millstream_dataflow.metrics import MetricGroup
from millstream_dataflow.records import Barrier
from millstream_dataflow.state import (
    AggregatingState,
    AggregatingStateDescriptor,
    CheckpointedFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
    KeyedStateStore,
    ListState,
    ListStateDescriptor,
    MapState,
    MapStateDescriptor,
    OperatorStateStore,
    ReducingState,
    ReducingStateDescriptor,
    ValueState,
    ValueStateDescriptor,
)
from millstream_taskmanager.operators.base import OperatorContext
from millstream_taskmanager.operators.list_state import OperatorLists
from millstream_taskmanager.operators.metrics import OperatorMetricGroup
from millstream_taskmanager.operators.state import Inheritance, StoredList
from millstream_taskmanager.user_code.errors import UserCode


def keeps_state(function: object) -> bool:
    """Whether a function has state of its own, and so can't share an operator with others."""
    return isinstance(function, CheckpointedFunction)


class FunctionLife:
    """One function from `open` to `close`."""

    def __init__(self, function: object) -> None:
        self._function = function
        self._lists: OperatorLists | None = None
        self._opened = False

    def open(self, context: OperatorContext, runtime: RuntimeContext | None = None) -> None:
        """Before the first record: its state comes first, so that `open` has it (as in Flink).

        `runtime` is what `open` is told where the stream has keys.
        """
        self._name = context.name
        self._now = context.now
        function, runtime = self._function, runtime or TaskRuntimeContext(context)
        with UserCode(self._name):
            self._opened = True  # what has failed half way is closed as well
            if isinstance(function, Function):
                give_context(function, runtime)
            if isinstance(function, CheckpointedFunction):
                self._lists = OperatorLists(context.state)
                function.initialize_state(_Initialization(self._lists, context.state, runtime))
            if isinstance(function, Function):
                function.open(runtime)

    @property
    def lists(self) -> Sequence[str]:
        """The names of its lists."""
        return () if self._lists is None else self._lists.names

    def snapshot(self, barrier: Barrier) -> Sequence[StoredList]:
        """Its lists at the barrier."""
        if self._lists is None or not isinstance(self._function, CheckpointedFunction):
            return ()
        with UserCode(self._name):
            self._function.snapshot_state(_Snapshot(barrier, self._now()))
            return self._lists.stored()

    def close(self) -> None:
        """At the end, if it was opened."""
        if self._opened and isinstance(self._function, Function):
            self._opened = False
            with UserCode(self._name):
                self._function.close()


class TaskRuntimeContext(RuntimeContext):
    """What a function on a stream without keys may know."""

    def __init__(self, context: OperatorContext) -> None:
        self._context = context

    def get_task_name(self) -> str:
        """See RuntimeContext."""
        return self._context.place.vertex_name

    def get_task_name_with_subtasks(self) -> str:
        """See RuntimeContext."""
        return f"{self.get_task_name()} ({self._context.subtask_index + 1}/{self._context.parallelism})"

    def get_number_of_parallel_subtasks(self) -> int:
        """See RuntimeContext."""
        return self._context.parallelism

    def get_max_number_of_parallel_subtasks(self) -> int:
        """See RuntimeContext."""
        return self._context.place.max_parallelism

    def get_index_of_this_subtask(self) -> int:
        """See RuntimeContext."""
        return self._context.subtask_index

    def get_attempt_number(self) -> int:
        """See RuntimeContext. Attempts of regions count from 1."""
        return self._context.attempt - 1

    def get_operator_name(self) -> str:
        """See RuntimeContext."""
        return self._context.operator_name

    def get_job_id(self) -> str:
        """See RuntimeContext."""
        return self._context.job

    def get_job_name(self) -> str:
        """See RuntimeContext."""
        return self._context.place.job_name

    def get_metrics_group(self) -> MetricGroup:
        """See RuntimeContext."""
        return OperatorMetricGroup(self._context.metrics, self._context.operator_name)

    def get_global_job_parameters(self) -> Mapping[str, str]:
        """See RuntimeContext."""
        return dict(self._context.place.parameters)

    def get_job_parameter(self, key: str, default_value: str) -> str:
        """See RuntimeContext."""
        return self._context.place.parameters.get(key, default_value)

    def get_state(self, state_descriptor: ValueStateDescriptor[Any]) -> ValueState[Any]:
        """Refused."""
        self.refuse_state(state_descriptor.name)

    def get_list_state(self, state_descriptor: ListStateDescriptor[Any]) -> ListState[Any]:
        """Refused."""
        self.refuse_state(state_descriptor.name)

    def get_map_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> MapState[Any, Any]:
        """Refused."""
        self.refuse_state(state_descriptor.name)

    def get_reducing_state(self, state_descriptor: ReducingStateDescriptor[Any]) -> ReducingState[Any]:
        """Refused."""
        self.refuse_state(state_descriptor.name)

    def get_aggregating_state(
        self, state_descriptor: AggregatingStateDescriptor[Any, Any, Any]
    ) -> AggregatingState[Any, Any]:
        """Refused."""
        self.refuse_state(state_descriptor.name)

    def refuse_state(self, state: str) -> NoReturn:
        """InvalidProgramError that says why there is none."""
        raise InvalidProgramError(
            f"state {state!r} was asked for, but keyed state belongs to keys and this stream has none; call key_by "
            "first, or keep state of the subtask by a CheckpointedFunction"
        )


class _Initialization(FunctionInitializationContext):
    def __init__(self, lists: OperatorLists, restored: Inheritance, keyed: KeyedStateStore) -> None:
        self._lists = lists
        self._restored = restored
        self._keyed = keyed

    def is_restored(self) -> bool:
        return self._restored.restored

    def get_restored_checkpoint_id(self) -> int | None:
        return self._restored.checkpoint

    def get_keyed_state_store(self) -> KeyedStateStore:
        return self._keyed

    def get_operator_state_store(self) -> OperatorStateStore:
        return self._lists


class _Snapshot(FunctionSnapshotContext):
    def __init__(self, barrier: Barrier, time: int) -> None:
        self._barrier = barrier
        self._time = time

    def get_checkpoint_timestamp(self) -> int:
        return self._time

    def get_checkpoint_id(self) -> int:
        return self._barrier.checkpoint
