"""Calls on two streams."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from millstream.datastream.data_stream import DataStream
from millstream_dataflow.functions import KeyedBroadcastProcessFunction, KeyedCoProcessFunction, RuntimeContext
from millstream_dataflow.state import MapStateDescriptor
from millstream_dataflow.windows import SlidingEventTimeWindows, TumblingEventTimeWindows
from tests.interpreter.keyed_stages import Collecting
from tests.interpreter.stages import Pair, key_of, keyed, repeated


class CollectingBoth(KeyedCoProcessFunction[str, Pair, Pair, Pair]):
    """The same, from two streams."""

    def __init__(self, wait: int) -> None:
        self.inner = Collecting(wait)

    def open(self, runtime_context: RuntimeContext) -> None:
        self.inner.open(runtime_context)

    def process_element1(self, value: Pair, ctx: KeyedCoProcessFunction.Context) -> Iterator[Any]:
        return self.inner.process_element(value, ctx)

    def process_element2(self, value: Pair, ctx: KeyedCoProcessFunction.Context) -> Iterator[Any]:
        return self.inner.process_element((value[0], value[1] * 3), ctx)

    def on_timer(self, timestamp: int, ctx: KeyedCoProcessFunction.OnTimerContext) -> Iterator[Pair]:
        return self.inner.on_timer(timestamp, ctx)


RULES = MapStateDescriptor[tuple[int, int], int]("rules")


class Ruled(KeyedBroadcastProcessFunction[str, Pair, Pair, Pair]):
    """Records wait; then each gives its number with the sum of all rules up to that time. What has come of later ones
    isn't known, so they are left out.
    """

    def __init__(self, wait: int) -> None:
        self.wait = wait

    def open(self, runtime_context: RuntimeContext) -> None:
        self.waiting: Any = runtime_context.get_map_state(MapStateDescriptor("waiting"))

    def process_element(self, value: Pair, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> None:
        time = (ctx.timestamp() or 0) + self.wait
        self.waiting.put(time, [*(self.waiting.get(time) or ()), value[1]])
        ctx.timer_service().register_event_time_timer(time)

    def process_broadcast_element(self, value: Pair, ctx: KeyedBroadcastProcessFunction.Context) -> None:
        rules = ctx.get_broadcast_state(RULES)
        rule = (ctx.timestamp() or 0, value[1])
        rules.put(rule, (rules.get(rule) or 0) + 1)

    def on_timer(self, timestamp: int, ctx: KeyedBroadcastProcessFunction.OnTimerContext) -> Iterator[Pair]:
        rules = ctx.get_broadcast_state(RULES).items()
        until = sum(number * count for (time, number), count in rules if time <= timestamp)
        numbers = self.waiting.get(timestamp)
        self.waiting.remove(timestamp)
        yield ctx.get_current_key(), 1000 * sum(numbers) + until


@dataclass(frozen=True)
class Meeting:
    """One call on two streams."""

    how: str
    reach: int
    slide: int = 0
    """Of windows; 0: they tumble."""

    def on(self, left: DataStream[Pair], right: DataStream[Pair]) -> DataStream[Pair]:
        halves: Any = (halved, negated)
        met: DataStream[Pair]
        match self.how:
            case "union":
                met = left.union(right)
            case "connect":
                met = keyed(left).connect(keyed(right)).process(CollectingBoth(self.reach))
            case "broadcast":
                met = keyed(left).connect(right.broadcast(RULES)).process(Ruled(self.reach))
            case "interval_join":
                met = keyed(left).interval_join(keyed(right)).between(-self.reach, self.reach // 2).process(both)
            case "co_map":
                met = left.connect(right).map(halves)
            case "co_flat_map":
                met = left.connect(right).flat_map((repeated, lambda pair: [negated(pair)]))
            case "co_process":
                met = left.connect(right).process((lambda pair, _: [pair], timed))
            case "keyed_co_map":
                met = keyed(left).connect(keyed(right)).map(halves)
            case "join":
                met = left.join(right).where(key_of).equal_to(key_of).window(self.windows).apply(pair_of)
            case _:
                met = left.co_group(right).where(key_of).equal_to(key_of).window(self.windows).apply(groups_of)
        return met

    @property
    def windows(self) -> TumblingEventTimeWindows | SlidingEventTimeWindows:
        size = self.reach + 1
        return SlidingEventTimeWindows.of(size, self.slide) if self.slide else TumblingEventTimeWindows.of(size)


HOWS = [
    *("union", "connect", "broadcast", "interval_join", "join", "co_group"),
    *("co_map", "co_flat_map", "co_process", "keyed_co_map"),
]


def halved(pair: Pair) -> Pair | None:
    """Even numbers alone."""
    return None if pair[1] % 2 else (pair[0], pair[1] // 2)


def negated(pair: Pair) -> Pair:
    return pair[0], -pair[1]


def timed(pair: Pair, around: Any) -> Iterator[Pair]:  # noqa: ANN401  # as plain users write it
    yield pair[0], around.timestamp()


def both(left: Pair, right: Pair, ctx: object) -> Iterator[Pair]:
    yield pair_of(left, right)


def pair_of(left: Pair, right: Pair) -> Pair:
    return left[0], left[1] * 10 + right[1]


def groups_of(left: Iterable[Pair], right: Iterable[Pair]) -> list[Pair]:
    sides = list(left), list(right)
    key = (sides[0] or sides[1])[0][0]
    return [(key, 100 * len(sides[0]) + len(sides[1]))]
