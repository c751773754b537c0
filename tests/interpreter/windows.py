"""Windows (Flink, "Windows"): a list of records for each key and window, whatever becomes of them.

A record goes into each of its windows, of which those of a session become one. The trigger is asked at each record and
at the times that it has asked for; a window is forgotten when the watermark has passed its last millisecond and the
allowed lateness. A record all of whose windows are forgotten is late. Windows that the clock or
no time completes are never late.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from millstream_dataflow.functions import (
    ProcessWindowFunction,
    resolve_aggregate,
    resolve_key_selector,
    resolve_reduce,
    resolve_window_function,
)
from millstream_dataflow.metrics import MetricGroup
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.state import KeyedStateStore, ReducingStateDescriptor, StateDescriptor
from millstream_dataflow.windows import (
    CountWindow,
    Evictor,
    Firing,
    SessionWindows,
    TimestampedValue,
    TimeWindow,
    Trigger,
    TriggerResult,
    WindowResult,
)
from tests.interpreter.assigners import Assigned, assigned_by, is_by_clock
from tests.interpreter.memory import Memory
from tests.interpreter.stream import BEGINNING, END, Record, Rule, emitted

Place = tuple[Any, Any]
"""A key and a window."""


@dataclass
class _Live:
    """A window of a key that isn't forgotten."""

    records: list[Record] = field(default_factory=list[Record])
    firings: int = 0


class WindowRule(Rule):
    """See the module."""

    def __init__(self, specification: WindowSpecification) -> None:
        self.specification = specification
        assigner = specification.assigner
        self.by_watermark = assigner.is_event_time()
        self.by_clock = is_by_clock(assigner)
        self.lateness = specification.allowed_lateness if self.by_watermark else 0
        self.key = resolve_key_selector(specification.key.selector)
        self.assigned: Assigned = assigned_by(assigner)
        self.trigger: Trigger[Any, Any] = specification.trigger or assigner.get_default_trigger(None)
        self.watermark, self.now = BEGINNING, 0
        self.live: dict[Place, _Live] = {}
        self.timers: set[tuple[int, Place]] = set()
        self.clock_timers: set[tuple[int, Place]] = set()
        self.of_triggers, self.of_windows, self.of_keys = Memory(), Memory(), Memory()
        process = specification.process
        self.function = None if process is None else resolve_window_function(process)
        if self.function is not None:
            self.function.open(self.of_keys)

    @property
    def time(self) -> int:
        """How far that has come by which windows end."""
        return self.now - 1 if self.by_clock else self.watermark

    def element(self, number: int, record: Record) -> Iterator[Record]:
        key = self.key(record.value)
        windows = self.assigned(key, replace(record, time=self.now) if self.by_clock else record)
        taken = False
        for assigned in windows:
            window = self.merged(key, assigned) if isinstance(self.specification.assigner, SessionWindows) else assigned
            if self.is_over(window) and (key, window) not in self.live:
                continue
            taken = True
            self.live.setdefault((key, window), _Live()).records.append(record)
            around = _AroundTrigger(self, (key, window))
            yield from self.obey(self.trigger.on_element(record.value, record.time, window, around), (key, window))
        belongs_nowhere = not windows and record.time + self.lateness > self.watermark
        if not taken and not belongs_nowhere and self.specification.late is not None:
            yield Record(record.value, record.time, self.specification.late.tag_id)

    def is_over(self, window: Any) -> bool:  # noqa: ANN401  # any window
        """Whether nobody waits for its records any more. Of windows by the clock nothing comes too late."""
        return self.by_watermark and window.max_timestamp() + self.lateness <= self.watermark

    def merged(self, key: Any, window: TimeWindow) -> TimeWindow:  # noqa: ANN401  # any key
        """The session that a new one becomes a part of: with all of the key that it meets, the earliest first."""
        met = sorted(other for of, other in self.live if of == key and meet(other, window))
        if not met:
            return window
        whole = TimeWindow(min(window.start, met[0].start), max(window.end, *(other.end for other in met)))
        if met == [whole]:
            return whole
        lives = [self.live.pop((key, other)) for other in met]
        records = [record for live in lives for record in live.records]
        self.live[key, whole] = _Live(records, sum(live.firings for live in lives))
        parts = [other for other in met if other != whole]
        self.trigger.on_merge(whole, _AroundTrigger(self, (key, whole), [(key, other) for other in parts]))
        for other in parts:
            self.trigger.clear(other, _AroundTrigger(self, (key, other)))
        return whole

    def advance(self, time: int) -> Iterator[Record]:
        self.watermark = time
        return self.reach(time, self.timers, ends=self.by_watermark, tell=self.trigger.on_event_time)

    def clock(self, now: int) -> Iterator[Record]:
        """A millisecond is over when the next one has come."""
        self.now = now
        return self.reach(now - 1, self.clock_timers, ends=self.by_clock, tell=self.trigger.on_processing_time)

    def reach(
        self, time: int, timers: set[tuple[int, Place]], *, ends: bool, tell: Callable[..., TriggerResult]
    ) -> Iterator[Record]:
        """Timers, and ends if they are of this time, in their order; a window ends behind the timers of its end."""
        while True:
            due = [(when, 0, place) for when, place in timers]
            due += [(place[1].max_timestamp() + self.lateness, 1, place) for place in self.live if ends]
            due = sorted((one for one in due if one[0] <= time), key=lambda one: one[:2])
            if not due:
                return
            when, is_end, place = due[0]
            if is_end:
                self.forget(place)
                continue
            timers.remove((when, place))
            if place in self.live or is_endless(place[1]):
                result = tell(when, place[1], _AroundTrigger(self, place))
                yield from self.obey(result, place, when if ends or place[1].max_timestamp() == END else None)

    def obey(self, result: TriggerResult, place: Place, due: int | None = None) -> Iterator[Record]:
        """What comes of what the trigger has said. `due`: the time of the timer for which it was asked, if that is one
        of the time by which the window ends.
        """
        live, window = self.live.get(place, _Live()), place[1]
        if result.is_fire() and live.records:
            live.firings += 1
            last = window.max_timestamp()
            if due == last or (isinstance(window, CountWindow) and result.is_purge()):
                firing = Firing.ON_TIME
            else:
                firing = Firing.EARLY if (self.time if due is None else due) < last else Firing.LATE
            yield from self.fire(place, firing)
        if result.is_purge():
            live.records = []
            if isinstance(window, CountWindow):  # it is full, and none comes back
                self.forget(place)
        if not live.records and is_endless(window):  # it begins anew, but for what its trigger keeps
            self.live.pop(place, None)

    def fire(self, place: Place, firing: Firing) -> Iterator[Record]:
        """What the window gives; its time is the last that belongs to the window."""
        asked, live, (key, window) = self.specification, self.live[place], place
        around = _AroundWindow(self, place, firing, live.firings)
        kept = [TimestampedValue(record.value, record.time) for record in live.records]
        if asked.evictor is not None:
            asked.evictor.evict_before(kept, len(kept), window, around)
        results: list[Any] = [one.value for one in kept]
        if results and asked.reduce is not None:
            results = [reduce(resolve_reduce(asked.reduce), results)]
        elif results and asked.aggregate is not None:
            function = resolve_aggregate(asked.aggregate)
            accumulator = function.create_accumulator()
            for value in results:
                accumulator = function.add(value, accumulator)
            results = [function.get_result(accumulator)]
        if asked.with_firings:
            results = [WindowResult(key, window, result, firing, live.firings) for result in results]
        given: Any = results
        if self.function is not None and (results or (asked.reduce is None and asked.aggregate is None)):
            given = self.function.process(key, around, results)
        yield from emitted(given, window.max_timestamp())
        if asked.evictor is not None:
            asked.evictor.evict_after(kept, len(kept), window, around)
            live.records = [Record(one.value, one.timestamp or 0) for one in kept]

    def forget(self, place: Place) -> None:
        """All that belongs to the window."""
        self.trigger.clear(place[1], _AroundTrigger(self, place))
        if self.function is not None:
            self.function.clear(_AroundWindow(self, place, Firing.LATE, 0))
        del self.live[place]


def is_endless(window: Any) -> bool:  # noqa: ANN401  # any window
    """Whether neither a time nor a number of records completes it."""
    return window.max_timestamp() == END and not isinstance(window, CountWindow)


def meet(one: TimeWindow, other: TimeWindow) -> bool:
    """Whether there is no gap between two sessions."""
    return one.start <= other.end and other.start <= one.end


class _AroundTrigger(Trigger.OnMergeContext):
    def __init__(self, rule: WindowRule, place: Place, parts: Iterable[Place] = ()) -> None:
        self.rule, self.place, self.parts = rule, place, parts

    def get_current_watermark(self) -> int:
        return self.rule.watermark

    def is_event_time(self) -> bool:
        return self.rule.by_watermark

    def register_event_time_timer(self, time: int) -> None:
        self.rule.timers.add((time, self.place))

    def delete_event_time_timer(self, time: int) -> None:
        self.rule.timers.discard((time, self.place))

    def get_metric_group(self) -> MetricGroup:
        raise NotImplementedError("the interpreter measures nothing")

    def get_partitioned_state(self, state_descriptor: StateDescriptor[Any]) -> Any:  # noqa: ANN401  # of its own kind
        self.rule.of_triggers.key = self.place
        return self.rule.of_triggers.state(state_descriptor)

    def merge_partitioned_state(self, state_descriptor: StateDescriptor[Any]) -> None:
        assert isinstance(state_descriptor, ReducingStateDescriptor), "no pipeline has another trigger that merges"
        memory = self.rule.of_triggers
        state = memory.state(state_descriptor)
        for part in self.parts:
            memory.key = part
            value = state.get()
            state.clear()
            memory.key = self.place
            if value is not None:
                state.add(value)
        memory.key = self.place

    def get_current_processing_time(self) -> int:
        return self.rule.now

    def register_processing_time_timer(self, time: int) -> None:
        self.rule.clock_timers.add((time, self.place))

    def delete_processing_time_timer(self, time: int) -> None:
        self.rule.clock_timers.discard((time, self.place))


@dataclass
class _AroundWindow(ProcessWindowFunction.Context[Any], Evictor.EvictorContext):
    rule: WindowRule
    place: Place
    which: Firing
    number: int

    def window(self) -> Any:  # noqa: ANN401  # any window
        return self.place[1]

    def firing(self) -> Firing:
        return self.which

    def firing_number(self) -> int:
        return self.number

    def current_watermark(self) -> int:
        return self.rule.watermark

    def get_current_watermark(self) -> int:
        return self.rule.watermark

    def window_state(self) -> KeyedStateStore:
        self.rule.of_windows.key = self.place
        return self.rule.of_windows

    def global_state(self) -> KeyedStateStore:
        self.rule.of_keys.key = self.place[0]
        return self.rule.of_keys

    def current_processing_time(self) -> int:
        return self.rule.now

    def get_current_processing_time(self) -> int:
        return self.rule.now
