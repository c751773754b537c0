"""What is around a trigger: the window of a key, its timers, and state that checkpoints hold."""

from collections.abc import Sequence
from copy import copy
from typing import Any, cast

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.metrics import MetricGroup
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.state import (
    AggregatingState,
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    ValueState,
    ValueStateDescriptor,
)
from millstream_dataflow.state.descriptors import Aggregates
from millstream_dataflow.time import checked_time
from millstream_dataflow.windows import Trigger, Window
from millstream_taskmanager.operators.base import OperatorContext
from millstream_taskmanager.operators.metrics import OperatorMetricGroup
from millstream_taskmanager.operators.window_timers import WindowTimers
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.store import KeyedTables

_TIMER = "a trigger's timer"


class TriggerSurroundings(Trigger.OnMergeContext):
    """Set before each call of the trigger."""

    def __init__(self, context: OperatorContext, backend: KeyedBackend, *, is_event_time: bool) -> None:
        """Takes up restored timers; those by the clock go on by themselves."""
        self._context = context
        self._is_event_time = is_event_time
        self._current = CurrentKey()
        self._tables = KeyedTables(self._current, backend, of_windows=True)
        self._states: dict[str, Any] = {}
        self._merged: Sequence[Window] = ()
        self._window: Window
        self.event_time = WindowTimers(backend, "event-timers-of-windows", "the timers of event time")
        self.processing_time = WindowTimers(backend, "clock-timers-of-windows", "the timers by the clock")
        self._metrics = OperatorMetricGroup(context.metrics, context.operator_name)
        self.watermark = 0
        """That holds for the key at hand."""

    def at(self, current: CurrentKey, window: Window, merged: Sequence[Window] = ()) -> None:
        """The turn of the current key and a window, which others have become."""
        self._window = window
        self._merged = merged
        self._current.set(current.key, current.identity)
        self._current.within(window)

    # ------------------------------------------------------------------------------------------------- times

    def get_current_processing_time(self) -> int:
        """See TriggerContext."""
        return self._context.now()

    def get_current_watermark(self) -> int:
        """See TriggerContext."""
        return self.watermark

    def is_event_time(self) -> bool:
        """See TriggerContext."""
        return self._is_event_time

    def register_processing_time_timer(self, time: int) -> None:
        """See TriggerContext. Its call is asked for a millisecond later, when no record of that time can come."""
        self.processing_time.register(checked_time(time, _TIMER), self._current.identity, self._window)
        self._context.call_at(time + 1)

    def register_event_time_timer(self, time: int) -> None:
        """See TriggerContext."""
        self.event_time.register(checked_time(time, _TIMER), self._current.identity, self._window)

    def delete_processing_time_timer(self, time: int) -> None:
        """See TriggerContext."""
        self.processing_time.delete(time, self._current.identity, self._window)

    def delete_event_time_timer(self, time: int) -> None:
        """See TriggerContext."""
        self.event_time.delete(time, self._current.identity, self._window)

    def get_metric_group(self) -> MetricGroup:
        """See TriggerContext."""
        return self._metrics

    # ------------------------------------------------------------------------------------------------- state

    def get_partitioned_state(self, state_descriptor: StateDescriptor[Any]) -> Any:  # noqa: ANN401  # of its own kind
        """See TriggerContext."""
        if not isinstance(cast("object", state_descriptor), StateDescriptor):
            what = f"a trigger asks for its state by a descriptor, but got {short_repr(state_descriptor)}"
            raise InvalidTypesError(f"{what}; write ValueStateDescriptor(...), or another of its kind")
        name = state_descriptor.name
        if name not in self._states:
            self._states[name] = self._made(state_descriptor)
        return self._states[name]

    def _made(self, descriptor: StateDescriptor[Any]) -> Any:  # noqa: ANN401  # of its own kind
        """Under a name of its own: the user's function may call a state of its windows the same."""
        own = copy(descriptor)
        object.__setattr__(own, "name", f"trigger: {descriptor.name}")
        match own:
            case ListStateDescriptor():
                return self._tables.get_list_state(own)
            case MapStateDescriptor():
                return self._tables.get_map_state(own)
            case ReducingStateDescriptor():
                return self._tables.get_reducing_state(own)
            case AggregatingStateDescriptor():
                kept = ValueStateDescriptor(own.name, own.type_info)
                return AggregatingInWindow(self._tables.get_state(kept), own.agg_function)
            case ValueStateDescriptor():
                return self._tables.get_state(own)
            case _:
                raise InvalidProgramError(f"a trigger can't have state by {type(descriptor).__name__}")

    def merge_partitioned_state(self, state_descriptor: StateDescriptor[Any]) -> None:
        """See OnMergeContext."""
        state = self.get_partitioned_state(state_descriptor)
        match state_descriptor:
            case ListStateDescriptor():
                parts = [list(state.get()) for _ in self._taken(state)]
                state.add_all(item for part in parts for item in part)
            case ReducingStateDescriptor():
                parts = [state.get() for _ in self._taken(state)]
                for part in parts:
                    if part is not None:
                        state.add(part)
            case AggregatingStateDescriptor():
                parts = [state.kept.value() for _ in self._taken(state)]
                for part in parts:
                    if part is not None:
                        state.merge(part)
            case _:
                what = f"state {state_descriptor.name!r} of a trigger is a {type(state_descriptor).__name__}"
                mend = "keep what windows have in common in a list, reducing or aggregating state"
                raise InvalidProgramError(f"{what}, which can't be merged; {mend}")

    def _taken(self, state: Any) -> Any:  # noqa: ANN401  # of any kind
        """The turn of each of the windows that were merged, whose state is cleared behind it; then that of the result
        again.
        """
        for window in self._merged:
            self._current.within(window)
            yield window
            state.clear()
        self._current.within(self._window)


class AggregatingInWindow(AggregatingState[Any, Any]):
    """One accumulator, which can be merged with another."""

    def __init__(self, kept: ValueState[Any], function: Aggregates[Any, Any, Any]) -> None:
        self.kept = kept
        self._function = function

    def get(self) -> Any:  # noqa: ANN401  # whatever comes of it
        """See AggregatingState."""
        accumulator = self.kept.value()
        return None if accumulator is None else self._function.get_result(accumulator)

    def add(self, value: object) -> None:
        """See AggregatingState."""
        accumulator = self.kept.value()
        accumulator = self._function.create_accumulator() if accumulator is None else accumulator
        self.kept.update(self._function.add(value, accumulator))

    def merge(self, accumulator: object) -> None:
        """That one as well."""
        own = self.kept.value()
        self.kept.update(accumulator if own is None else self._function.merge(own, accumulator))

    def clear(self) -> None:
        """See State."""
        self.kept.clear()
