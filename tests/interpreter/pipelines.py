"""Random programs with their inputs, as values that print as what they are. Every record is a pair (key, number).

Two kinds, since arrival has an order, and only what doesn't depend on it can be compared at any parallelism:

* `orderly` ones have one source of one split, a watermark behind each record that raised it, and one path. So which
  records are late is the same at every run (law 7.2), and the results of each key are compared in their order. With
  more than one operator of keys all is of parallelism 1: else the second one hears from several subtasks, and whether
  the result of a late firing is late there depends on who is ahead.
* `prompt` ones have several splits and sources, joined in any way, at any parallelism. Their watermarks never pass a
  record that is still to come, so nothing is late in any order, and a function is given only what it may depend on:
  windows and timers see all records up to their time, in no order. Results are compared as multisets.

Left out of `prompt`, by name: running reductions and side outputs of late records (they depend on the order of
arrival), records with equal times and windows of processing time (the clock), plain `broadcast` (its results are as
many as there are subtasks).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from millstream.datastream.data_stream import DataStream
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.datastream.keyed_stream import KeyedStream
from millstream_dataflow.functions import KeyedCoProcessFunction, KeyedProcessFunction, RuntimeContext
from millstream_dataflow.state import ListStateDescriptor, ValueStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.windows import TumblingEventTimeWindows
from tests.interpreter.interpreter import Step, by_time, one_split
from tests.interpreter.ledger import Ledger
from tests.support.tasks import ListSource

Pair = tuple[str, int]
Environment = StreamExecutionEnvironment
Split = tuple[tuple[Pair, int], ...]
KEYS = "abc"
SIDE = OutputTag[Pair]("side")


def key_of(pair: Pair) -> str:
    return pair[0]


def keyed(stream: DataStream[Pair]) -> KeyedStream[Pair, str]:
    return stream.key_by(key_of)


def added(one: Pair, other: Pair) -> Pair:
    return one[0], one[1] + other[1]


# ------------------------------------------------------------------------------------------------------- sources


@dataclass(frozen=True)
class Input:
    """A source: splits of records with their times, in the order in which they come."""

    name: str
    splits: tuple[Split, ...]
    delay: int
    """Records are taken to be out of order by so much, milliseconds."""
    batch: int
    punctuated: bool
    enumerated: bool

    def stream(self, env: Environment, parallelism: int) -> DataStream[Pair]:
        strategy = WatermarkStrategy[Pair].for_bounded_out_of_orderness(self.delay)
        strategy = strategy.with_punctuated_watermarks() if self.punctuated else strategy
        source = ListSource(self.splits, timed=True, batch=self.batch, has_enumerator=self.enumerated)
        stream: DataStream[Any] = env.from_source(source, strategy, self.name)
        return stream.name(self.name).set_parallelism(parallelism)

    @property
    def records(self) -> list[tuple[Pair, int]]:
        return [record for split in self.splits for record in split]


LAST = 60  # the highest time
RECORDS = st.lists(st.tuples(st.tuples(st.sampled_from(KEYS), st.integers(0, 9)), st.integers(0, LAST)), max_size=14)


def disorder(split: Sequence[tuple[Pair, int]]) -> int:
    """How far the times of a split fall behind the highest before."""
    highest, most = 0, 0
    for _, time in split:
        highest = max(highest, time)
        most = max(most, highest - time)
    return most


@st.composite
def inputs(draw: st.DrawFn, name: str) -> Input:
    """Splits in which nothing is late."""
    splits = tuple(map(tuple, draw(st.lists(RECORDS, min_size=1, max_size=3))))
    enumerated = draw(st.booleans())
    # A reader may be given a split when it has read others to their ends, so that all of it lies behind them.
    delay = LAST if enumerated else max(map(disorder, splits)) + draw(st.sampled_from([0, 0, 7]))
    return Input(name, splits, delay, draw(st.integers(1, 4)), draw(st.booleans()), enumerated)


# -------------------------------------------------------------------------------------------------------- stages


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


@dataclass(frozen=True)
class Windowed(Stage):
    """Sums of tumbling windows, or, `whole`, what depends on all records and on the window."""

    size: int
    offset: int = 0
    whole: bool = False
    lateness: int = 0
    late: bool = False

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        windows = keyed(stream).window(TumblingEventTimeWindows.of(self.size, self.offset % self.size))
        windows = windows.allowed_lateness(self.lateness)
        if self.late:
            windows = windows.side_output_late_data(SIDE)
        return windows.process(spread) if self.whole else windows.reduce(added)


def spread(key: str, context: Any, elements: Iterable[Pair]) -> Iterator[Pair]:  # noqa: ANN401  # as plain users write it
    numbers = sorted(pair[1] for pair in elements)
    yield key, numbers[0] + 10 * numbers[-1] + 100 * len(numbers) + context.window().start


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


@dataclass(frozen=True)
class Collect(Stage):
    wait: int

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        return keyed(stream).process(Collecting(self.wait))


# ------------------------------------------------------------------------------------------- stages of two streams


@dataclass(frozen=True)
class Meeting:
    """One call on two streams."""

    how: str
    reach: int

    def on(self, left: DataStream[Pair], right: DataStream[Pair]) -> DataStream[Pair]:
        match self.how:
            case "union":
                return left.union(right)
            case "connect":
                return keyed(left).connect(keyed(right)).process(CollectingBoth(self.reach))
            case "interval_join":
                joined = keyed(left).interval_join(keyed(right)).between(-self.reach, self.reach // 2)
                return joined.process(both)
            case "join":
                windows = TumblingEventTimeWindows.of(self.reach + 1)
                return left.join(right).where(key_of).equal_to(key_of).window(windows).apply(pair_of)
            case _:
                windows = TumblingEventTimeWindows.of(self.reach + 1)
                return left.co_group(right).where(key_of).equal_to(key_of).window(windows).apply(groups_of)


def both(left: Pair, right: Pair, ctx: object) -> Iterator[Pair]:
    yield pair_of(left, right)


def pair_of(left: Pair, right: Pair) -> Pair:
    return left[0], left[1] * 10 + right[1]


def groups_of(left: Iterable[Pair], right: Iterable[Pair]) -> list[Pair]:
    sides = list(left), list(right)
    key = (sides[0] or sides[1])[0][0]
    return [(key, 100 * len(sides[0]) + len(sides[1]))]


# ------------------------------------------------------------------------------------------------------ pipelines


@dataclass(frozen=True)
class Pipeline:
    """A program. `first` goes through its stages, meets the second stream, and goes through more."""

    orderly: bool
    first: Input
    before: tuple[Stage, ...]
    second: Input | None = None
    meeting: Meeting | None = None
    after: tuple[Stage, ...] = ()
    chained: bool = True
    widest: int = 3

    def build(self, env: Environment, parallelism: int) -> None:
        """Write it down. Its sinks are `out` and `side`."""
        parallelism = min(parallelism, self.widest)
        env.set_parallelism(parallelism)
        if not self.chained:
            env.disable_operator_chaining()
        readers = 1 if self.orderly else min(parallelism, 2)
        stream = self.first.stream(env, readers)
        of_keys = False
        for stage in self.before:
            stream = stage.on(stream)
            of_keys = of_keys or isinstance(stage, Collect | Running | Windowed)
            if self.orderly and not of_keys:
                stream.set_parallelism(1)
        if self.second is not None and self.meeting is not None:
            stream = self.meeting.on(stream, self.second.stream(env, readers))
        for stage in self.after:
            stream = stage.on(stream)
        if self.has_side:
            stream.get_side_output(SIDE).sink_to(Ledger("side")).name("side")
        stream.sink_to(Ledger("out")).name("out")

    @property
    def has_side(self) -> bool:
        if self.meeting is not None and not self.after:
            return False
        last = (self.after or self.before)[-1]
        return isinstance(last, Collect) or (isinstance(last, Windowed) and last.late)

    def steps(self) -> list[Step]:
        """Its input, as the interpreter takes it."""
        if self.orderly:
            return one_split(self.first.name, self.first.splits[0], self.first.delay)
        return by_time({one.name: one.records for one in (self.first, self.second) if one is not None})


PLAIN = st.one_of(st.builds(Add, st.integers(0, 5)), st.builds(Keep, st.integers(2, 3)), st.just(Repeat()))
DEALS = st.builds(Deal, st.sampled_from(["rebalance", "shuffle", "rescale", "global_", "partition_custom"]))
COLLECT = st.builds(Collect, st.integers(0, 25))
ON_TIME = st.builds(Windowed, st.integers(1, 20), st.integers(0, 9), st.booleans())
LATE = st.builds(
    Windowed, st.integers(1, 20), st.integers(0, 9), st.booleans(), st.sampled_from([0, 0, 10, 30]), st.booleans()
)


@st.composite
def orderly(draw: st.DrawFn) -> Pipeline:
    """One split, records late by any measure."""
    split: Split = tuple(draw(RECORDS))
    source = Input("first", (split,), draw(st.integers(0, 40)), draw(st.integers(1, 4)), True, draw(st.booleans()))
    of_keys = st.one_of(LATE, COLLECT, st.just(Running()))
    before = draw(st.lists(PLAIN, max_size=2))
    stages: list[Stage] = [draw(of_keys)]
    if more := draw(st.lists(st.one_of(of_keys, PLAIN), max_size=2)):
        stages += more
    single = not any(isinstance(stage, Collect | Running | Windowed) for stage in more)
    chained = draw(st.booleans())
    return Pipeline(True, source, (*before, *stages), chained=chained, widest=3 if single else 1)


@st.composite
def prompt(draw: st.DrawFn) -> Pipeline:
    """Any number of splits and subtasks; nothing is late."""
    stages = st.lists(st.one_of(PLAIN, DEALS, COLLECT, ON_TIME, st.just(Rekey())), min_size=1, max_size=2)
    hows = st.sampled_from(["union", "connect", "interval_join", "join", "co_group"])
    second = draw(st.none() | inputs("second"))
    meeting = draw(st.builds(Meeting, hows, st.integers(0, 20))) if second is not None else None
    chained = draw(st.booleans())
    after = draw(stages) if draw(st.booleans()) else []
    return Pipeline(False, draw(inputs("first")), tuple(draw(stages)), second, meeting, tuple(after), chained)
