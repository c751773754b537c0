"""Functions of keys: running reductions, state of all kinds, timers."""

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from millstream.datastream.data_stream import DataStream
from millstream_dataflow.functions import AggregateFunction, KeyedProcessFunction, RuntimeContext, TimeDomain
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateTtlConfig,
    ValueStateDescriptor,
)
from tests.interpreter.stages import SIDE, Pair, Stage, added, keyed


class OfKeys(Stage):
    """One behind `key_by`."""

    of_keys = True


@dataclass(frozen=True)
class Running(OfKeys):
    """The reduction of all so far."""

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
class Collect(OfKeys):
    """Milliseconds."""

    has_side = True
    wait: int

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        return keyed(stream).process(Collecting(self.wait))


class EveryKind(KeyedProcessFunction[str, Pair, Pair]):
    """What all records of the key have come to, in state of every kind, each of which may have a time to live."""

    def __init__(self, ttl: StateTtlConfig | None) -> None:
        self.ttl = ttl

    def open(self, runtime_context: RuntimeContext) -> None:
        of_value = ValueStateDescriptor[int]("last")
        of_list = ListStateDescriptor[int]("numbers")
        of_map = MapStateDescriptor[int, int]("counts")
        of_reducing = ReducingStateDescriptor[int]("sum", operator.add)
        of_aggregating = AggregatingStateDescriptor[int, Any, int]("span", Span())
        if self.ttl is not None:
            for descriptor in (of_value, of_list, of_map, of_reducing, of_aggregating):
                descriptor.enable_time_to_live(self.ttl)
        self.last: Any = runtime_context.get_state(of_value)
        self.numbers: Any = runtime_context.get_list_state(of_list)
        self.counts: Any = runtime_context.get_map_state(of_map)
        self.sum: Any = runtime_context.get_reducing_state(of_reducing)
        self.span: Any = runtime_context.get_aggregating_state(of_aggregating)

    def process_element(self, value: Pair, ctx: KeyedProcessFunction.Context) -> Iterator[Pair]:
        key, number = value
        last, numbers, total = self.last.value() or 0, len(list(self.numbers.get())), self.sum.get() or 0
        count = self.counts.get(number % 3) or 0
        self.counts.put(number % 3, count + 1)
        self.sum.add(number)
        self.span.add(number)
        if number % 2 == 0:  # the others only read these
            self.last.update(number)
            self.numbers.add(number)
        result = (((last * 100 + numbers) * 100 + count) * 100 + (self.span.get() or 0)) * 1000 + total
        if number == 4:
            self.counts.remove(1)
            self.span.clear()
            result += 10**12 * len(self.counts.items())
        yield key, result


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
class Keeping(OfKeys):
    """`ttl`: milliseconds; `renews`: reading renews what is kept."""

    ttl: int | None = None
    renews: bool = False

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        update = StateTtlConfig.UpdateType.OnReadAndWrite if self.renews else StateTtlConfig.UpdateType.OnCreateAndWrite
        config = None if self.ttl is None else StateTtlConfig(self.ttl, update)
        return keyed(stream).process(EveryKind(config))


class Alarmed(KeyedProcessFunction[str, Pair, Pair]):
    """Counts a key's records in each period of the clock, and tells when so much more of it has passed; a nine calls it
    off.
    """

    def __init__(self, period: int, wait: int) -> None:
        self.period, self.wait = period, wait

    def open(self, runtime_context: RuntimeContext) -> None:
        self.counts: Any = runtime_context.get_map_state(MapStateDescriptor("counts"))

    def process_element(self, value: Pair, ctx: KeyedProcessFunction.Context) -> None:
        timers = ctx.timer_service()
        now = timers.current_processing_time()
        alarm = now - now % self.period + self.wait
        if value[1] == 9:
            timers.delete_processing_time_timer(alarm)
            self.counts.remove(alarm)
        else:
            timers.register_processing_time_timer(alarm)
            self.counts.put(alarm, (self.counts.get(alarm) or 0) + 1)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Pair]:
        assert ctx.time_domain() is TimeDomain.PROCESSING_TIME
        assert ctx.timer_service().current_processing_time() > timestamp
        yield ctx.get_current_key(), self.counts.get(timestamp)
        self.counts.remove(timestamp)


@dataclass(frozen=True)
class Alarm(OfKeys):
    """Milliseconds."""

    period: int
    wait: int

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        return keyed(stream).process(Alarmed(self.period, self.wait))
