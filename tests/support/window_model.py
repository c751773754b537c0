"""What windows of one key give, as Flink's documentation says it: slow and plain, to hold operators against. Of event
time; triggers and assigners are the real ones.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from millstream_dataflow.functions import RuntimeContext
from millstream_dataflow.metrics import MetricGroup
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.state import ReducingStateDescriptor, StateDescriptor
from millstream_dataflow.windows import MergingWindowAssigner, TimeWindow, Trigger, TriggerResult, WindowAssigner

Result = tuple[TimeWindow, list[Any], int]
"""A window, the numbers that it holds in order, and which of its results it is."""


class WindowsOfKey(WindowAssigner.WindowAssignerContext):
    """One key. `results` and `late` are what has come of it since somebody has emptied them."""

    def __init__(
        self, key: str, assigner: WindowAssigner[Any, TimeWindow], trigger: Trigger[Any, Any] | None, lateness: int
    ) -> None:
        self.key = key
        self.watermark = MIN_TIME
        self.results: list[Result] = []
        self.late: list[tuple[int, int]] = []
        self.timers = set[tuple[int, TimeWindow]]()
        self.state: dict[tuple[TimeWindow, str], Any] = {}
        self._assigner = assigner
        self._trigger: Trigger[Any, Any] = trigger or assigner.get_default_trigger(None)
        self._lateness = lateness
        self._held: dict[TimeWindow, list[int]] = {}
        self._firings: dict[TimeWindow, int] = {}

    def add(self, number: int, time: int) -> None:
        """A record."""
        skipped = True
        for assigned in self._assigner.assign_windows((self.key, number), time, self):
            window = self._merged(assigned)
            if window not in self._firings and self._end(window) <= self.watermark:
                continue
            skipped = False
            self._firings.setdefault(window, 0)
            self._held.setdefault(window, []).append(number)
            self._obey(self._trigger.on_element((self.key, number), time, window, _Around(self, window)), window)
        if skipped and time + self._lateness <= self.watermark:
            self.late.append((number, time))

    def advance(self, watermark: int) -> None:
        """Event time has come so far. What isn't beyond where it was already reaches no operator, in Flink as here."""
        if watermark <= self.watermark:
            return
        self.watermark = watermark
        while True:
            due = [(time, 0, window) for time, window in self.timers if time <= watermark]
            due += [(self._end(window), 1, window) for window in self._firings if self._end(window) <= watermark]
            if not due:
                return
            time, is_end, window = min(due)
            if is_end:
                self._held.pop(window, None)
                del self._firings[window]
                self._trigger.clear(window, _Around(self, window))
            else:
                self.timers.remove((time, window))
                if window in self._firings:
                    self._obey(self._trigger.on_event_time(time, window, _Around(self, window)), window)

    def _end(self, window: TimeWindow) -> int:
        return window.max_timestamp() + self._lateness

    def _merged(self, window: TimeWindow) -> TimeWindow:
        """What a window becomes, with the others of the key that it meets."""
        if not isinstance(self._assigner, MergingWindowAssigner):
            return window
        parts = sorted(one for one in self._firings if one.intersects(window))
        for part in parts:
            window = window.cover(part)
        if parts not in ([], [window]):
            self._firings[window] = sum([self._firings.pop(part) for part in parts])
            held = [number for part in parts for number in self._held.pop(part, [])]
            if held:
                self._held[window] = held
            others = [part for part in parts if part != window]
            self._trigger.on_merge(window, _Around(self, window, others))
            for part in others:
                self._trigger.clear(part, _Around(self, part))
        return window

    def _obey(self, result: TriggerResult, window: TimeWindow) -> None:
        if result.is_fire() and (held := self._held.get(window)):
            self._firings[window] += 1
            self.results.append((window, sorted(held), self._firings[window]))
        if result.is_purge():
            self._held.pop(window, None)

    def get_current_processing_time(self) -> int:
        return 0

    def get_runtime_context(self) -> RuntimeContext:
        raise NotImplementedError("no window of the model has a function of the user's")


class _Reducing:
    """State of a window."""

    def __init__(self, entries: dict[tuple[TimeWindow, str], Any], window: TimeWindow, descriptor: Any) -> None:  # noqa: ANN401  # of any type
        self._entries = entries
        self._address = window, descriptor.name
        self._reduce = descriptor.reduce_function

    def get(self) -> Any:  # noqa: ANN401  # as above
        return self._entries.get(self._address)

    def add(self, value: object) -> None:
        known = self._entries.get(self._address)
        self._entries[self._address] = value if known is None else self._reduce(known, value)

    def clear(self) -> None:
        self._entries.pop(self._address, None)


class _Around(Trigger.OnMergeContext):
    """What a trigger may ask for."""

    def __init__(self, key: WindowsOfKey, window: TimeWindow, merged: Sequence[TimeWindow] = ()) -> None:
        self._key = key
        self._window = window
        self._merged = merged

    def get_current_watermark(self) -> int:
        return self._key.watermark

    def is_event_time(self) -> bool:
        return True

    def register_event_time_timer(self, time: int) -> None:
        self._key.timers.add((time, self._window))

    def delete_event_time_timer(self, time: int) -> None:
        self._key.timers.discard((time, self._window))

    def get_partitioned_state(self, state_descriptor: StateDescriptor[Any]) -> _Reducing:
        assert isinstance(state_descriptor, ReducingStateDescriptor)
        return _Reducing(self._key.state, self._window, state_descriptor)

    def merge_partitioned_state(self, state_descriptor: StateDescriptor[Any]) -> None:
        whole = self.get_partitioned_state(state_descriptor)
        for window in self._merged:
            part = _Reducing(self._key.state, window, state_descriptor)
            if part.get() is not None:
                whole.add(part.get())
            part.clear()

    def get_metric_group(self) -> MetricGroup:
        raise NotImplementedError("the model measures nothing")

    def get_current_processing_time(self) -> NoReturn:
        raise NotImplementedError("the model has no clock: windows of event time alone")

    def register_processing_time_timer(self, time: int) -> NoReturn:
        raise NotImplementedError("the model has no clock: windows of event time alone")

    def delete_processing_time_timer(self, time: int) -> NoReturn:
        raise NotImplementedError("the model has no clock: windows of event time alone")


def empty(keys: Iterable[WindowsOfKey]) -> None:
    """What has come of them was looked at."""
    for key in keys:
        key.results.clear()
        key.late.clear()
