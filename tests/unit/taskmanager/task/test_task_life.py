"""A task from its deployment to its end, whichever it is (law 5, style: states are a table)."""

import sys
from collections.abc import Iterator

import pytest

from millstream_dataflow.functions import KeyedProcessFunction, MapFunction, RuntimeContext
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import (
    CollectSpecification,
    FlatMapSpecification,
    KeyedProcessSpecification,
    KeySelection,
    MapSpecification,
    SinkSpecification,
)
from millstream_dataflow.records import Barrier, EndReason, SnapshotKind
from millstream_runtime.messages.failures import FailureKind
from millstream_runtime.messages.session import StopMode
from millstream_runtime.states import TaskState
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.operators.keyed_process import KeyedProcessOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.user_code.errors import UserCodeError
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.ledgers import COMMITTED, LEDGERS, LedgerSink, empty_ledgers
from tests.support.tasks import Drawing, ListSource, OperatorBench, VirtualJob

TEN = ListSource((tuple(range(10)),))


@pytest.fixture(autouse=True)
def _empty_ledgers() -> None:
    empty_ledgers()
    Watched.log.clear()


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


EMPTY: dict[Unprintable, int] = {}


class Watched(MapFunction[int, int]):
    """Tells what happens to it."""

    log: list[str] = []  # noqa: RUF012  # shared on purpose

    def __init__(self, fails_at: int = -1, where: str = "map") -> None:
        self.fails_at = fails_at
        self.where = where

    def open(self, runtime_context: RuntimeContext) -> None:
        self.log.append(f"open {runtime_context.get_task_name_with_subtasks()}")
        if self.where == "open":
            raise ConnectionError("no database")

    def map(self, value: int) -> int:
        if value == self.fails_at and self.where == "map":
            raise ValueError("bad record")
        if value == self.fails_at and self.where == "exit":
            sys.exit(7)
        if value == self.fails_at and self.where == "unprintable":
            return EMPTY[Unprintable()]
        return value

    def close(self) -> None:
        self.log.append("close")
        if self.where == "close":
            raise RuntimeError("can't close")
        if self.where == "exit in close":
            sys.exit(8)


def job(
    function: MapFunction[int, int] | None = None, *, settings: TaskSettings | None = None, source: ListSource = TEN
) -> VirtualJob:
    """Source -> work -> sink, three tasks."""
    return VirtualJob(drawn(source, function), settings)


def drawn(source: ListSource = TEN, function: MapFunction[int, int] | None = None) -> Drawing:
    drawing = Drawing()
    read = drawing.source("source", source)
    work = drawing.vertex("work", MapSpecification(function or Watched()))
    sink = drawing.vertex("sink", SinkSpecification(LedgerSink("out")))
    drawing.edge(read, work, Partitioning.REBALANCE)
    drawing.edge(work, sink, Partitioning.REBALANCE)
    return drawing


def states(job_: VirtualJob, vertex: str) -> list[TaskState]:
    task = job_.task(vertex).place.task
    return [
        report.state
        for report in job_.reports
        if report.task == task and report.ended is None and not report.commits_restored
    ]


def test_from_deployment_to_finished() -> None:
    run = job()
    assert run.task("work").state is TaskState.DEPLOYING
    run.settle()
    assert run.task("work").state is TaskState.RUNNING
    assert run.ended
    assert LEDGERS == {}, "nothing goes outside before the final checkpoint"
    run.finish()
    assert LEDGERS["out"] == list(range(10))
    assert states(run, "work") == [TaskState.INITIALIZING, TaskState.RUNNING]
    assert Watched.log == ["open work (1/1)", "close"]
    totals = run.task("work").totals()
    assert (totals.records_in, totals.records_out) == (10, 10)


def test_the_final_checkpoint_counts_as_finished() -> None:
    run = job()
    run.finish(7)
    assert all(part.finished for part in run.parts[CheckpointId(7)].values())


def test_restored_as_ended_it_commits_and_is_told_again() -> None:
    """Law 5.3: killed between the final checkpoint and its commit."""
    run = job()
    run.settle()
    run.trigger(7, SnapshotKind.FINAL)
    run.settle()
    assert LEDGERS == {}
    again = VirtualJob(drawn(), restored=run.restored_from(7))
    again.settle()
    assert again.ended
    assert LEDGERS["out"] == list(range(10))
    assert [report.commits_restored for report in again.reports if report.commits_restored] == [True] * 3
    again.finish(8)
    assert LEDGERS["out"] == list(range(10))


@pytest.mark.parametrize("mode", StopMode)
@pytest.mark.parametrize("enumerated", [False, True])
def test_stopped_and_drained(mode: StopMode, enumerated: bool) -> None:
    """Law 5.1: it reads nothing more, and its open splits stay in its state."""
    source = ListSource((tuple(range(10)), tuple(range(10, 20))), has_enumerator=enumerated, batch=1)
    run = job(source=source)
    for _ in range(12):
        run.scheduler.step()
        run.do_blocking()
    for subtask in run.plan.triggered:
        run.tasks[subtask].stop(mode)
    run.finish(5)
    done = len(LEDGERS["out"])
    assert 0 < done < 20
    reasons = {task.ending.reason for task in run.tasks.values()}
    assert reasons <= {EndReason(mode.value), EndReason.INPUT}
    sink_part = run.parts[CheckpointId(5)][run.task("sink").place.task.subtask]
    assert sink_part.finished is (mode is StopMode.DRAIN)
    if mode is StopMode.STOP:
        again = VirtualJob(drawn(source), restored=run.restored_from(5))
        again.finish(9)
        assert sorted(LEDGERS["out"]) == list(range(20))


def test_a_function_that_raises_fails_its_task() -> None:
    run = job(Watched(fails_at=3))
    run.settle()
    [error] = run.errors
    assert isinstance(error, UserCodeError)
    [failure] = [report.failure for report in run.reports if report.failure is not None]
    assert (failure.kind, failure.operator, failure.record) == (FailureKind.USER, "Map 0", "3")
    assert 'raise ValueError("bad record")' in failure.source_line
    assert run.task("work").state is TaskState.FAILED
    assert Watched.log == ["open work (1/1)", "close"]
    assert not run.task("work").runnable


@pytest.mark.parametrize(
    ("where", "message", "line"),
    [
        ("exit", "FunctionExitError: a function called sys.exit(7)", "sys.exit(7)"),
        ("unprintable", "KeyError: <unprintable KeyError>", "return EMPTY[Unprintable()]"),
    ],
)
def test_whatever_a_function_raises_ends_its_task_alone(where: str, message: str, line: str) -> None:
    run = job(Watched(fails_at=3, where=where))
    run.settle()
    [failure] = [report.failure for report in run.reports if report.failure is not None]
    assert failure.kind is FailureKind.USER
    assert failure.message == message
    assert failure.source_line.endswith(line)


@pytest.mark.parametrize("where", ["close", "exit in close"])
def test_a_close_that_raises_behind_a_failure_changes_nothing(where: str) -> None:
    run = job(Watched(where=where))
    while run.task("work").totals().records_in < 4:
        run.scheduler.step()
    run.task("work").fail(ConnectionError("a lost peer"))
    run.settle()
    assert [str(error) for error in run.errors] == ["a lost peer"]


def test_an_open_that_raises_fails_its_task() -> None:
    run = job(Watched(where="open"))
    run.settle()
    assert states(run, "work") == [TaskState.INITIALIZING, TaskState.FAILED]
    assert Watched.log == ["open work (1/1)", "close"]


@pytest.mark.parametrize("where", ["close", "exit in close"])
def test_a_close_that_raises_at_the_end_fails_its_task(where: str) -> None:
    run = job(Watched(where=where))
    run.settle()
    run.trigger(1, SnapshotKind.FINAL)
    run.settle()
    run.complete(1, last=True)
    run.settle()
    assert run.task("work").state is TaskState.FAILED
    assert run.task("sink").state is TaskState.FINISHED


@pytest.mark.parametrize("where", ["close", "exit in close"])
def test_cancelled_in_the_middle(where: str) -> None:
    run = job(Watched(where=where), settings=TaskSettings(FlushRules(2, 100, 100), 10, 0))
    for _ in range(8):
        run.scheduler.step()
    for task in run.tasks.values():
        task.cancel()
        task.cancel()
    run.settle()
    assert {task.state for task in run.tasks.values()} == {TaskState.CANCELED}
    assert states(run, "work")[-2:] == [TaskState.CANCELING, TaskState.CANCELED]
    assert Watched.log == ["open work (1/1)", "close"]
    assert not run.errors


def many(value: int) -> Iterator[int]:
    """More than fits into a slice."""
    Watched.log.append("begun")
    try:
        for _ in range(20_000):
            yield value
    finally:
        Watched.log.append("ended")


def test_a_generator_in_the_middle_is_closed() -> None:
    drawing = Drawing()
    read = drawing.source("source", TEN)
    work = drawing.vertex("work", FlatMapSpecification(many))
    drawing.edge(read, work, Partitioning.REBALANCE)
    drawing.edge(work, drawing.collect("sink"), Partitioning.REBALANCE)
    run = VirtualJob(drawing)
    while "begun" not in Watched.log:
        run.scheduler.step()
    assert Watched.log == ["begun"]
    run.task("work").cancel()
    assert Watched.log == ["begun", "ended"]


def test_a_commit_that_fails_fails_the_task() -> None:
    run = job()
    run.settle()
    run.trigger(1, SnapshotKind.FINAL)
    run.settle()
    COMMITTED["out"] = None  # type: ignore[assignment]  # the committer trips over it
    run.complete(1, last=True)
    run.settle()
    assert run.task("sink").state is TaskState.FAILED
    assert run.task("work").state is TaskState.FINISHED


def test_a_task_that_is_over_acknowledges_nothing() -> None:
    """Its sinks have dropped what the pool still works on."""
    run = job()
    run.settle()
    run.trigger(1)
    while not run.pool:
        run.scheduler.step()
    run.task("sink").cancel()
    run.settle()
    assert {subtask.vertex for subtask in run.parts[CheckpointId(1)]} == {"source", "work"}
    assert run.declined == []


def test_what_was_given_up_is_not_acknowledged_though_it_becomes_durable() -> None:
    """Law 4.2, between the cut and the end of what the pool does for it."""
    run = job()
    run.settle()
    run.trigger(1)
    while not run.pool:
        run.scheduler.step()
    run.task("sink").aborted(CheckpointId(1))
    run.settle()
    assert {subtask.vertex for subtask in run.parts[CheckpointId(1)]} == {"source", "work"}
    run.finish(2)
    assert LEDGERS["out"] == list(range(10))


@pytest.mark.parametrize("why", ["aborted", "no leader"])
def test_what_an_alignment_held_back_goes_on_though_nothing_else_comes(why: str) -> None:
    """Law 4.2: a checkpoint that is given up while its task sleeps."""
    drawing = Drawing()
    out = drawing.collect("out")
    for name in ("one", "other"):
        drawing.edge(drawing.source(name, ListSource(((name,),))), out)
    run = VirtualJob(drawing)
    run.task("one").trigger(Barrier(CheckpointId(1)))
    run.settle()
    assert run.collected("out") == ["other"]
    if why == "aborted":
        run.task("out").aborted(CheckpointId(1))
    else:
        run.task("out").leader(present=False)
    run.settle()
    assert run.collected("out") == ["one"]


class Ringing(KeyedProcessFunction[int, int, str]):
    """Rings a second after midnight of 1970."""

    def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> None:
        ctx.timer_service().register_processing_time_timer(1_000)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[str]:
        yield f"{ctx.get_current_key()} rings"


def test_timers_of_a_task_whose_data_has_ended_are_silent_and_kept() -> None:
    """Law 5.1: behind the end of data only barriers pass."""
    specification = KeyedProcessSpecification(Ringing(), KeySelection(lambda value: value))
    drawing = Drawing()
    source = drawing.source("source", TEN)
    keyed = drawing.vertex("keyed", specification, CollectSpecification())
    drawing.edge(source, keyed, Partitioning.HASH, key=lambda value: value)
    run = VirtualJob(drawing)
    run.settle()
    assert run.ended
    run.pass_time(2_000)
    assert run.collected("keyed") == []
    run.finish(1)
    assert run.collected("keyed") == []
    contents = run.parts[CheckpointId(1)][run.task("keyed").place.task.subtask].operators[0]
    bench = OperatorBench(now=500)
    state = RestoredState(contents.lists, contents.runs, restored=True)
    KeyedProcessOperator(specification).open(bench.context(state))
    assert min(bench.due) == 1_001


def test_a_savepoint_commits_nothing() -> None:
    """Law 4.7: what it had prepared waits for the next checkpoint."""
    run = job()
    run.settle()
    run.trigger(1, SnapshotKind.SAVEPOINT)
    run.settle()
    run.complete(1, commits=False)
    run.settle()
    assert LEDGERS == {}
    run.finish(2)
    assert LEDGERS["out"] == list(range(10))
