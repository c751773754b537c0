"""What operators on keyed streams have in common: the keys of a batch, whose turn it is, and their state."""

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NoReturn

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.functions import resolve_key_selector
from millstream_dataflow.keys import UnstableKeyError, identities
from millstream_dataflow.operators.specifications import KeySelection
from millstream_dataflow.records import Barrier, RowBatch
from millstream_dataflow.state import (
    AggregatingState,
    AggregatingStateDescriptor,
    ListState,
    ListStateDescriptor,
    MapState,
    MapStateDescriptor,
    ReducingState,
    ReducingStateDescriptor,
    ValueState,
    ValueStateDescriptor,
)
from millstream_taskmanager.operators.base import OperatorContext, RowOperator
from millstream_taskmanager.operators.declared import declared
from millstream_taskmanager.operators.functions import FunctionLife, TaskRuntimeContext
from millstream_taskmanager.operators.state import StoredList
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.key_space import KeySpace
from millstream_taskmanager.state.snapshot import KeyedSnapshot
from millstream_taskmanager.state.store import KeyedTables
from millstream_taskmanager.user_code.errors import UserCode, UserCodeError
from millstream_taskmanager.user_code.selectors import first_unstable, selected_keys


@dataclass(slots=True)
class KeyedPart:
    """Records of a batch for whose keys event time has come equally far; the columns are parallel."""

    time: int
    """The watermark that holds for them."""
    values: list[Any]
    keys: Sequence[Any]
    identities: Sequence[Hashable]
    times: list[int] | None

    def at(self, places: list[int]) -> "KeyedPart":
        """Some of them, two at least, in that order."""
        pick = itemgetter(*places)
        times = None if self.times is None else list(pick(self.times))
        return KeyedPart(self.time, list(pick(self.values)), pick(self.keys), pick(self.identities), times)


class KeyedOperator(RowOperator):
    """The receiver asks the selector again, which costs what decoding the key would (ARCHITECTURE 10)."""

    audited = True

    def __init__(self, key: KeySelection, functions: Sequence[object], *others: KeySelection) -> None:
        """`functions` are the user's, for their lives. `others` find the keys of the records of further inputs."""
        keys = (key, *others)
        self._selects: list[Callable[[Any], Any]] = [resolve_key_selector(one.selector) for one in keys]
        self._key_types = [one.type for one in keys]
        self._functions = FunctionsOfKeys(functions)
        self.current = CurrentKey()

    def open(self, context: OperatorContext) -> None:
        """See Operator."""
        self._context = context
        self._name = context.name
        self._declared = [declared(type_, f"the key selector of {self._name}") for type_ in self._key_types]
        place = context.place
        key_type = next((type_ for type_ in self._key_types if type_ is not None), None)
        space = KeySpace(context.name, context.subtask_index, place.parallelism, place.max_parallelism, key_type)
        with UserCode(context.name):
            self.backend = KeyedBackend(space, context.state.runs, context.now)
            self.times = self.backend.times
            self.open_state(context)

    @abstractmethod
    def open_state(self, context: OperatorContext) -> None:
        """Make tables and open the functions."""

    def keys_of(self, values: Sequence[Any], number: int = 0) -> tuple[list[Any], Sequence[Hashable]]:
        """The keys of records of an input and their identities; one list for both where all are their own."""
        keys = selected_keys(values, self._selects[number], self._name)
        if (declared_key := self._declared[number]) is not None:
            declared_key.check(keys, values)
        try:
            own = identities(keys)
        except UnstableKeyError as error:
            raise UserCodeError(error, self._name, first_unstable(values, keys)) from error
        self.backend.forms.add(keys, own)
        self.received += len(values)
        if self.backend.cleaners:
            self.backend.seen(len(values))
        return keys, own

    def parts(self, batch: RowBatch, number: int = 0) -> Iterable[KeyedPart]:
        """A batch of an input by how far event time has come for its keys (law 7.1): as one, but for a while after a
        restore.

        Records of one key stay in order.
        """
        keys, own = self.keys_of(batch.values, number)
        if self.times.settled:
            yield KeyedPart(self.times.time, batch.values, keys, own, batch.timestamps)
            return
        for time, places in self.times.parts(keys):
            columns = [[column[place] for place in places] for column in (batch.values, keys, own)]
            times = None if batch.timestamps is None else [batch.timestamps[place] for place in places]
            yield KeyedPart(time, columns[0], columns[1], columns[2], times)

    def forget_key(self) -> None:
        """See Operator. Who keeps anything of keys outside of its tables forgets that as well."""
        self.backend.clear()

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """The lists of its functions."""
        self.current.nobody()
        return self._functions.snapshot(barrier)

    def keyed_snapshot(self) -> KeyedSnapshot | None:
        """See Operator."""
        return self.backend.snapshot()

    def close(self) -> None:
        """See Operator."""
        self.current.nobody()
        self._functions.close()


class FunctionsOfKeys:
    """The functions of one operator on a keyed stream, from `open` to `close`."""

    def __init__(self, functions: Sequence[object]) -> None:
        self._functions = functions
        self._lives = [FunctionLife(function) for function in functions]

    def open(self, context: OperatorContext, tables: KeyedTables, accumulating: Sequence[object] = ()) -> None:
        """Before the first record. `accumulating`: those that are called for no key in particular, and have no state of
        any.
        """
        keyed, keyless = KeyedRuntimeContext(context, tables), AccumulatingContext(context)
        for function, life in zip(self._functions, self._lives, strict=True):
            life.open(context, keyless if any(function is one for one in accumulating) else keyed)
        names = [name for life in self._lives for name in life.lists]
        if len(names) > len(set(names)):
            raise InvalidProgramError(
                f"two functions of one operator have operator state of one name, among {sorted(names)}"
            )

    def snapshot(self, barrier: Barrier) -> list[StoredList]:
        """Their lists."""
        return [stored for life in self._lives for stored in life.snapshot(barrier)]

    def close(self) -> None:
        """At the end, those that were opened; the last first."""
        for life in reversed(self._lives):
            life.close()


class KeyedRuntimeContext(TaskRuntimeContext):
    """What a function on a keyed stream may know and have."""

    def __init__(self, context: OperatorContext, tables: KeyedTables) -> None:
        super().__init__(context)
        self._tables = tables

    def get_state(self, state_descriptor: ValueStateDescriptor[Any]) -> ValueState[Any]:
        """See RuntimeContext."""
        return self._tables.get_state(state_descriptor)

    def get_list_state(self, state_descriptor: ListStateDescriptor[Any]) -> ListState[Any]:
        """See RuntimeContext."""
        return self._tables.get_list_state(state_descriptor)

    def get_map_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> MapState[Any, Any]:
        """See RuntimeContext."""
        return self._tables.get_map_state(state_descriptor)

    def get_reducing_state(self, state_descriptor: ReducingStateDescriptor[Any]) -> ReducingState[Any]:
        """See RuntimeContext."""
        return self._tables.get_reducing_state(state_descriptor)

    def get_aggregating_state(
        self, state_descriptor: AggregatingStateDescriptor[Any, Any, Any]
    ) -> AggregatingState[Any, Any]:
        """See RuntimeContext."""
        return self._tables.get_aggregating_state(state_descriptor)


class AccumulatingContext(TaskRuntimeContext):
    """What `reduce` and `aggregate` of windows may know: they take in records of many keys in a row, so state of a key
    would be that of any. Flink refuses each rich function there; here they may have a life, and metrics.
    """

    def refuse_state(self, state: str) -> NoReturn:
        """See TaskRuntimeContext."""
        raise InvalidProgramError(
            f"state {state!r} was asked for by reduce() or aggregate() of windows, which work for all keys and windows "
            "at once; keep it in the record or accumulator, or give a window function behind them and ask there"
        )
