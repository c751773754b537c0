"""What comes into a pipeline: splits of records with their times, and moments at which none comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from millstream.datastream.data_stream import DataStream
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream_dataflow.connectors import Read, SourceContext, SplitReader
from millstream_dataflow.time import WatermarkStrategy
from tests.interpreter.interpreter import Clock, Step, by_time, one_split
from tests.interpreter.stages import Pair
from tests.support.list_source import ListReader
from tests.support.tasks import ListSource, Nothing

PHASE, START = 10_000, 1_000
"""Milliseconds of the clock: how long a phase is, and what of it is over when its records come. All they do at once
is done before the middle of the phase; what waits for its beginning has happened before.
"""


@dataclass(frozen=True)
class Pause:
    """The next record of the split comes in the next phase."""


Timed = tuple[Pair, int]
Split = tuple[Timed | Pause, ...]


@dataclass(frozen=True)
class Input:
    """A source: splits of records with their times, in the order in which they come."""

    name: str
    splits: tuple[Split, ...]
    delay: int
    """Records are taken to be out of order by so much, milliseconds."""
    batch: int = 1
    punctuated: bool = False
    enumerated: bool = False
    idles: bool = False
    """Whether a split that brings nothing for half a phase doesn't hold back the others."""

    def stream(self, env: StreamExecutionEnvironment, parallelism: int) -> DataStream[Pair]:
        strategy = WatermarkStrategy[Pair].for_bounded_out_of_orderness(self.delay)
        strategy = strategy.with_punctuated_watermarks() if self.punctuated else strategy
        strategy = strategy.with_idleness(PHASE // 2) if self.idles else strategy
        splits = tuple(tuple(_items(split)) for split in self.splits)
        source = PacedSource(splits, timed=True, batch=self.batch, has_enumerator=self.enumerated)
        stream: DataStream[Any] = env.from_source(source, strategy, self.name)
        return stream.name(self.name).set_parallelism(parallelism)

    @property
    def records(self) -> list[Timed]:
        """All of them."""
        return [item for split in self.splits for item in split if not isinstance(item, Pause)]

    def steps(self) -> list[Step]:
        """Its only split, as the interpreter takes it."""
        [split] = self.splits
        items: list[Timed | Clock] = []
        for item in _items(split):
            if isinstance(item, Nothing):
                time = item.until or 0
                items += [Clock(time - START + 1), Clock(time)]
            else:
                items.append(item)
        return one_split(self.name, items, self.delay)


def steps_of(*inputs: Input) -> list[Step]:
    """Several inputs, as the interpreter takes them: nothing is late."""
    return by_time({one.name: one.records for one in inputs})


def _items(split: Split) -> list[Timed | Nothing]:
    phase, items = 0, list[Timed | Nothing]()
    for item in split:
        if isinstance(item, Pause):
            phase += 1
            items.append(Nothing(phase * PHASE + START))
        else:
            items.append(item)
    return items


class PacedSource(ListSource):
    """A Nothing of it is over when its time has come, and not before: a restored reader waits for it again."""

    def create_reader(self, context: SourceContext, split: tuple[Any, ...], position: int | None) -> SplitReader:
        return PacedReader(self, split, position or 0)


class PacedReader(ListReader):
    """See PacedSource."""

    waits = False

    def read(self, limit: int) -> Read:
        item = self.split[self.next] if self.next < len(self.split) else None
        if isinstance(item, Nothing) and not self.waits:
            self.waits = True
            return Read(ready_at=item.until)
        if isinstance(item, Nothing):
            self.waits = False
            self.next += 1
            return self.read(limit)
        return super().read(limit)


# ---------------------------------------------------------------------------------------------------- strategies

LAST = 60  # the highest time
SOME_KEYS = "aaabbc"  # some come more often
RECORD = st.tuples(st.tuples(st.sampled_from(SOME_KEYS), st.integers(0, 9)), st.integers(0, LAST))
FEW, MANY = st.lists(RECORD, max_size=8), st.lists(RECORD, min_size=8, max_size=20)


RARELY, MOSTLY = st.sampled_from([False, False, True]), st.sampled_from([False, True, True])


@st.composite
def paused(draw: st.DrawFn, records: Sequence[Timed], *, most: int = 4) -> Split:
    """The records with some pauses, and with enough of them behind that nothing waits for the clock any more."""
    split: list[Timed | Pause] = list(records)
    for place in draw(st.lists(st.integers(0, len(split)), max_size=most)):
        split.insert(place, Pause())
    return (*split, *[Pause()] * 4)


def disorder(split: Sequence[Timed | Pause]) -> int:
    """How far the times of a split fall behind the highest before."""
    highest, most = 0, 0
    for item in split:
        if not isinstance(item, Pause):
            highest = max(highest, item[1])
            most = max(most, highest - item[1])
    return most


@st.composite
def prompt_inputs(draw: st.DrawFn, name: str, *, idles: bool, even: bool = False) -> Input:
    """Splits in which nothing is late. `even`: all times are.

    A split that comes back when others have ended is late, whatever it brings. So where some may be idle, no split of
    any source ends before all have brought everything, none is given to a reader behind others, and no reader has none.
    """
    enumerated = draw(st.booleans()) and not idles
    splits: list[Split] = []
    for records in draw(st.lists(FEW, min_size=1 + idles, max_size=3)):
        timed = [(pair, time - time % 2 if even else time) for pair, time in records]
        splits.append(draw(paused(timed, most=2)) if idles or draw(RARELY) else tuple(timed))
    # A reader may be given a split when it has read others to their ends, and one that was idle comes back: so all of
    # it may lie behind the others.
    delay = LAST if enumerated or idles else max(map(disorder, splits)) + draw(st.sampled_from([0, 0, 7]))
    return Input(name, tuple(splits), delay, draw(st.integers(1, 4)), draw(st.booleans()), enumerated, idles)
