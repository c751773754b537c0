"""Functions of a stream with keys and a broadcast one: input 0 has state and timers of the record's key and reads
broadcast state, input 1 writes it, and reaches keyed state key by key.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.functions import (
    KeyedBroadcastProcessFunction,
    KeyedStateFunction,
    TimeDomain,
    TimerService,
    resolve_keyed_broadcast_process,
    resolve_keyed_state_function,
)
from millstream_dataflow.functions.timers import NoTimersError
from millstream_dataflow.operators.two_inputs import KeyedBroadcastProcessSpecification
from millstream_dataflow.records import Barrier, RowBatch
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    BroadcastState,
    ListStateDescriptor,
    MapStateDescriptor,
    ReadOnlyBroadcastState,
    ReducingStateDescriptor,
    State,
    StateDescriptor,
    ValueStateDescriptor,
)
from millstream_taskmanager.operators.base import OperatorContext, Output
from millstream_taskmanager.operators.broadcast_state import BroadcastStates
from millstream_taskmanager.operators.co_calls import functions_of
from millstream_taskmanager.operators.keyed_process import Around, FunctionOfKeys
from millstream_taskmanager.operators.process import call_each
from millstream_taskmanager.operators.state import StoredList
from millstream_taskmanager.state.store import KeyedTables


class _NoKey:
    """In the place of a key's identity: every access to keyed state must hash it."""

    def __hash__(self) -> NoReturn:
        raise InvalidProgramError(
            "state of a key was asked for while an element of the broadcast stream is processed, which has no key; "
            "reach it by ctx.apply_to_keyed_state(descriptor, function), or keep it as broadcast state"
        )


_NO_KEY: Final = _NoKey()


class KeyedBroadcastProcessOperator(FunctionOfKeys):
    """See the module."""

    def __init__(self, specification: KeyedBroadcastProcessSpecification, *, reuse: bool = False) -> None:
        """`reuse`: as Collector says."""
        self._calls = resolve_keyed_broadcast_process(specification.function)
        functions = functions_of(specification.function)
        super().__init__([specification.key], functions, self._calls.on_timer, reuse=reuse)
        self._states = BroadcastStates(specification.states, reuse=reuse)

    def open_state(self, context: OperatorContext) -> None:
        """See KeyedOperator."""
        self._states.open(context)
        super().open_state(context)

    def around(self) -> Around:
        """See FunctionOfKeys."""
        return _Reading(self)

    def around_timer(self, domain: TimeDomain) -> Around:
        """See FunctionOfKeys."""
        return _ReadingAtTimer(self, domain)

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        return self.call_each(batch, self._calls.first) if number == 0 else self._broadcast(batch)

    def _broadcast(self, batch: RowBatch) -> Iterator[Output]:
        self.received += len(batch)
        self._timers.watermark = self.times.time
        self.current.set(None, _NO_KEY)
        yield from call_each(batch, self._calls.second, _Writing(self), self._name, reuse=self._reuse)
        self.processed += len(batch)

    def apply(self, descriptor: StateDescriptor[Any], function: Callable[[Any, Any], None]) -> None:
        """Call the function with each key that has such state."""
        state = _handle(self._tables, descriptor)
        try:
            for identity in self._tables.identities(descriptor):
                self.current.set(self.backend.forms.of(identity), identity)
                function(self.current.key, state)
        finally:
            self.current.set(None, _NO_KEY)

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """See Operator."""
        return [*super().snapshot(barrier, ended=ended), *self._states.stored()]

    @property
    def states(self) -> BroadcastStates:
        """The broadcast ones."""
        return self._states

    @property
    def timers(self) -> TimerService:
        """Those of the current key."""
        return self._timers


class _Reading(Around, KeyedBroadcastProcessFunction.ReadOnlyContext):
    """What is around a record of the stream with keys."""

    def __init__(self, operator: KeyedBroadcastProcessOperator) -> None:
        super().__init__(operator.current, operator.timers)
        self._states = operator.states

    def current_processing_time(self) -> int:
        return self._timers.current_processing_time()

    def current_watermark(self) -> int:
        return self._timers.current_watermark()

    def get_broadcast_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> ReadOnlyBroadcastState[Any, Any]:
        return self._states.read(state_descriptor)


class _ReadingAtTimer(_Reading, KeyedBroadcastProcessFunction.OnTimerContext):
    """What is around a timer."""

    def __init__(self, operator: KeyedBroadcastProcessOperator, domain: TimeDomain) -> None:
        super().__init__(operator)
        self._domain = domain

    def time_domain(self) -> TimeDomain:
        return self._domain


class _Writing(KeyedBroadcastProcessFunction.Context):
    """What is around an element of the broadcast stream."""

    def __init__(self, operator: KeyedBroadcastProcessOperator) -> None:
        self._operator = operator
        self.time: int | None = None

    def timestamp(self) -> int | None:
        return self.time

    def current_processing_time(self) -> int:
        return self._operator.timers.current_processing_time()

    def current_watermark(self) -> int:
        return self._operator.timers.current_watermark()

    def get_broadcast_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> BroadcastState[Any, Any]:
        return self._operator.states.written(state_descriptor)

    def apply_to_keyed_state(
        self,
        state_descriptor: StateDescriptor[Any],
        function: KeyedStateFunction[Any, Any] | Callable[[Any, Any], None],
    ) -> None:
        self._operator.apply(state_descriptor, resolve_keyed_state_function(function))

    def timer_service(self) -> NoReturn:
        """Refused."""
        raise NoTimersError(
            "timers belong to keys, and an element of the broadcast stream has none; register them in process_element"
        )

    def get_current_key(self) -> NoReturn:
        """Refused."""
        raise InvalidProgramError(
            "an element of the broadcast stream has no key; apply_to_keyed_state(descriptor, function) gives each key"
        )


def _handle(tables: KeyedTables, descriptor: StateDescriptor[Any]) -> State:
    """The state that a descriptor asks for, whatever its kind."""
    match descriptor:
        case ValueStateDescriptor():
            return tables.get_state(descriptor)
        case ListStateDescriptor():
            return tables.get_list_state(descriptor)
        case MapStateDescriptor():
            return tables.get_map_state(descriptor)
        case ReducingStateDescriptor():
            return tables.get_reducing_state(descriptor)
        case AggregatingStateDescriptor():
            return tables.get_aggregating_state(descriptor)
        case _:
            raise InvalidTypesError(
                f"apply_to_keyed_state takes the descriptor of a keyed state, but got {descriptor!r}"
            )
