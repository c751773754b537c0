"""What is around a window that fires, as the user's function sees it."""

from collections.abc import Hashable

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.functions import KeyedStateStore, ProcessAllWindowFunction, ProcessWindowFunction
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.windows import Evictor, Firing, Window
from millstream_taskmanager.operators.base import OperatorContext
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.store import KeyedTables


class WindowSurroundings(
    ProcessWindowFunction.Context[Window], ProcessAllWindowFunction.Context[Window], Evictor.EvictorContext
):
    """Set before each call of the user's code."""

    def __init__(
        self,
        current: CurrentKey,
        tables: KeyedTables,
        context: OperatorContext,
        backend: KeyedBackend,
        *,
        merging: bool = False,
    ) -> None:
        """`tables` are those of the key, whatever the window. `merging`: windows become one, and have no state."""
        self.name = context.name
        self.key: object = None
        self.watermark = MIN_TIME
        self._context = context
        self._current = current
        self._tables = tables
        self._merging = merging
        self._current_in_window = CurrentKey()
        self._tables_in_window = KeyedTables(self._current_in_window, backend, of_windows=True)
        self._window: Window | None = None
        self._firing = Firing.ON_TIME
        self._number = 1

    def at(
        self, window: Window, key: object, identity: Hashable, firing: Firing = Firing.ON_TIME, number: int = 1
    ) -> None:
        """The turn of a key and a window."""
        self._window = window
        self.key = key
        self._firing = firing
        self._number = number
        self._current.set(key, identity)
        self._current_in_window.set(key, identity)
        self._current_in_window.within(window)

    def window(self) -> Window:
        """See the base."""
        if self._window is None:
            raise RuntimeError("no window is at hand")
        return self._window

    def firing(self) -> Firing:
        """See the base."""
        return self._firing

    def firing_number(self) -> int:
        """See the base."""
        return self._number

    def current_processing_time(self) -> int:
        """See the base."""
        return self._context.now()

    def current_watermark(self) -> int:
        """See the base."""
        return self.watermark

    get_current_processing_time = current_processing_time
    get_current_watermark = current_watermark

    def window_state(self) -> KeyedStateStore:
        """See the base."""
        if self._merging:
            mend = "keep what belongs to the key in global_state(), or count in the accumulator of aggregate()"
            raise InvalidProgramError(f"windows that merge, such as sessions, have no window_state(); {mend}")
        return self._tables_in_window

    def global_state(self) -> KeyedStateStore:
        """See the base."""
        return self._tables


class Fired:
    """A key's window in the place of a record."""

    def __init__(self, key: object, window: Window) -> None:
        self._key = key
        self._window = window
        self.key = key

    def __repr__(self) -> str:
        return f"<{self._window} of key {self._key!r}>"
