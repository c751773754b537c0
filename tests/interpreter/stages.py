"""Calls on one stream, as values that print as what they are. Every record is a pair (key, number)."""

import asyncio
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from millstream.datastream.async_data_stream import AsyncDataStream
from millstream.datastream.data_stream import DataStream
from millstream.datastream.keyed_stream import KeyedStream
from millstream_dataflow.functions import AggregateFunction, KeyedProcessFunction, RuntimeContext
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateTtlConfig,
    ValueStateDescriptor,
)
from millstream_dataflow.tags import OutputTag

Pair = tuple[str, int]
KEYS = "abc"
SIDE = OutputTag[Pair]("side")


def key_of(pair: Pair) -> str:
    return pair[0]


def keyed(stream: DataStream[Pair]) -> KeyedStream[Pair, str]:
    return stream.key_by(key_of)


def added(one: Pair, other: Pair) -> Pair:
    return one[0], one[1] + other[1]


@dataclass(frozen=True)
class Stage:
    """One call on a stream."""

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        raise NotImplementedError


@dataclass(frozen=True)
class Add(Stage):
    number: int

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        number = self.number
        return stream.map(lambda pair: (pair[0], pair[1] + number))


@dataclass(frozen=True)
class Rekey(Stage):
    """The number says which key comes next."""

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        return stream.map(lambda pair: (KEYS[pair[1] % 3], pair[1]))


@dataclass(frozen=True)
class Keep(Stage):
    divisor: int

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        divisor = self.divisor
        return stream.filter(lambda pair: pair[1] % divisor != 0)


@dataclass(frozen=True)
class Repeat(Stage):
    """Even numbers twice, each third one not at all."""

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        return stream.flat_map(repeated)


def repeated(pair: Pair) -> list[Pair]:
    return [] if pair[1] % 3 == 2 else [pair] * (2 - pair[1] % 2)


@dataclass(frozen=True)
class Deal(Stage):
    how: str

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        if self.how == "partition_custom":
            return stream.partition_custom(lambda key, count: key % count, lambda pair: pair[1])
        dealt: DataStream[Pair] = getattr(stream, self.how)()
        return dealt


@dataclass(frozen=True)
class Running(Stage):
    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        return keyed(stream).reduce(added)


class Collecting(KeyedProcessFunction[str, Pair, Pair]):
    """Keeps records and their times, in a value that it changes in place and in a list. So much later it gives the sum
    of those that have waited for long enough, and forgets them.
    """

    def __init__(self, wait: int) -> None:
        self.wait = wait

    def open(self, runtime_context: RuntimeContext) -> None:
        self.kept: Any = runtime_context.get_state(ValueStateDescriptor("kept", list))
        self.times: Any = runtime_context.get_list_state(ListStateDescriptor("times"))

    def process_element(self, value: Pair, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        time = ctx.timestamp()
        assert time is not None
        kept = self.kept.value() or []
        kept.append((time, value[1]))
        self.kept.update(kept)
        self.times.add(time)
        ctx.timer_service().register_event_time_timer(time + self.wait)
        if value[1] % 4 == 0:
            yield SIDE, value

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Pair]:
        until = timestamp - self.wait
        kept = self.kept.value() or []
        yield ctx.get_current_key(), sum(number for time, number in kept if time <= until)
        rest = [one for one in kept if one[0] > until]
        self.kept.update(rest)
        times = list(self.times)
        self.times.update([time for time in times if time > until])
        assert sorted(self.times) == sorted(time for time, _ in rest), "both states hold the same records"


@dataclass(frozen=True)
class Collect(Stage):
    wait: int

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        return keyed(stream).process(Collecting(self.wait))


@dataclass(frozen=True)
class Await(Stage):
    """Answers take some turns of the loop, not all the same number."""

    ordered: bool
    capacity: int

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        call = AsyncDataStream.ordered_wait if self.ordered else AsyncDataStream.unordered_wait
        return call(stream, asked, 0, self.capacity)


async def asked(pair: Pair) -> list[Pair]:
    for _ in range(pair[1] % 4):
        await asyncio.sleep(0)
    return [] if pair[1] % 5 == 3 else [(pair[0], pair[1] + 1)]


class EveryKind(KeyedProcessFunction[str, Pair, Pair]):
    """What all records of the key have come to, in a map, a reduction and an aggregate; none lives so long that it ends
    before the run does.
    """

    def __init__(self, *, ttl: bool) -> None:
        self.ttl = ttl

    def open(self, runtime_context: RuntimeContext) -> None:
        of_map = MapStateDescriptor[int, int]("counts")
        of_reducing = ReducingStateDescriptor[int]("sum", operator.add)
        of_aggregating = AggregatingStateDescriptor[int, Any, int]("span", Span())
        if self.ttl:
            for descriptor in (of_map, of_reducing, of_aggregating):
                descriptor.enable_time_to_live(StateTtlConfig(3_600_000))
        self.counts: Any = runtime_context.get_map_state(of_map)
        self.sum: Any = runtime_context.get_reducing_state(of_reducing)
        self.span: Any = runtime_context.get_aggregating_state(of_aggregating)

    def process_element(self, value: Pair, ctx: KeyedProcessFunction.Context) -> Iterator[Pair]:
        number = value[1] % 3
        self.counts[number] = (self.counts.get(number) or 0) + 1
        self.sum.add(value[1])
        self.span.add(value[1])
        yield value[0], self.sum.get() + 1000 * self.span.get() + 100_000 * sum(self.counts.values())
        if value[1] == 4:
            self.counts.remove(1)
            self.span.clear()


class Span(AggregateFunction[int, Any, int]):
    """How far numbers are apart."""

    def create_accumulator(self) -> Any:  # noqa: ANN401  # a pair, or nothing
        return None

    def add(self, value: int, accumulator: Any) -> Any:  # noqa: ANN401  # as above
        return (value, value) if accumulator is None else (min(value, accumulator[0]), max(value, accumulator[1]))

    def get_result(self, accumulator: Any) -> int:  # noqa: ANN401  # as above
        return 0 if accumulator is None else accumulator[1] - accumulator[0]

    def merge(self, acc_a: Any, acc_b: Any) -> Any:  # noqa: ANN401  # as above
        return acc_b if acc_a is None else self.add(acc_b[0], self.add(acc_b[1], acc_a))


@dataclass(frozen=True)
class Keeping(Stage):
    ttl: bool

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        return keyed(stream).process(EveryKind(ttl=self.ttl))
