"""Readers and enumerators as tasks (laws 7.3 and 8)."""

from collections.abc import Mapping
from typing import Any

from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.identity import CheckpointId, SubtaskId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import ProcessSpecification
from millstream_dataflow.records import EndReason
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.time import WatermarkGenerator, WatermarkStrategy
from millstream_runtime.messages.session import StopMode
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.operators.reader import ReaderOperator
from millstream_taskmanager.operators.registry import OperatorSettings
from millstream_taskmanager.task.ending import Phase
from millstream_taskmanager.task.enumerator_task import EnumeratorTask
from millstream_taskmanager.task.restored import Restored
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.tasks import Drawing, ListSource, VirtualJob

RISING = WatermarkStrategy.for_monotonous_timestamps()


def timed(*times: int | None) -> tuple[Any, ...]:
    return tuple(None if time is None else (time, time) for time in times)


def job(
    source: ListSource,
    strategy: WatermarkStrategy[Any] = RISING,
    *,
    parallelism: int = 1,
    settings: TaskSettings | None = None,
    restored: Mapping[SubtaskId, Restored] | None = None,
) -> VirtualJob:
    """Source -> a process function that keeps (value, watermark) -> collect."""
    drawing = Drawing()
    read = drawing.source("source", source, strategy, parallelism=parallelism)
    look = drawing.vertex(
        "look", ProcessSpecification(lambda value, ctx: [(value, ctx.timer_service().current_watermark())])
    )
    drawing.edge(read, look, Partitioning.REBALANCE)
    drawing.edge(look, drawing.collect("out"))
    return VirtualJob(drawing, settings, restored)


def reader(run: VirtualJob, index: int = 0) -> ReaderOperator:
    operator = run.task("source", index).chain.head.operator
    assert isinstance(operator, ReaderOperator)
    return operator


def test_watermarks_follow_each_batch() -> None:
    by_two = TaskSettings(operators=OperatorSettings(batch=2))
    run = job(ListSource((timed(10, 20, 30, 15),), timed=True), settings=by_two)
    run.finish()
    assert run.collected("out") == [(10, MIN_TIME), (20, MIN_TIME), (30, 19), (15, 19)]
    assert run.task("look").totals().watermark == MAX_TIME


def test_bounded_splits_are_read_one_after_the_other() -> None:
    splits = tuple(timed(n * 10, n * 10 + 1, n * 10 + 2) for n in range(6))
    run = job(ListSource(splits, timed=True, has_enumerator=True), parallelism=2)
    most = 0
    while run.scheduler.step() or run.pool:
        run.do_blocking()
        most = max(most, reader(run, 0).splits, reader(run, 1).splits)
    assert most == 1
    run.finish()
    assert sorted(value for value, _ in run.collected("out")) == sorted(n * 10 + k for n in range(6) for k in range(3))


def test_unbounded_splits_are_all_open() -> None:
    source = ListSource(
        tuple(timed(n, None, n) for n in range(5)),
        timed=True,
        has_enumerator=True,
        boundedness=Boundedness.CONTINUOUS_UNBOUNDED,
    )
    run = job(source)
    run.pass_time(100, step=10)
    assert reader(run).splits == 5
    assert sorted(value for value, _ in run.collected("out")) == sorted([0, 1, 2, 3, 4] * 2)
    assert not run.ended
    assert run.task("source-splits").ending.reason is EndReason.INPUT


def test_who_gets_no_split_is_idle_and_holds_nobody_back() -> None:
    """Law 7.3: a subtask that waits for a split is not at minus infinity."""
    run = job(
        ListSource(
            (timed(10, None, 20, None, 30, 40),),
            timed=True,
            has_enumerator=True,
            boundedness=Boundedness.CONTINUOUS_UNBOUNDED,
            discovery_interval=1_000,
        ),
        parallelism=2,
    )
    run.pass_time(100, step=10)
    assert run.collected("out")[-1] == (40, 19)
    assert run.task("look").totals().watermark == 39


def test_splits_that_are_found_later() -> None:
    splits = (timed(10, 11), timed(20, 21))
    run = job(ListSource(splits, timed=True, has_enumerator=True, discovery_interval=1_000))
    run.pass_time(500)
    assert [value for value, _ in run.collected("out")] == [10, 11]
    run.pass_time(1_000)
    assert [value for value, _ in run.collected("out")] == [20, 21]
    assert run.task("source-splits").ending.phase is Phase.RUNNING


def test_a_slow_look_for_splits_holds_nobody_up_and_nobody_is_told_that_there_are_none() -> None:
    source = ListSource((timed(1, 2),), timed=True, has_enumerator=True)
    run = job(source)
    while run.scheduler.step():
        pass
    assert len(run.pool) == 1, "the look"
    run.trigger(1)
    while run.scheduler.step():
        pass
    assert len(run.parts[CheckpointId(1)]) == len(run.tasks)
    assert isinstance(enumerator := run.task("source-splits"), EnumeratorTask)
    assert enumerator._told == set()
    again = job(source, restored=run.restored_from(1))
    again.finish()
    assert [value for value, _ in again.collected("out")] == [1, 2]
    run.finish()
    assert [value for value, _ in run.collected("out")] == [1, 2]


def test_a_look_that_fails_fails_its_task_unless_it_is_over() -> None:
    source = ListSource(((1,),), has_enumerator=True)
    for cancelled in (True, False):
        run = job(source)
        while run.scheduler.step():
            pass
        [(_, then)] = run.pool
        run.pool.clear()
        if cancelled:
            run.task("source-splits").cancel()
        then(OSError("the store is away"))
        assert list(map(str, run.errors)) == ([] if cancelled else ["the store is away"])


def test_a_static_source_deals_its_splits_out() -> None:
    run = job(ListSource(tuple(timed(n) for n in range(5)), timed=True), parallelism=2)
    run.settle()
    assert [run.task("source", index).totals().records_out for index in range(2)] == [3, 2]
    assert [run.task("source", index).totals().records_read for index in range(2)] == [3, 2]
    assert run.task("look").totals().records_read == 0


def test_barriers_need_no_credit() -> None:
    """Law 8.2: a reader takes them from its gate at once, between batches, however far behind its consumer is."""
    source = ListSource((timed(*range(100)),), timed=True, has_enumerator=True)
    run = job(source, settings=TaskSettings(FlushRules(1, 1, 100), 10, 0))
    # The consumer doesn't take anything: only source and enumerator have their turns.
    for _ in range(20):
        for name in ("source-splits", "source"):
            if run.task(name).runnable:
                run.task(name).step()
        run.do_blocking()
    assert not run.task("source").outputs.writable
    run.trigger(1)
    for _ in range(5):
        for name in ("source-splits", "source"):
            if run.task(name).runnable:
                run.task(name).step()
    assert {subtask.vertex for subtask in run.parts[CheckpointId(1)]} == {"source", "source-splits"}


def test_a_stop_reaches_readers_that_know_of_no_more_splits() -> None:
    source = ListSource((timed(1, 2),), timed=True, has_enumerator=True, boundedness=Boundedness.CONTINUOUS_UNBOUNDED)
    run = job(source)
    run.settle()
    assert run.task("source-splits").ending.phase is Phase.ENDED
    run.task("source-splits").stop(StopMode.STOP)
    run.finish()
    assert run.task("source").ending.reason is EndReason.STOP
    assert reader(run).time == 1


def test_a_split_without_records_falls_idle_and_held_back_it_does_not() -> None:
    strategy = RISING.with_idleness(500)
    splits = (timed(10, 20, *[None] * 200), timed(*[None] * 200))
    run = job(ListSource(splits, timed=True), strategy)
    run.pass_time(450)
    assert run.task("look").totals().watermark == MIN_TIME
    run.pass_time(150)
    assert run.task("look").totals().watermark == 19


class Ticking(WatermarkGenerator[Any]):
    """One more at each asking."""

    def __init__(self) -> None:
        self.time = 0

    def on_periodic(self) -> int:
        self.time += 1
        return self.time


def test_periodic_watermarks_come_by_the_clock() -> None:
    by_one = TaskSettings(operators=OperatorSettings(batch=1))
    source = ListSource((timed(10, *[None] * 100),), timed=True)
    run = job(source, WatermarkStrategy.for_generator(Ticking), settings=by_one)
    run.settle()
    assert run.task("look").totals().watermark == 1
    run.pass_time(450)
    assert run.task("look").totals().watermark == 3
