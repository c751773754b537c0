"""Which of a window's results for a key comes next."""

from collections.abc import Hashable

from millstream_dataflow.windows import Firing, Window
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.tables import WINDOWS, FlatTable


class LateFirings:
    """Of aligned windows, that fire once for all keys: only keys for which one has fired again are kept."""

    def __init__(self, backend: KeyedBackend) -> None:
        where = Where(backend.space.operator, "late-firings", "how often windows have fired")
        self._counts = backend.add(FlatTable[int](where, namespaces=WINDOWS, paired=True)).entries

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self._counts)

    def next(self, identity: Hashable, window: Window, *, fired: bool) -> int:
        """The number of the next one. `fired`: the window held something of the key when it ended, or has since."""
        address = identity, window
        number = self._counts[address] = self._counts.get(address, int(fired)) + 1
        return number

    def forget(self, identity: Hashable, window: Window) -> None:
        """The window is forgotten."""
        self._counts.pop((identity, window), None)


def firing_at(window: Window, time: int, due: int | None) -> Firing:
    """What a firing is. `time` is how far the watermark, or the clock, has come for the key; `due` is the time of the
    timer that has fired the window, if it was one of the time by which the window ends.
    """
    last = window.max_timestamp()
    if due == last:
        return Firing.ON_TIME
    return Firing.EARLY if (time if due is None else due) < last else Firing.LATE
