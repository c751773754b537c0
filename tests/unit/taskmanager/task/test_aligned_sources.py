"""Source tasks of one alignment group, with a leader and without (law 7.4)."""

from typing import Any

import pytest

from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.time.alignment import PATIENCE
from millstream_runtime.messages.session import SourceTime, StopMode
from millstream_taskmanager.operators.reader import ReaderOperator
from millstream_taskmanager.task.local_alignment import LocalAlignment
from millstream_taskmanager.task.source_task import SourceTask
from tests.support.tasks import Drawing, ListSource, Nothing, VirtualJob

DRIFT, UPDATE = 500, 100
ALIGNED = WatermarkStrategy.for_monotonous_timestamps().with_watermark_alignment("group", DRIFT, UPDATE)
UNBOUNDED = Boundedness.CONTINUOUS_UNBOUNDED
STEP = 50
"""Of event time, between two records."""
AHEAD = DRIFT + STEP + 1
"""What a record may be ahead of a watermark: one may be read while the watermark, which is one lower, isn't beyond."""


def at_once(count: int) -> tuple[Any, ...]:
    """A split that is read as fast as somebody may."""
    return tuple((number * STEP, number * STEP) for number in range(count))


def paced(count: int, pace: int = 200) -> tuple[Any, ...]:
    """A split that has a record every so many milliseconds."""
    items: list[Any] = []
    for number in range(count):
        items += [Nothing(number * pace), (number * STEP, number * STEP)]
    return tuple(items)


def source(*splits: tuple[Any, ...], **options: Any) -> ListSource:  # noqa: ANN401  # those of ListSource
    return ListSource(splits, timed=True, batch=1, boundedness=UNBOUNDED, **options)


class Sources:
    """Two sources of one group, of which nothing is joined, and their leader."""

    def __init__(self, fast: ListSource, slow: ListSource, strategy: WatermarkStrategy[Any] = ALIGNED) -> None:
        drawing = Drawing()
        for name, its in (("fast", fast), ("slow", slow)):
            drawing.edge(drawing.source(name, its, strategy), drawing.collect(f"{name}-out"), Partitioning.REBALANCE)
        self.job = VirtualJob(drawing)
        self.heard: list[SourceTime] = []
        self.away = False
        self._leader = LocalAlignment(self.job.plan)
        self._leader.watch(self.job.tasks.values())
        self.job.hears = self._hears

    def _hears(self, time: SourceTime) -> None:
        self.heard.append(time)
        if not self.away:
            self._leader.heard(time)

    def time(self, name: str) -> int:
        operator = self.job.task(name).chain.head.operator
        assert isinstance(operator, ReaderOperator)
        return operator.time


def test_the_fast_source_is_never_ahead_by_more_than_the_drift_and_a_batch() -> None:
    run = Sources(source(at_once(1_000)), source(paced(20)))
    seen: list[int] = []
    for _ in range(80):
        run.job.pass_time(STEP)
        seen += run.job.collected("fast-out")
        assert max(seen, default=0) <= max(run.time("slow"), 0) + AHEAD
    assert run.time("slow") == 19 * STEP - 1
    assert run.time("fast") >= run.time("slow") + DRIFT, "and it is not held back further"


def test_nobody_goes_on_before_all_have_a_watermark() -> None:
    run = Sources(source(at_once(10)), source((Nothing(700), (0, 0))))
    run.job.pass_time(650)
    assert run.job.collected("fast-out") == [0]
    run.job.pass_time(50)
    assert run.job.collected("fast-out") == list(range(STEP, 10 * STEP, STEP)), "at once, with the first watermark"


def test_an_idle_source_holds_nobody_back() -> None:
    run = Sources(source(at_once(100)), source((Nothing(100_000),)), ALIGNED.with_idleness(400))
    run.job.pass_time(2_000)
    assert len(run.job.collected("fast-out")) > 10


def test_a_source_at_its_end_holds_nobody_back() -> None:
    slow = ListSource((((0, 0),),), timed=True, batch=1)
    run = Sources(source(at_once(30)), slow)
    run.job.pass_time(1_000)
    assert len(run.job.collected("fast-out")) == 30


def test_without_a_leader_all_stand_for_ten_updates_and_then_go_on_by_the_clock() -> None:
    """The slow one is left behind only by what the clock says, and the word of a new leader counts at once."""
    run = Sources(source(at_once(10_000)), source(paced(10_000, pace=10_000)))
    run.job.pass_time(500)
    assert (run.time("slow"), run.time("fast")) == (-1, DRIFT - 1 + STEP)
    run.away = True
    run.job.pass_time(PATIENCE * UPDATE)
    assert run.time("fast") == (stood := DRIFT - 1 + STEP)
    run.job.pass_time(2_000)
    assert stood + 1_000 < run.time("fast") <= stood + 2_000 + STEP
    run.away = False
    run.job.pass_time(UPDATE)
    reached = run.time("fast")
    run.job.pass_time(3_000)
    assert run.time("fast") == reached, "it is too far ahead"


def test_a_source_says_where_it_is_at_each_update_and_when_it_has_its_first_watermark() -> None:
    run = Sources(source((Nothing(250), (40, 40))), source(paced(1)))
    run.job.settle()
    run.job.pass_time(1_000)
    said = [(time.watermark, time.idle) for time in run.heard if time.task.subtask.vertex == "fast"]
    assert said == [(MIN_TIME, False)] * 3 + [(39, False)] * 9


def test_a_task_that_is_over_says_and_hears_nothing() -> None:
    run = Sources(source(at_once(5)), source(paced(1)))
    run.job.settle()
    task = run.job.task("fast")
    assert isinstance(task, SourceTask)
    task.cancel()
    run.heard.clear()
    task.limit_time(MAX_TIME)
    run.job.pass_time(500)
    assert {time.task.subtask.vertex for time in run.heard} == {"slow"}
    assert not run.job.errors


@pytest.mark.parametrize("parallelism", [1, 2])
def test_restored_it_waits_at_its_watermarks_at_any_parallelism(parallelism: int) -> None:
    """And what was read before isn't read again: positions and watermarks are state."""

    def drawing(width: int) -> Drawing:
        drawn = Drawing()
        splits = source(at_once(60), paced(60, pace=100), has_enumerator=True)
        read = drawn.source("source", splits, ALIGNED, parallelism=width)
        drawn.edge(read, drawn.collect("out"), Partitioning.REBALANCE)
        return drawn

    def started(job: VirtualJob) -> VirtualJob:
        leader = LocalAlignment(job.plan)
        leader.watch(job.tasks.values())
        job.hears = leader.heard
        return job

    before = started(VirtualJob(drawing(1)))
    before.pass_time(1_000)
    seen = before.collected("out")
    before.trigger(1)
    before.settle()
    assert len(before.parts[CheckpointId(1)]) == len(before.tasks)
    after = started(VirtualJob(drawing(parallelism), restored=before.restored_from(1, drawing(parallelism)), now=1_000))
    for _ in range(200):
        after.pass_time(STEP)
        seen += after.collected("out")
        slowest = min(reader_time(after, index) for index in range(parallelism))
        fastest = max(reader_time(after, index) for index in range(parallelism))
        assert fastest <= max(slowest, 0) + AHEAD
    assert sorted(seen) == sorted([number * STEP for number in range(60)] * 2)
    after.task("source-splits").stop(StopMode.DRAIN)
    after.finish()


def reader_time(job: VirtualJob, index: int) -> int:
    operator = job.task("source", index).chain.head.operator
    assert isinstance(operator, ReaderOperator)
    return operator.time if not operator.idle else 0
