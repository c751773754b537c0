"""How a window's records are kept, and what comes of them when it fires."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar, Final

from millstream_dataflow.functions import (
    AggregateFunction,
    KeyedStateStore,
    ProcessWindowFunction,
    resolve_aggregate,
    resolve_process_window,
    resolve_reduce,
)
from millstream_dataflow.operators.specifications import WindowSpecification
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.windows import TimeWindow
from millstream_taskmanager.operators.base import OperatorContext
from millstream_taskmanager.operators.emitting import Collector
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.store import KeyedTables
from millstream_taskmanager.user_code.copies import copy_of
from millstream_taskmanager.user_code.errors import UserCodeError

Kept = dict[Hashable, Any]
"""What is kept of one window, by key."""

_NOTHING = object()


class Accumulation(ABC):
    """What is kept of the records of a key in a window, and what they come to."""

    kind: ClassVar[str]
    """What a checkpoint calls it."""
    whole: ClassVar[bool] = False
    """The records themselves are kept, and a process function sees them all."""

    @abstractmethod
    def add(self, entries: Kept, values: Iterable[Any], identities: Iterable[Hashable]) -> None:
        """Records of one window, parallel to their keys, in their order. `values` is never ahead of the user's code:
        so an error names the record. A loop for all, since a call for each record costs as much as the record.
        """

    def result(self, kept: Any) -> Any:  # noqa: ANN401  # any record
        """What is kept, unless the user's code makes something else of it."""
        return kept


class Reduced(Accumulation):
    """The first record, and what the user's function made of it and each that followed."""

    kind = "reduced"

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self._reduce = function

    def add(self, entries: Kept, values: Iterable[Any], identities: Iterable[Hashable]) -> None:
        """See Accumulation."""
        reduce, find = self._reduce, entries.get
        for value, identity in zip(values, identities, strict=False):
            kept = find(identity, _NOTHING)
            entries[identity] = value if kept is _NOTHING else reduce(kept, value)


class Aggregated(Accumulation):
    """The accumulator of the user's function."""

    kind = "aggregated"

    def __init__(self, function: AggregateFunction[Any, Any, Any]) -> None:
        self._function = function

    def add(self, entries: Kept, values: Iterable[Any], identities: Iterable[Hashable]) -> None:
        """See Accumulation."""
        create, add, find = self._function.create_accumulator, self._function.add, entries.get
        for value, identity in zip(values, identities, strict=False):
            kept = find(identity, _NOTHING)
            entries[identity] = add(value, create() if kept is _NOTHING else kept)

    def result(self, kept: Any) -> Any:  # noqa: ANN401  # as above
        """See Accumulation."""
        return self._function.get_result(kept)


class Listed(Accumulation):
    """All records."""

    kind = "listed"
    whole = True

    def add(self, entries: Kept, values: Iterable[Any], identities: Iterable[Hashable]) -> None:
        """See Accumulation."""
        find = entries.get
        for value, identity in zip(values, identities, strict=False):
            kept = find(identity)
            if kept is None:
                entries[identity] = [value]
            else:
                kept.append(value)


KINDS: Final = tuple(one.kind for one in (Reduced, Aggregated, Listed))


def accumulation_of(specification: WindowSpecification) -> Accumulation:
    """By reduce, by aggregate, or all records."""
    if specification.reduce is not None:
        return Reduced(resolve_reduce(specification.reduce))
    if specification.aggregate is not None:
        return Aggregated(resolve_aggregate(specification.aggregate))
    return Listed()


class WindowResults:
    """What a window gives for a key: the result itself, or what a process function makes of it."""

    def __init__(
        self,
        specification: WindowSpecification,
        accumulation: Accumulation,
        around: "WindowSurroundings",
        *,
        reuse: bool = False,
    ) -> None:
        """`reuse`: the collector copies nothing."""
        process = specification.process
        self._accumulation = accumulation
        self._function = None if process is None else resolve_process_window(process)
        # What is kept is shared with nobody: neither with a process function nor, where that copies nothing, with
        # those behind the collector.
        self._copies = specification.allowed_lateness > 0 and (process is not None or reuse)
        self._name = around.name
        self._around = around

    @property
    def clears(self) -> bool:
        """Whether the user's function wants to hear of windows that are forgotten."""
        function = self._function
        return function is not None and type(function).clear is not ProcessWindowFunction.clear

    def fire_all(self, window: TimeWindow, kept: list[Any], collector: Collector) -> bool:
        """What a window gives for several keys, where that is what is kept of them; False where it isn't."""
        if self._function is not None or not isinstance(self._accumulation, Reduced):
            return False
        return collector.add_immutable(kept, window.max_timestamp())

    def fire(self, window: TimeWindow, key: object, identity: Hashable, kept: object, collector: Collector) -> None:
        """What a window gives for a key. Results carry the window's last millisecond."""
        self._around.at(window, key, identity)
        time = window.max_timestamp()
        try:
            result = self._accumulation.result(kept)
            if self._copies:
                result = copy_of(result)
            if self._function is None:
                collector.add(result, time)
                return
            elements: Iterable[Any] = result if self._accumulation.whole else (result,)
            for item in self._function.process(key, self._around, elements) or ():
                collector.add(item, time)
        except BaseException as error:  # the user's code may raise what it likes
            raise UserCodeError(error, self._name, _Fired(key, window)) from error

    def clear(self, window: TimeWindow, key: object, identity: Hashable) -> None:
        """The window is forgotten."""
        self._around.at(window, key, identity)
        if self._function is not None:
            try:
                self._function.clear(self._around)
            except BaseException as error:  # the user's code may raise what it likes
                raise UserCodeError(error, self._name, _Fired(key, window)) from error


class WindowSurroundings(ProcessWindowFunction.Context[TimeWindow]):
    """What is around a window."""

    def __init__(
        self, current: CurrentKey, tables: KeyedTables, context: OperatorContext, backend: KeyedBackend
    ) -> None:
        """`tables` are those of the key, whatever the window."""
        self.name = context.name
        self.watermark = MIN_TIME
        self._context = context
        self._current = current
        self._tables = tables
        self._current_in_window = CurrentKey()
        self._tables_in_window = KeyedTables(self._current_in_window, backend, of_windows=True)
        self._window: TimeWindow | None = None

    def at(self, window: TimeWindow, key: object, identity: Hashable) -> None:
        """The turn of a key and a window."""
        self._window = window
        self._current.set(key, identity)
        self._current_in_window.set(key, identity)
        self._current_in_window.within(window)

    def window(self) -> TimeWindow:
        """See the base."""
        if self._window is None:
            raise RuntimeError("no window is at hand")
        return self._window

    def current_processing_time(self) -> int:
        """See the base."""
        return self._context.now()

    def current_watermark(self) -> int:
        """See the base."""
        return self.watermark

    def window_state(self) -> KeyedStateStore:
        """See the base."""
        return self._tables_in_window

    def global_state(self) -> KeyedStateStore:
        """See the base."""
        return self._tables


class _Fired:
    """A key's window in the place of a record."""

    def __init__(self, key: object, window: TimeWindow) -> None:
        self._key = key
        self._window = window

    def __repr__(self) -> str:
        return f"<{self._window} of key {self._key!r}>"
