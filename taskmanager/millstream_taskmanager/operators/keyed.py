"""What operators on keyed streams have in common: the keys of a batch, whose turn it is, and no snapshots yet."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from millstream_dataflow.functions import Function, resolve_key_selector
from millstream_dataflow.keys import UnstableKeyError, identities, key_identity
from millstream_dataflow.operators.specifications import KeySelection
from millstream_dataflow.records import Barrier, SnapshotKind
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
from millstream_taskmanager.exchange.partitioners import selected_keys
from millstream_taskmanager.operators.base import OperatorContext, RowOperator
from millstream_taskmanager.operators.errors import NO_RECORD, UserCode, UserCodeError
from millstream_taskmanager.operators.functions import TaskRuntimeContext
from millstream_taskmanager.operators.state import StoredList
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.store import KeyedTables


class KeyedOperator(RowOperator):
    """The receiver asks the selector again, which costs what decoding the key would (ARCHITECTURE 10)."""

    def __init__(self, key: KeySelection) -> None:
        self._select: Callable[[Any], Any] = resolve_key_selector(key.selector)
        self.current = CurrentKey()

    def open(self, context: OperatorContext) -> None:
        """See Operator."""
        self._context = context
        self._name = context.name

    def keys_of(self, values: Sequence[Any]) -> tuple[list[Any], Sequence[Hashable]]:
        """The keys of records and their identities; one list for both where all are their own."""
        keys = selected_keys(values, self._select, self._name)
        try:
            return keys, identities(keys)
        except UnstableKeyError as error:
            raise UserCodeError(error, self._name, _first_unstable(values, keys)) from error

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """At the end of a bounded job nothing of it is needed any more; otherwise it would be lost."""
        if barrier.kind is not SnapshotKind.FINAL:
            raise RuntimeError(f"operator {self._name}: this version doesn't store keyed state in checkpoints")
        return ()


class FunctionsOfKeys:
    """The functions of one operator on a keyed stream, from `open` to `close`."""

    def __init__(self, functions: Sequence[object]) -> None:
        self._functions = [function for function in functions if isinstance(function, Function)]
        self._opened: list[Function] = []

    def open(self, context: OperatorContext, tables: KeyedTables) -> None:
        """Before the first record."""
        self._name = context.name
        for function in self._functions:
            self._opened.append(function)
            with UserCode(context.name):
                function.open(KeyedRuntimeContext(context, tables))

    def close(self) -> None:
        """At the end, those that were opened."""
        while self._opened:
            function = self._opened.pop()
            with UserCode(self._name):
                function.close()


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


def _first_unstable(values: Sequence[Any], keys: Sequence[object]) -> object:
    for value, key in zip(values, keys, strict=True):
        try:
            key_identity(key)
        except UnstableKeyError:
            return value
    return NO_RECORD
