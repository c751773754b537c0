"""Splits that wait for slower sources (`millstream_dataflow.time.alignment`)."""

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import ReaderSpecification
from millstream_dataflow.records import Barrier, RowBatch, StreamStatus, Watermark
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.time import WatermarkStrategy
from millstream_taskmanager.operators.reader import ReaderOperator
from millstream_taskmanager.operators.state import RestoredState
from tests.support.tasks import ListSource, Nothing, OperatorBench

ALIGNED = WatermarkStrategy.for_monotonous_timestamps().with_watermark_alignment("group", 50)
SOURCE = ListSource((), timed=True, batch=1, boundedness=Boundedness.CONTINUOUS_UNBOUNDED)


class Bench(OperatorBench):
    """A reader and what it says."""

    def __init__(
        self, strategy: WatermarkStrategy[Any] = ALIGNED, state: RestoredState | None = None, *, interval: int = 0
    ) -> None:
        super().__init__()
        self.reader = ReaderOperator(ReaderSpecification(SOURCE, strategy), interval)
        self.reader.open(self.context(state))

    def add(self, *items: int | Nothing) -> None:
        list(self.reader.add(tuple((item, item) if isinstance(item, int) else item for item in items)))

    def read(self) -> list[Any]:
        """All that may be read at this time."""
        said: list[Any] = []
        while self.reader.readable(self.time):
            said += shown(self.reader.read(100))
        return said

    def wait(self, until: int) -> list[Any]:
        """What it says while it is called whenever it has asked for it, and nothing is read."""
        said: list[Any] = []
        while self.due and (time := min(self.due)) <= until:
            self.due.clear()
            self.time = time
            said += self.reader.on_time(time)
        self.time = until
        return said


def shown(outputs: Iterable[object]) -> list[Any]:
    return [value for output in outputs for value in (output.values if isinstance(output, RowBatch) else [output])]


def test_told_nothing_yet_a_split_is_read_up_to_its_first_watermark() -> None:
    bench = Bench()
    bench.add(10, 20, 30)
    assert bench.read() == [10, Watermark(9)]
    assert bench.reader.next_ready() is None, "no clock makes it ready"


def test_a_split_that_is_beyond_the_limit_waits_and_a_slower_one_goes_on() -> None:
    bench = Bench()
    bench.reader.read_up_to(25)
    bench.add(10, 20, 30, 40)
    bench.add(11, 12, 13, Nothing(100), 27, 28)
    assert bench.read() == [10, 11, Watermark(9), 20, Watermark(10), 12, Watermark(11), 30, 13, Watermark(12)]
    assert bench.reader.lowest == 12
    assert bench.reader.next_ready() == 100, "of the slower one"
    bench.time = 100
    bench.reader.read_up_to(29)
    assert bench.read() == [40, 27, Watermark(26), 28, Watermark(27)]
    assert bench.read() == []


def test_a_limit_that_falls_pauses_and_none_at_all_lets_everything_go() -> None:
    bench = Bench()
    bench.reader.read_up_to(100)
    bench.add(10, 20, Nothing(50), 30)
    assert bench.read() == [10, Watermark(9), 20, Watermark(19)]
    bench.reader.read_up_to(5)
    bench.time = 50
    assert bench.read() == []
    bench.reader.read_up_to(MAX_TIME)
    assert bench.read() == [30, Watermark(29)]


def test_a_source_of_no_group_is_never_paused() -> None:
    bench = Bench(WatermarkStrategy.for_monotonous_timestamps())
    bench.add(10, MAX_TIME)
    assert bench.read() == [10, Watermark(9), MAX_TIME, Watermark(MAX_TIME - 1)]


def test_a_split_that_waits_for_others_is_not_idle() -> None:
    """Its clock stands while it may not be read, and goes on from there."""
    bench = Bench(ALIGNED.with_idleness(400))
    bench.add(10, 20, Nothing(10_000))
    assert bench.read() == [10, Watermark(9)]
    assert bench.wait(3_000) == []
    bench.reader.hold(held=True)
    bench.reader.hold(held=False)
    assert bench.wait(6_000) == [], "nor when outputs have got credit meanwhile"
    bench.reader.read_up_to(100)
    assert bench.read() == [20, Watermark(19)]
    assert bench.wait(6_399) == []
    assert bench.wait(6_500) == [StreamStatus(idle=True)]
    assert bench.reader.idle


def test_a_split_that_had_nothing_and_then_has_to_wait_is_not_idle_either() -> None:
    bench = Bench(ALIGNED.with_idleness(400))
    bench.reader.read_up_to(100)
    bench.add(10, Nothing(10_000), 20)
    assert bench.read() == [10, Watermark(9)]
    assert bench.wait(300) == []
    bench.reader.read_up_to(5)
    assert bench.wait(3_000) == []
    bench.reader.read_up_to(100)
    assert bench.wait(3_099) == []
    assert bench.wait(3_200) == [StreamStatus(idle=True)], "400 ms in all, of which it may have been read"


def test_a_split_that_opens_beyond_the_limit_waits() -> None:
    """Restored, it has a watermark before it is read."""
    before = Bench()
    before.reader.read_up_to(MAX_TIME)
    before.add(10, 20, Nothing(50), 30)
    before.add(15, 16, Nothing(50), 40)
    before.read()
    state = RestoredState(tuple(before.reader.snapshot(Barrier(CheckpointId(1)), ended=False)), restored=True)
    bench = Bench(state=state)
    assert shown(bench.reader.start()) == [Watermark(15)]
    assert bench.reader.lowest == 15
    assert bench.read() == []
    bench.reader.read_up_to(15)
    assert bench.read() == [40, Watermark(19)], "of the split that isn't beyond 15; the other waits"


def test_watermarks_of_the_clock_rise_while_a_split_is_paused_and_are_reported() -> None:
    bench = Bench(WatermarkStrategy.for_ingestion_time().with_watermark_alignment("group", 50), interval=200)
    bench.add(1, Nothing(1_100), 2)
    bench.time = 1_000
    assert bench.read() == [1, Watermark(999)]
    bench.reader.read_up_to(1_100)
    assert bench.read() == []
    assert bench.wait(1_200) == [Watermark(1_199)]
    assert bench.read() == [], "the clock has brought it beyond the limit"
    bench.reader.read_up_to(10_000)
    assert bench.read() == [2]


def test_lowest_leaves_out_who_is_idle_or_has_no_watermark() -> None:
    bench = Bench(ALIGNED.with_idleness(400))
    assert bench.reader.lowest == MIN_TIME
    bench.reader.read_up_to(100)
    bench.add(10, Nothing(10_000))
    bench.add(Nothing(300), 50, Nothing(10_000))
    bench.add(Nothing(10_000))
    bench.read()
    assert bench.reader.lowest == 9
    bench.wait(300)
    bench.read()
    bench.wait(500)
    assert bench.reader.lowest == 49
    bench.wait(800)
    assert bench.reader.lowest == MIN_TIME


@given(
    splits=st.lists(st.lists(st.integers(0, 200), min_size=1, max_size=12), min_size=1, max_size=4),
    limits=st.lists(st.integers(0, 250), max_size=8),
)
def test_no_split_is_read_that_is_beyond_the_limit(splits: list[list[int]], limits: list[int]) -> None:
    """And every one that isn't, is."""
    bench = Bench()
    for times in splits:
        bench.add(*times)
    for limit in [MIN_TIME, *limits]:
        bench.reader.read_up_to(limit)
        while bench.reader.readable(bench.time):
            before = {number: split.stamper.time for number, split in bench.reader._splits.items()}
            list(bench.reader.read(1))
            assert before[list(bench.reader._splits)[-1]] <= limit, "the one that was read is the last in line"
        waiting = [split for split in bench.reader._splits.values() if split.ready_at <= bench.time]
        assert all(split.stamper.time > limit for split in waiting)
