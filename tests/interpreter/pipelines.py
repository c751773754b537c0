"""Random programs with their inputs, as values that print as what they are. Every record is a pair (key, number).

Two kinds, since arrival has an order, and only what doesn't depend on it can be compared at any parallelism:

* `orderly` ones have one source of one split, a watermark behind each record that raised it, and one path. So which
  records are late is the same at every run (law 7.2), and the results of each key are compared in their order. With
  more than one operator of keys all is of parallelism 1: else the second one hears from several subtasks, and whether
  the result of a late firing is late there depends on who is ahead.
  Windows that overlap, and those that no time completes, come last: several of the former fire at once in any order.
* `prompt` ones have several splits and sources, joined in any way, at any parallelism. Their watermarks never pass a
  record that is still to come, so nothing is late in any order, and a function is given only what it may depend on:
  windows and timers see all records up to their time, in no order. Results are compared as multisets.

Left out of `prompt`, by name: running reductions and states without times, side outputs of late records (they depend on
the order of arrival), sessions (one that a record would touch behind its end has fired before it, or not), triggers
that don't wait for all records, count and global windows, evictors and what remembers firings (they go by the order),
records with equal times and windows of processing time (the clock), plain `broadcast` (its results are as many as there
are subtasks). Left out of both: times to live that end before the run does (the clock).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from millstream.datastream.data_stream import DataStream
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream_dataflow.time import WatermarkStrategy
from tests.interpreter.interpreter import Step, by_time, one_split
from tests.interpreter.ledger import Ledger
from tests.interpreter.meetings import Meeting
from tests.interpreter.stages import (
    KEYS,
    SIDE,
    Add,
    Await,
    Collect,
    Deal,
    Keep,
    Keeping,
    Pair,
    Rekey,
    Repeat,
    Running,
    Stage,
)
from tests.interpreter.window_stages import Windowed, any_windows, windows_on_time
from tests.support.tasks import ListSource

Environment = StreamExecutionEnvironment
Split = tuple[tuple[Pair, int], ...]

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
            of_keys = of_keys or isinstance(stage, Collect | Keeping | Running | Windowed)
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
        return isinstance(last, Collect) or (isinstance(last, Windowed) and last.has_side)

    @property
    def ordered(self) -> bool:
        """Whether the results of a key have an order."""
        return not any(isinstance(stage, Windowed) and stage.overlaps for stage in self.before)

    def steps(self) -> list[Step]:
        """Its input, as the interpreter takes it."""
        if self.orderly:
            return one_split(self.first.name, self.first.splits[0], self.first.delay)
        return by_time({one.name: one.records for one in (self.first, self.second) if one is not None})


PLAIN = st.one_of(
    st.builds(Add, st.integers(0, 5)),
    st.builds(Keep, st.integers(2, 3)),
    st.just(Repeat()),
    st.builds(Await, st.just(True), st.integers(1, 4)),
)
UNORDERED = st.builds(Await, st.just(False), st.integers(1, 4))
STATEFUL = st.one_of(st.builds(Collect, st.integers(0, 25)), st.just(Running()), st.builds(Keeping, st.booleans()))
DEALS = st.builds(Deal, st.sampled_from(["rebalance", "shuffle", "rescale", "global_", "partition_custom"]))
COLLECT = st.builds(Collect, st.integers(0, 25))
ON_TIME = windows_on_time()


@st.composite
def orderly(draw: st.DrawFn) -> Pipeline:
    """One split, records late by any measure."""
    split: Split = tuple(draw(RECORDS))
    source = Input("first", (split,), draw(st.integers(0, 40)), draw(st.integers(1, 4)), True, draw(st.booleans()))
    before = draw(st.lists(PLAIN, max_size=2))
    others = draw(st.lists(st.one_of(any_windows(last=False), STATEFUL), max_size=1))
    between = draw(st.lists(PLAIN, max_size=1))
    stages: list[Stage] = [*others, *between, draw(st.one_of(any_windows(last=True), STATEFUL))]
    single = not others
    chained = draw(st.booleans())
    return Pipeline(True, source, (*before, *stages), chained=chained, widest=3 if single else 1)


@st.composite
def prompt(draw: st.DrawFn) -> Pipeline:
    """Any number of splits and subtasks; nothing is late."""
    stages = st.lists(st.one_of(PLAIN, UNORDERED, DEALS, COLLECT, ON_TIME, st.just(Rekey())), min_size=1, max_size=2)
    hows = st.sampled_from(["union", "connect", "broadcast", "interval_join", "join", "co_group"])
    second = draw(st.none() | inputs("second"))
    meeting = draw(st.builds(Meeting, hows, st.integers(0, 20))) if second is not None else None
    chained = draw(st.booleans())
    after = draw(stages) if draw(st.booleans()) else []
    return Pipeline(False, draw(inputs("first")), tuple(draw(stages)), second, meeting, tuple(after), chained)
