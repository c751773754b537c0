"""All kinds of state that are kept: those of `kept_state`, and windows of every road, broadcast state, the buffers of
joins, and records that wait for an answer.
"""

import asyncio
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from millstream_dataflow.functions import (
    AsyncFunction,
    BroadcastProcessFunction,
    ProcessJoinFunction,
    ProcessWindowFunction,
)
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification
from millstream_dataflow.operators.two_inputs import BroadcastProcessSpecification, IntervalJoinSpecification
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.state import MapStateDescriptor, ValueStateDescriptor
from millstream_dataflow.windows import (
    CountSlidingWindowAssigner,
    CountTumblingWindowAssigner,
    EventTimeSessionWindows,
    GlobalWindow,
    GlobalWindows,
    SlidingEventTimeWindows,
    Trigger,
    TriggerResult,
    Window,
)
from millstream_taskmanager.operators.state import RestoredState
from tests.support.kept_state import ALL, BY_KEY, END, KEPT, NUMBERS, RECORDS, Kept, Record, summed

# ---------------------------------------------------------------------------------------------------- windows


def sliding() -> Counter[Any]:
    """Sums of twenty numbers that follow one another, at every ten, by key."""
    found = Counter[tuple[str, int]]()
    for key, number in RECORDS:
        for start in (number // 10 - 1, number // 10):
            found[key, start] += number
    return Counter((key, total) for (key, _), total in found.items())


def sessions() -> Counter[Any]:
    """Of each key all numbers are in one: they are eight apart, their times 80."""
    return Counter((key, sum(numbers)) for key, numbers in NUMBERS.items())


class Size(ProcessWindowFunction[Record, Any, str, Window]):
    """How many records a window has: which they are depends on the order in which they come."""

    def process(
        self, key: str, context: ProcessWindowFunction.Context[Window], elements: Iterable[Record]
    ) -> Iterable[Any]:
        yield key, sum(1 for _ in elements)


class Numbers(ProcessWindowFunction[Record, Any, str, GlobalWindow]):
    """Which records a window has."""

    def process(
        self, key: str, context: ProcessWindowFunction.Context[GlobalWindow], elements: Iterable[Record]
    ) -> Iterable[Any]:
        yield key, tuple(sorted(number for _, number in elements))


class WhenAllAreThere(Trigger[Record, GlobalWindow]):
    """Fires behind the last event time, if what it keeps is the sum of all numbers of a key."""

    def _total(self, ctx: Trigger.TriggerContext) -> Any:  # noqa: ANN401  # a state of numbers
        return ctx.get_partitioned_state(ValueStateDescriptor("total", int))

    def on_element(
        self, element: Record, timestamp: int, window: GlobalWindow, ctx: Trigger.TriggerContext
    ) -> TriggerResult:
        total = self._total(ctx)
        total.update((total.value() or 0) + element[1])
        ctx.register_event_time_timer(END)
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: GlobalWindow, ctx: Trigger.TriggerContext) -> TriggerResult:
        is_all = self._total(ctx).value() in map(sum, NUMBERS.values())
        return TriggerResult.FIRE_AND_PURGE if is_all else TriggerResult.PURGE

    def on_processing_time(self, time: int, window: GlobalWindow, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def clear(self, window: GlobalWindow, ctx: Trigger.TriggerContext) -> None:
        self._total(ctx).clear()


def sizes(most: int, step: int) -> Counter[Any]:
    """The full windows of so many records of a key, one at every `step`."""
    return Counter((key, most) for key, numbers in NUMBERS.items() for _ in range(most, len(numbers) + 1, step))


# ----------------------------------------------------------------------------------------------- of two inputs

RULES = MapStateDescriptor("rules", int, str)


class Ruling(BroadcastProcessFunction[Record, Record, Record]):
    """Gives what comes by the one input, and keeps what comes by the other."""

    def process_element(self, value: Record, ctx: BroadcastProcessFunction.ReadOnlyContext) -> Iterable[Record]:
        yield value

    def process_broadcast_element(self, value: Record, ctx: BroadcastProcessFunction.Context) -> None:
        ctx.get_broadcast_state(RULES).put(value[1], value[0])


def ruled(states: Sequence[RestoredState]) -> Counter[Any]:
    """What each subtask has of broadcast state, which all have whole."""
    first, *others = [Counter((key, number) for number, key in state.items("broadcast:rules")) for state in states]
    assert all(other == first for other in others)
    return first


class Pairing(ProcessJoinFunction[Record, Record, Any]):
    """Numbers of one key."""

    def process_element(self, left: Record, right: Record, ctx: ProcessJoinFunction.Context) -> Iterable[Any]:
        yield left[0], left[1], right[1]


def pairs() -> Counter[Any]:
    """All of a key of which the second is the same, or the next one."""
    return Counter(
        (key, one, other)
        for key, numbers in NUMBERS.items()
        for one in numbers
        for other in (one, one + 8)
        if other in numbers
    )


# ------------------------------------------------------------------------------------------------ under way


_HELD: list[None] = []
"""Not empty while who asks gets no answer."""


@contextmanager
def answers_held() -> Generator[None]:
    """Meanwhile what waits for an answer gets none."""
    _HELD.append(None)
    try:
        yield
    finally:
        _HELD.pop()


class Asking(AsyncFunction[Record, Record]):
    """Asks for each record."""

    async def async_invoke(self, value: Record) -> list[Record]:
        if _HELD:
            await asyncio.Event().wait()  # until it is cancelled
        return [value]


def _of_windows(results: Counter[Any], *arguments: Any, **options: Any) -> Kept:  # noqa: ANN401  # of the specification
    return Kept(lambda: WindowSpecification(BY_KEY, *arguments, **options), results)


BOTH_BY_KEY = (BY_KEY, BY_KEY)
MORE: dict[str, Kept] = {
    "sliding windows": _of_windows(sliding(), SlidingEventTimeWindows.of(200, 100), reduce=summed),
    "sessions": _of_windows(sessions(), EventTimeSessionWindows.with_gap(100), reduce=summed),
    "count windows": _of_windows(sizes(2, 2), CountTumblingWindowAssigner(2), process=Size()),
    "sliding count windows": _of_windows(sizes(3, 2), CountSlidingWindowAssigner(3, 2), process=Size()),
    "state of a trigger": _of_windows(ALL, GlobalWindows.create(), process=Numbers(), trigger=WhenAllAreThere()),
    "broadcast state": Kept(
        lambda: BroadcastProcessSpecification(Ruling(), (RULES,)),
        Counter(RECORDS),
        keyed=False,
        stored=ruled,
        second=Partitioning.BROADCAST,
    ),
    "interval join": Kept(
        lambda: IntervalJoinSpecification(Pairing(), BOTH_BY_KEY, 0, 80), pairs(), second=Partitioning.HASH
    ),
    "waiting for an answer": Kept(
        lambda: AsyncWaitSpecification(Asking(), capacity=len(RECORDS)), Counter(RECORDS), keyed=False
    ),
}

KINDS: dict[str, Kept] = {**KEPT, **MORE}
"""All of them. Who adds a kind adds it here."""
