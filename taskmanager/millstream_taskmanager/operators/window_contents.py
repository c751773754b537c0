"""What windows of keys hold, where each has a life of its own: by window, or by pane.

Panes are shared by windows that slide: a record lies in one of them, and a window that fires merges copies of what its
panes hold. That needs a trigger that drops nothing of one window alone, and windows without an evictor; else each
window has the record, those before the last a copy of it: what fires at once may be changed before the next has it.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from itertools import repeat
from typing import Any

from millstream_dataflow.windows import (
    AlignedWindows,
    ContinuousEventTimeTrigger,
    ContinuousProcessingTimeTrigger,
    CountTrigger,
    DeltaTrigger,
    EventTimeTrigger,
    Evictor,
    NeverTrigger,
    ProcessingTimeTrigger,
    TimeWindow,
    Trigger,
    Window,
    WindowAssigner,
)
from millstream_taskmanager.operators.window_accumulation import NOTHING, Accumulation, table_of_windows
from millstream_taskmanager.operators.window_places import refuse_other_panes
from millstream_taskmanager.operators.window_results import WindowResults
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.tables import WINDOWS, FlatTable

_DROP_NOTHING = (
    ContinuousEventTimeTrigger,
    ContinuousProcessingTimeTrigger,
    CountTrigger,
    DeltaTrigger,
    EventTimeTrigger,
    NeverTrigger,
    ProcessingTimeTrigger,
)


class Contents(ABC):
    """See the module. Whoever changes what is kept touches it first (law 4.5)."""

    def __init__(self, backend: KeyedBackend, layout: str, accumulation: Accumulation) -> None:
        where = table_of_windows(backend.space.operator, layout, accumulation.kind, backend)
        self._table = backend.add(FlatTable[Any](where, namespaces=WINDOWS, paired=True))
        self._accumulation = accumulation

    @abstractmethod
    def add(self, identity: Hashable, window: Window, record: Any, time: int) -> None:  # noqa: ANN401  # any record
        """A record of a window, nobody else's. `time` is the one by which windows were assigned."""

    @abstractmethod
    def get(self, identity: Hashable, window: Window) -> Any:  # noqa: ANN401  # what is kept
        """What a window holds; NOTHING where that is nothing."""

    @abstractmethod
    def forget(self, identity: Hashable, window: Window) -> None:
        """The window is forgotten."""

    @abstractmethod
    def forget_all(self) -> None:
        """The table was emptied."""

    shared: bool
    """Whether a record lies in one place for all its windows: it is added once, and what `get` gives is a copy."""

    def _add_to(self, address: Hashable, record: Any) -> None:  # noqa: ANN401  # any record
        if self._table.shadows:
            self._table.touch(address)
        self._accumulation.add(self._table.entries, (record,), (address,))


class WholeWindows(Contents):
    """By key and window."""

    shared = False

    def add(self, identity: Hashable, window: Window, record: Any, time: int) -> None:  # noqa: ANN401  # any record
        """See Contents."""
        self._add_to((identity, window), record)

    def get(self, identity: Hashable, window: Window) -> Any:  # noqa: ANN401  # what is kept
        """See Contents."""
        address = identity, window
        if self._table.shadows:
            self._table.touch(address)
        return self._table.entries.get(address, NOTHING)

    def add_all(self, identity: Hashable, window: Window, records: Iterator[Any], count: int) -> None:
        """So many records of one window."""
        address = identity, window
        if self._table.shadows:
            self._table.touch(address)
        self._accumulation.add(self._table.entries, records, repeat(address, count))

    def put(self, identity: Hashable, window: Window, kept: list[Any]) -> None:
        """What an evictor has left."""
        if kept:
            self._table.entries[identity, window] = kept
        else:
            self.forget(identity, window)

    def forget(self, identity: Hashable, window: Window) -> None:
        """See Contents; also of a window that is purged."""
        self._table.entries.pop((identity, window), None)

    def forget_all(self) -> None:
        """See Contents."""

    def merge(self, identity: Hashable, windows: Sequence[Window], result: Window) -> None:
        """Windows become one; what they held is merged in their order."""
        whole: Any = NOTHING
        for window in windows:
            kept = self.get(identity, window)
            self.forget(identity, window)
            if kept is not NOTHING:
                whole = kept if whole is NOTHING else self._accumulation.merge(whole, kept)
        if whole is not NOTHING:
            self._table.entries[identity, result] = whole


class SharedPanes(Contents):
    """By key and pane. Which panes a key has is known: of a window's there may be far more."""

    shared = True

    def __init__(
        self, backend: KeyedBackend, accumulation: Accumulation, assigner: AlignedWindows, results: WindowResults
    ) -> None:
        super().__init__(backend, "panes-of-keys", accumulation)
        self._assigner = assigner
        self._results = results
        self._of_keys: dict[Hashable, list[TimeWindow]] = {}
        for identity, pane in self._table.entries:
            self._of_keys.setdefault(identity, []).append(pane)
        refuse_other_panes(backend.space.operator, assigner, {pane for _, pane in self._table.entries})

    def add(self, identity: Hashable, window: Window, record: Any, time: int) -> None:  # noqa: ANN401  # any record
        """See Contents."""
        pane = self._assigner.pane_at(time)
        address = identity, pane
        if address not in self._table.entries:
            self._of_keys.setdefault(identity, []).append(pane)
        self._add_to(address, record)

    def get(self, identity: Hashable, window: Window) -> Any:  # noqa: ANN401  # what is kept
        """See Contents."""
        entries, own = self._table.entries, self._of_keys.get(identity, ())
        panes = self._assigner.panes_of(window, own) if isinstance(window, TimeWindow) else ()
        parts = [entries[identity, pane] for pane in panes if (identity, pane) in entries]
        return self._results.merged(parts) if parts else NOTHING

    def forget(self, identity: Hashable, window: Window) -> None:
        """See Contents."""
        own = self._of_keys.get(identity)
        if own is None or not isinstance(window, TimeWindow):
            return
        for pane in self._assigner.panes_left_by(window, own):
            if self._table.entries.pop((identity, pane), NOTHING) is not NOTHING:
                own.remove(pane)
        if not own:
            del self._of_keys[identity]

    def forget_all(self) -> None:
        """See Contents."""
        self._of_keys.clear()


def shares_panes(
    assigner: WindowAssigner[Any, Any], trigger: Trigger[Any, Any], evictor: Evictor[Any, Any] | None
) -> bool:
    """Whether records may lie in panes, which windows share."""
    if not isinstance(assigner, AlignedWindows) or assigner.is_overridden:
        return False
    return assigner.distance != assigner.size and evictor is None and type(trigger) in _DROP_NOTHING
