"""Splits, one watermark generator each (laws 7.1 to 7.3 and 8)."""

import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.connectors import Boundedness, Read, Source, SourceContext, SplitReader
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import ReaderSpecification
from millstream_dataflow.records import Barrier, RowBatch, StreamStatus, Watermark
from millstream_dataflow.time import WatermarkStrategy
from millstream_runtime.messages.failures import FailureKind
from millstream_runtime.messages.snapshots import Redistribution
from millstream_taskmanager.operators.reader import ReaderOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import ListSource, Nothing, OperatorBench

RISING = WatermarkStrategy.for_monotonous_timestamps()
BARRIER = Barrier(CheckpointId(1))
LISTS = ListSource((), timed=True)
LIVE = ListSource((), timed=True, boundedness=Boundedness.CONTINUOUS_UNBOUNDED)


def timed(*times: int | Nothing | None) -> tuple[Any, ...]:
    """A split whose records are their times."""
    return tuple((time, time) if isinstance(time, int) else time for time in times)


class Bench(OperatorBench):
    """A reader and what it says."""

    def __init__(
        self,
        strategy: WatermarkStrategy[Any] = RISING,
        state: RestoredState | None = None,
        source: Source[Any] | None = None,
        *,
        interval: int = 200,
        batch: int = 2,
    ) -> None:
        super().__init__()
        self.at_once = False
        specification = ReaderSpecification(source or LISTS, strategy)
        self.reader = ReaderOperator(specification, interval, batch)
        self.reader.open(self.context(state))

    def add(self, *times: int | Nothing | None) -> list[Any]:
        return shown(self.reader.add(timed(*times)))

    def read(self) -> list[Any]:
        assert self.reader.readable(self.time)
        return shown(self.reader.read(100))

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        super().run_blocking(job, then)
        if self.at_once:
            self.work()

    def work(self, error: Exception | None = None) -> None:
        """The next job of the thread is through."""
        job, then = self.pool.popleft()
        job()
        then(error)

    def wait(self, until: int) -> list[Any]:
        """What it says while it is called whenever it has asked for it, and nothing is read."""
        said: list[Any] = []
        while self.due and (time := min(self.due)) <= until:
            self.due.clear()
            self.time = time
            said += shown(self.reader.on_time(time))
        self.time = until
        return said


def shown(outputs: Iterable[object]) -> list[Any]:
    return [output.values if isinstance(output, RowBatch) else output for output in outputs]


def test_splits_take_turns_and_the_slowest_decides() -> None:
    bench = Bench()
    bench.add(10, 20, 30, 40)
    bench.add(15, 16)
    assert bench.read() == [[10, 20]]
    assert bench.read() == [[15, 16], Watermark(15), Watermark(19)]  # and it has ended
    assert bench.read() == [[30, 40], Watermark(39)]
    assert not bench.reader.readable(0)
    assert (bench.reader.splits, bench.reader.time) == (0, 39)


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=50, max_size=50))
def test_watermarks_of_a_bounded_split_stand_in_the_same_places_however_it_is_read(
    turns: list[tuple[int, bool]],
) -> None:
    """Law 7.2: how many records are read at a time depends on the speed of tasks, what is late doesn't; nor does it
    when the job was restored between two turns.
    """
    times = [7, 3, 9, 1, 8, 20, 14, 30, 2, 41, 40, 39, 38, 55, 50] * 3
    source = ListSource((), timed=True, batch=100)
    bench = Bench(source=source, batch=4)
    bench.add(*times)
    seen = list[int | Watermark]()
    for limit, restored in turns:
        if not bench.reader.splits:
            break
        if restored:
            stored = tuple(bench.reader.snapshot(BARRIER, ended=False))
            bench = Bench(state=RestoredState(stored, restored=True), source=source, batch=4)
        for output in shown(bench.reader.read(limit)):
            seen += output if isinstance(output, list) else [output]
    assert not bench.reader.splits
    expected = list[int | Watermark]()
    highest = last = 0
    for number, time in enumerate(times, 1):
        expected.append(time)
        highest = max(highest, time)
        if number % 4 == 0 and highest > last:
            last = highest
            expected.append(Watermark(highest - 1))
    assert seen == expected


def test_a_new_split_holds_event_time_back() -> None:
    bench = Bench()
    bench.add(10, 20, 30, 40, 50, 60)
    assert bench.read() == [[10, 20], Watermark(19)]
    bench.add(25, 26, 27)
    assert bench.read() == [[30, 40]]
    assert bench.read() == [[25, 26], Watermark(25)]


def test_who_waits_for_an_answer_is_active_who_got_none_is_idle() -> None:
    bench = Bench()
    assert shown(bench.reader.asked()) == []
    assert shown(bench.reader.none_now()) == [StreamStatus(idle=True)]
    assert bench.add(10, 20) == [StreamStatus(idle=False)]
    assert shown(bench.reader.answered()) == []
    assert bench.read() == [[10, 20], Watermark(19)]
    # Asked again: the watermark stands until there is an answer, whatever was read before.
    assert shown(bench.reader.asked()) == []
    assert shown(bench.reader.none_now()) == [StreamStatus(idle=True)]


def test_a_split_without_records_falls_idle() -> None:
    bench = Bench(RISING.with_idleness(500))
    bench.add(10, 20, Nothing(600), 30, 40)
    bench.add(Nothing(0), Nothing(600), Nothing(600), 25)
    assert bench.read() == [[10, 20]]
    assert [bench.read(), bench.read(), bench.read()] == [[], [], []]
    assert bench.wait(499) == []
    assert bench.wait(600) == [StreamStatus(idle=True)]
    # The first comes back: what it had said counts now. It ends, and the other is still idle.
    back = [StreamStatus(idle=False), Watermark(19), [30, 40], Watermark(39), StreamStatus(idle=True)]
    assert bench.read() == back
    assert bench.read() == []
    bench.time = 620
    # The other comes back behind what the first has said meanwhile, and changes nothing.
    assert bench.read() == [StreamStatus(idle=False), [25]]


def test_splits_fall_idle_without_periodic_watermarks_and_again() -> None:
    bench = Bench(RISING.with_idleness(500), source=LIVE, interval=0)
    assert bench.due == []
    bench.add(Nothing(700), 10, Nothing(2_000), 20)
    assert bench.read() == []
    assert bench.wait(499) == [], "from its opening on"
    assert bench.wait(700) == [StreamStatus(idle=True)]
    assert bench.due == []
    assert bench.read() == [StreamStatus(idle=False), [10], Watermark(9)]
    assert bench.read() == []
    assert bench.wait(1_199) == [], "idleness has ended"
    assert bench.wait(1_200) == [StreamStatus(idle=True)]


def test_a_split_that_opens_while_outputs_have_no_credit_is_not_idle() -> None:
    bench = Bench(RISING.with_idleness(500))
    bench.reader.hold(held=True)
    bench.add(Nothing(5_000), 10)
    assert bench.read() == []
    assert bench.wait(900) == []
    bench.reader.hold(held=False)
    assert bench.wait(1_399) == []
    assert bench.wait(1_400) == [StreamStatus(idle=True)]


def test_a_split_is_looked_at_before_it_is_idle() -> None:
    """Its records lie there, but its reader had no turn."""
    bench = Bench(RISING.with_idleness(500), source=LIVE, interval=0)
    bench.add(None, 10)
    assert bench.read() == []
    assert bench.wait(10_000) == []
    assert bench.read() == [[10], Watermark(9)]


def test_a_reader_that_is_asked_and_has_nothing_was_looked_at() -> None:
    bench = Bench(RISING.with_idleness(500), source=LIVE, interval=0)
    bench.add(*[None] * 5)
    for time in (10_000, 20_000, 30_000):
        assert bench.read() == []
        assert bench.wait(time) == []
    assert bench.read() == []
    assert shown(bench.reader.on_time(bench.time)) == []
    bench.time = 40_000
    assert bench.read() == []
    assert shown(bench.reader.on_time(bench.time)) == [StreamStatus(idle=True)]


def test_a_reader_with_nothing_is_asked_again_in_a_moment() -> None:
    bench = Bench(source=LIVE)
    bench.add(None, 10)
    assert bench.read() == []
    assert not bench.reader.readable(0)
    assert bench.reader.next_ready() == 10
    bench.time = 10
    assert bench.read() == [[10], Watermark(9)]


def test_positions_and_watermarks_are_state() -> None:
    bench = Bench()
    bench.add(10, 20, 30, 40)
    bench.read()
    stored = tuple(bench.reader.snapshot(BARRIER, ended=False))
    again = Bench(state=RestoredState(stored, restored=True))
    assert again.reader.restored
    assert shown(again.reader.start()) == [Watermark(19)]
    assert again.read() == [[30, 40], Watermark(39)]


def test_the_slowest_of_the_restored_splits_decides_in_whatever_order_they_come() -> None:
    bench = Bench()
    bench.add(10, 20, 30, 40, 50, 60)
    bench.add(100, 110, 120, 130)
    for _ in range(3):  # the slow split has been read last, so it is stored last
        bench.read()
    stored = tuple(bench.reader.snapshot(BARRIER, ended=False))
    again = Bench(state=RestoredState(stored, restored=True))
    assert shown(again.reader.start()) == [Watermark(39)]
    assert again.read() == [[50, 60], Watermark(59), Watermark(109)]  # and it has ended


def test_a_reader_without_splits_remembers_that_it_had_them() -> None:
    splits, dealt = Bench().reader.snapshot(BARRIER, ended=False)
    assert splits.items == ()
    assert Bench(state=RestoredState((dealt,), restored=True)).reader.restored
    assert dealt.redistribution is Redistribution.BROADCAST, "all hear of it, whatever the parallelism"
    assert not Bench(state=RestoredState(restored=True)).reader.restored, "new in a job that is restored"


SLOW = ListSource((), timed=True, slow=True)


def test_a_reader_that_waits_for_a_job_is_asked_when_that_is_through() -> None:
    bench = Bench(source=SLOW)
    bench.add(10, 20, 30)
    assert bench.read() == []
    bench.time = 1_000_000
    assert (bench.reader.readable(bench.time), bench.reader.next_ready()) == (False, None)
    bench.work()
    assert bench.read() == [[10, 20], Watermark(19)]
    assert bench.read() == []
    assert not bench.reader.readable(bench.time)


def test_who_waits_for_a_job_keeps_no_other_split_from_its_turn() -> None:
    bench = Bench(source=SLOW)
    bench.add(10, 20, 30)
    bench.add(11, 21, 31)
    assert [bench.read(), bench.read()] == [[], []]
    bench.pool.rotate()
    bench.work()
    assert bench.read() == [[11, 21]], "of the second, which was called first"
    assert bench.read() == [], "and it waits again"
    assert not bench.reader.readable(0)
    bench.work()
    assert bench.read() == [[10, 20], Watermark(19)]


def test_a_split_that_waits_for_a_slow_disk_is_not_idle() -> None:
    """Law 7.3: its records may be there, as those are that a busy thread has not looked at."""
    bench = Bench(RISING.with_idleness(500), source=ListSource((), timed=True, slow=True, batch=1))
    bench.add(10, Nothing(0), Nothing(0), Nothing(9_000))
    assert bench.read() == []
    assert bench.wait(3_000) == []
    bench.reader.hold(held=True)
    bench.reader.hold(held=False)
    assert bench.wait(6_000) == [], "nor when outputs have got credit meanwhile"
    bench.work()
    assert bench.read() == [[10]]
    assert bench.read() == []
    bench.work()
    assert bench.read() == [], "it has nothing, by its own word, from now on"
    assert bench.wait(6_499) == [Watermark(9)]


def test_a_split_that_has_nothing_by_its_own_word_is_idle_though_a_job_is_under_way() -> None:
    """It waits for records to be made: its job is a look for them, and its call comes when there are some."""
    bench = Bench(RISING.with_idleness(500), source=Polling(), interval=0)
    list(bench.reader.add(1))
    assert bench.read() == []
    assert bench.wait(499) == []
    assert bench.wait(600) == [StreamStatus(idle=True)]
    assert not bench.reader.readable(600)
    bench.work()
    assert bench.read() == [StreamStatus(idle=False), [10]]


def test_a_reader_that_waits_for_nothing_is_a_mistake_that_is_named() -> None:
    bench = Bench(source=Polling(Read(waits=True), looks=False))
    list(bench.reader.add(1))
    with pytest.raises(UserCodeError, match=r"Polling\.read waits for a job, but it has none under way"):
        bench.read()


def test_a_reader_may_be_called_before_it_has_answered() -> None:
    """As inline, where jobs are done at once."""
    bench = Bench(source=Polling(Read(waits=True)))
    bench.at_once = True
    list(bench.reader.add(1))
    assert bench.read() == []
    assert bench.read() == [[10]]


def test_what_a_call_raises_names_the_operator() -> None:
    bench = Bench(source=Polling(), interval=0)
    list(bench.reader.add(1))
    bench.read()
    with pytest.raises(UserCodeError, match="gone") as raised:
        bench.work(FileNotFoundError("gone"))
    assert (raised.value.operator, raised.value.kind) == ("Operator", FailureKind.EXTERNAL)


def test_a_reader_that_was_closed_is_called_all_the_same() -> None:
    source = Polling()
    bench = Bench(source=source)
    list(bench.reader.add(1))
    bench.read()
    bench.reader.close()
    bench.work()
    assert source.there


class Pages(Source[Sequence[int]]):
    """Read by the example that `SplitReader` gives."""

    def page_from(self, place: int) -> list[int]:
        return list(range(place, min(place + 3, 7)))

    def create_reader(self, context: SourceContext, split: object, position: object) -> SplitReader:
        text = inspect.getdoc(SplitReader) or ""
        names: dict[str, Any] = {"SplitReader": SplitReader, "Read": Read, "RowBatch": RowBatch}
        exec(textwrap.dedent(text[text.index("    class") :]), names)
        reader: SplitReader = names["PageReader"](context, self, position)
        return reader


@pytest.mark.parametrize("at_once", [False, True])
def test_the_example_reads_a_page_after_the_other(*, at_once: bool) -> None:
    bench = Bench(WatermarkStrategy.no_watermarks(), source=Pages(), interval=0)
    bench.at_once = at_once
    list(bench.reader.add(()))
    seen: list[list[int]] = []
    while bench.reader.splits:
        if bench.pool:
            bench.work()
        seen += shown(bench.reader.read(2))
    assert seen == [[0, 1], [2], [3, 4], [5], [6]]


class Polling(Source[int], SplitReader):
    """Looks for records in a thread. Its own only reader."""

    def __init__(self, nothing: Read | None = None, *, looks: bool = True) -> None:
        self.nothing = nothing or Read(ready_at=100_000)
        self.looks = looks
        self.there = False

    def create_reader(self, context: SourceContext, split: int, position: object) -> SplitReader:
        self.context = context
        return self

    def read(self, limit: int) -> Read:
        if self.there:
            return Read(RowBatch([10], [10]))
        if self.looks:
            self.context.run_blocking(lambda: None, self.told)
        return self.nothing

    def told(self, error: Exception | None) -> None:
        if error is not None:
            raise error
        self.there = True

    def position(self) -> int:
        return 0


class Faulty(Source[int], SplitReader):
    """Opens or reads badly."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.closed = 0

    def create_reader(self, context: SourceContext, split: int, position: object) -> SplitReader:
        if self.where == "open":
            raise FileNotFoundError("no such split")
        return self

    def read(self, limit: int) -> Read:
        raise ValueError("garbage")

    def position(self) -> int:
        return 0

    def close(self) -> None:
        self.closed += 1


def test_errors_of_a_source_name_it() -> None:
    with pytest.raises(UserCodeError, match="no such split") as raised:
        list(Bench(source=Faulty("open")).reader.add(1))
    assert raised.value.kind is FailureKind.EXTERNAL
    bench = Bench(source=Faulty("read"))
    list(bench.reader.add(1))
    with pytest.raises(UserCodeError, match="garbage") as raised:
        bench.read()
    assert raised.value.operator == "Operator"


def test_open_splits_are_closed() -> None:
    source = Faulty("read")
    bench = Bench(source=source)
    list(bench.reader.add(1))
    bench.reader.close()
    bench.reader.close()
    assert source.closed == 1


def test_records_at_hand_are_read_whatever_is_done_to_the_clock() -> None:
    bench = Bench(source=LIVE)
    bench.time = 3_600_000
    bench.add(10, 20, 30)
    assert bench.read() == [[10, 20], Watermark(19)]
    bench.time = 0
    assert bench.reader.readable(bench.time)


@pytest.mark.parametrize("strategy", [RISING, RISING.with_idleness(timedelta(seconds=1))])
def test_a_reader_is_held_where_its_splits_may_be_idle(strategy: WatermarkStrategy[Any]) -> None:
    assert Bench(strategy).reader.counts_idleness is (strategy.idle_timeout is not None)


def test_a_savepoint_of_longer_batches_is_read_on_in_shorter_ones() -> None:
    """Where it stands, more records have come since the last watermark than a batch may have now."""
    source = ListSource((), timed=True, batch=100)
    before = Bench(source=source, batch=10)
    before.add(*range(20))
    assert shown(before.reader.read(7)) == [list(range(7))]
    state = RestoredState(tuple(before.reader.snapshot(BARRIER, ended=False)), restored=True)
    after = Bench(state=state, source=source, batch=4)
    assert [after.read() for _ in range(2)] == [[[7], Watermark(6)], [[8, 9, 10, 11], Watermark(10)]]
