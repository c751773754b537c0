"""Functions of a stream without keys and a broadcast one: input 0 reads broadcast state, input 1 writes it."""

from collections.abc import Iterator, Sequence
from typing import Any

from millstream_dataflow.functions import BroadcastProcessFunction, resolve_broadcast_process
from millstream_dataflow.functions.broadcast import BaseBroadcastProcessFunction
from millstream_dataflow.operators.two_inputs import BroadcastProcessSpecification
from millstream_dataflow.records import Barrier, RowBatch
from millstream_dataflow.state import BroadcastState, MapStateDescriptor, ReadOnlyBroadcastState
from millstream_taskmanager.operators.base import OperatorContext, Output
from millstream_taskmanager.operators.broadcast_state import BroadcastStates
from millstream_taskmanager.operators.co_calls import functions_of
from millstream_taskmanager.operators.process import FunctionWithoutKeys
from millstream_taskmanager.operators.state import StoredList
from millstream_taskmanager.user_code.errors import UserCode


class BroadcastProcessOperator(FunctionWithoutKeys):
    """See the module."""

    def __init__(self, specification: BroadcastProcessSpecification, *, reuse: bool = False) -> None:
        """`reuse`: as Collector says."""
        super().__init__(functions_of(specification.function), reuse=reuse)
        self._calls = resolve_broadcast_process(specification.function)
        self._states = BroadcastStates(specification.states, reuse=reuse)

    def open(self, context: OperatorContext) -> None:
        """See Operator."""
        with UserCode(context.name):
            self._states.open(context)
        super().open(context)

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        if number == 0:
            return self.call_each(batch, self._calls.first, _Reading(self, self._states))
        return self.call_each(batch, self._calls.second, _Writing(self, self._states))

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """See Operator."""
        return [*super().snapshot(barrier, ended=ended), *self._states.stored()]


class _Around(BaseBroadcastProcessFunction.BaseContext):
    """What is around the element at hand."""

    def __init__(self, operator: FunctionWithoutKeys, states: BroadcastStates) -> None:
        self._operator = operator
        self._states = states
        self.time: int | None = None

    def timestamp(self) -> int | None:
        return self.time

    def current_processing_time(self) -> int:
        return self._operator.now()

    def current_watermark(self) -> int:
        return self._operator.watermark


class _Reading(_Around, BroadcastProcessFunction.ReadOnlyContext):
    """Of the stream that isn't broadcast."""

    def get_broadcast_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> ReadOnlyBroadcastState[Any, Any]:
        return self._states.read(state_descriptor)


class _Writing(_Around, BroadcastProcessFunction.Context):
    """Of the broadcast stream."""

    def get_broadcast_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> BroadcastState[Any, Any]:
        return self._states.written(state_descriptor)
