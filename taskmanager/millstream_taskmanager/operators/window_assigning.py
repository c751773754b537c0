"""Which windows a record belongs to, and which of a key's windows become one by it."""

from collections.abc import Collection, Hashable
from typing import Any

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.functions import RuntimeContext
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.windows import MergingWindowAssigner, SessionWindows, TimeWindow, Window, WindowAssigner
from millstream_taskmanager.operators.base import OperatorContext
from millstream_taskmanager.operators.window_live import LiveWindows

Merge = tuple[Window, list[Window]]
"""A window, and those of a key that become it."""


class Assigning(WindowAssigner.WindowAssignerContext):
    """Asks the assigner, and is its surroundings."""

    def __init__(self, assigner: WindowAssigner[Any, Any], context: OperatorContext, runtime: RuntimeContext) -> None:
        """`runtime` is that of the current key."""
        self._assigner = assigner
        self._ours = type(assigner).__module__.partition(".")[0] == "millstream_dataflow"
        self.merging = assigner if isinstance(assigner, MergingWindowAssigner) else None
        """If windows merge."""
        self.sessions = assigner if isinstance(assigner, SessionWindows) and not assigner.is_overridden else None
        """If they are sessions, which never intersect one another."""
        self._runtime = runtime
        self.moment = context.now()
        """The clock; the same for all records of a batch."""

    def get_current_processing_time(self) -> int:
        """See WindowAssignerContext."""
        return self.moment

    def get_runtime_context(self) -> RuntimeContext:
        """See WindowAssignerContext."""
        return self._runtime

    def windows_of(self, value: object, time: int) -> Collection[Window]:
        """The windows of a record of the current key. InvalidTypesError when a user's assigner gives something else."""
        windows: Collection[Window] = self._assigner.assign_windows(value, time, self)
        if not self._ours:
            windows = _checked(windows, self._assigner)
        return windows

    def merged(self, window: Window, identity: Hashable, live: LiveWindows) -> tuple[Window, list[Merge]]:
        """What a window becomes beside those that a key has, and which of those become one. It may be one of them.

        Of sessions, those that it meets are looked at. Most records lie within one, or are its first.
        """
        known = live.of(identity)
        if self.sessions is not None and isinstance(window, TimeWindow):
            known = spans = live.meeting(identity, window.start, window.end)
            if len(spans) == 1 and spans[0].start <= window.start and window.end <= spans[0].end:
                return spans[0], []
        if not known or self.merging is None:
            return window, []
        told = _Told()
        self.merging.merge_windows([*known, window], told)
        result, merges = window, list[Merge]()
        for whole, parts in told.merges:
            if window in parts:
                result = whole
            own = [part for part in parts if part in known]
            if own and own != [whole]:
                merges.append((whole, own))
        return result, merges


class _Told(MergingWindowAssigner.MergeCallback[Any]):
    """What an assigner says."""

    def __init__(self) -> None:
        self.merges: list[Merge] = []

    def merge(self, to_be_merged: Collection[Any], merge_result: Any) -> None:  # noqa: ANN401  # windows of any kind
        parts = list(to_be_merged)
        if all(isinstance(part, TimeWindow) for part in parts):
            parts.sort()  # a set has no order
        self.merges.append((merge_result, parts))


def _checked(windows: object, assigner: object) -> Collection[Window]:
    given = tuple(windows) if isinstance(windows, list | tuple | set | frozenset) else windows
    if isinstance(given, tuple) and all(isinstance(window, Window) for window in given):
        return given
    what = f"{type(assigner).__name__}.assign_windows must return a list of windows, but gave {short_repr(windows)}"
    raise InvalidTypesError(what)
