"""Laws 4.5, 8.1 and 10 with records under way: crash anywhere, go on at any parallelism, and each record's results are
there once, whoever was asked how often.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import CheckpointId, OperatorId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification
from millstream_dataflow.operators.specifications import FlatMapSpecification, SinkSpecification
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.checkpoints.audit import operator_imbalances, operator_totals
from millstream_runtime.messages.session import StopMode
from millstream_runtime.messages.snapshots import OperatorCount
from millstream_runtime.states import TaskState
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.user_code.errors import UserCodeError
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.ledgers import LEDGERS, LedgerSink, empty_ledgers
from tests.support.services import SERVICE, asked
from tests.support.tasks import Drawing, ListSource, VirtualJob

ASYNC = OperatorId("wait/1")
RECORDS = tuple(range(60))


async def doubled(value: int) -> list[int]:
    """Two of each, when the service says so."""
    await asked(value)
    return [value, value]


def alone(value: int) -> list[int]:
    return [value]


@dataclass(frozen=True)
class Plan:
    """What happens: so many steps, then this, at that parallelism if it is a crash."""

    events: tuple[tuple[int, str, int], ...]
    first: int
    ordered: bool
    capacity: int


EVENTS = st.tuples(
    st.integers(0, 15),
    st.sampled_from(["answer", "answer", "answer the last", "checkpoint", "checkpoint", "crash"]),
    st.integers(1, 3),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    events = tuple(draw(st.lists(EVENTS, min_size=3, max_size=12)))
    return Plan(events, draw(st.integers(1, 3)), draw(st.booleans()), draw(st.integers(1, 6)))


def drawn(parallelism: int, *, ordered: bool, capacity: int) -> Drawing:
    drawing = Drawing()
    source = drawing.source("source", ListSource((RECORDS[:30], RECORDS[30:]), batch=3), parallelism=1)
    wait = drawing.vertex(
        "wait",
        FlatMapSpecification(alone),
        AsyncWaitSpecification(doubled, ordered, capacity),
        SinkSpecification(LedgerSink("out")),
        parallelism=parallelism,
    )
    drawing.edge(source, wait, Partitioning.REBALANCE)
    return drawing


class World:
    """A job, its last checkpoint, and its crashes."""

    def __init__(self, plan: Plan) -> None:
        empty_ledgers()
        SERVICE.forget()
        self.plan = plan
        self.settings = TaskSettings(FlushRules(4, 60, 100), 30, 30)
        self.job = VirtualJob(self.drawn(plan.first), self.settings)
        self.checkpoint = 0
        self.last: tuple[VirtualJob, int] | None = None
        self.pending = set[int]()
        self.restored: list[int] = []
        """How many records were under way with which each life began, but the first."""

    def drawn(self, parallelism: int) -> Drawing:
        return drawn(parallelism, ordered=self.plan.ordered, capacity=self.plan.capacity)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.job.coroutines.turn(0)
            self.job.scheduler.step()
            self.job.do_blocking()
            for checkpoint in sorted(self.pending):
                if len(self.job.parts.get(CheckpointId(checkpoint), ())) == len(self.job.tasks):
                    self.balance(checkpoint)
                    self.pending = {one for one in self.pending if one > checkpoint}
                    self.last = (self.job, checkpoint)
                    self.job.complete(checkpoint)

    def balance(self, checkpoint: int) -> None:
        """Law 10.2: restored held + received = processed + held, whatever restarts and rescales there were."""
        counts = {subtask: part.audit for subtask, part in self.job.parts[CheckpointId(checkpoint)].items()}
        assert operator_imbalances(self.job.plan, counts) == []

    def happen(self, what: str, parallelism: int) -> None:
        match what:
            case "answer" if SERVICE.waiting:
                SERVICE.answer(SERVICE.waiting[0], None)
            case "answer the last" if SERVICE.waiting:
                SERVICE.answer(SERVICE.waiting[-1], None)
            case "crash":
                job, checkpoint = self.completed()
                self.restored.append(totals(job, checkpoint).held)
                self.go_on(job, checkpoint, parallelism)
            case "checkpoint":
                self.checkpoint += 1
                self.pending.add(self.checkpoint)
                self.job.trigger(self.checkpoint)
            case _:
                pass

    def completed(self) -> tuple[VirtualJob, int]:
        """The last checkpoint. A life that has none yet takes one while records are under way: who restores nothing
        proves nothing.
        """
        if self.last is None or self.last[0] is not self.job:
            self.until(lambda: bool(SERVICE.waiting) or self.job.ended)
            self.happen("checkpoint", 0)
            self.until(lambda: self.last is not None and self.last[0] is self.job)
        assert self.last is not None
        return self.last

    def go_on(self, job: VirtualJob, checkpoint: int, parallelism: int) -> None:
        """Another life, from a checkpoint."""
        drawing = self.drawn(parallelism)
        restored = job.restored_from(checkpoint, drawing)
        self.job.coroutines.close()
        SERVICE.forget()
        self.job = VirtualJob(drawing, self.settings, restored)
        self.pending = set()

    def until(self, done: Callable[[], bool]) -> None:
        """Steps; answers come now and then."""
        for number in range(1, 2_000):
            if done():
                return
            self.steps(1)
            if number % 10 == 0 and SERVICE.waiting:
                SERVICE.answer(SERVICE.waiting[0], None)
        raise AssertionError("it never comes to that")

    def end(self) -> None:
        """Everybody is answered, and the job comes to its end."""
        for _ in range(1_000):
            self.job.settle()
            if self.job.ended:
                break
            assert SERVICE.waiting, "it stands still"
            SERVICE.answer_all()
        self.job.finish(self.checkpoint + 1)
        self.balance(self.checkpoint + 1)
        self.job.coroutines.close()


def test_whatever_happens_each_record_is_there_once() -> None:
    restored: list[int] = []

    @given(plans())
    def live(plan: Plan) -> None:
        world = World(plan)
        for steps, what, parallelism in plan.events:
            world.steps(steps)
            world.happen(what, parallelism)
        world.end()
        restored.extend(world.restored)
        assert Counter(LEDGERS["out"]) == Counter(dict.fromkeys(RECORDS, 2))
        counts = totals(world.job, world.checkpoint + 1)
        assert (counts.received, counts.processed, counts.held) == (len(RECORDS), len(RECORDS), 0)

    live()
    assert sum(held > 0 for held in restored) >= 3, f"crashes while records were under way: {restored}"


def totals(job: VirtualJob, checkpoint: int) -> OperatorCount:
    """What the operator has counted since the job's beginning."""
    return operator_totals(part.audit for part in job.parts[CheckpointId(checkpoint)].values())[ASYNC]


@pytest.fixture
def world() -> Iterator[World]:
    world = World(Plan((), 1, ordered=True, capacity=4))
    yield world
    world.job.coroutines.close()


def test_a_barrier_waits_for_no_answer() -> None:
    """Nobody has been answered, and the checkpoint is there: it has every record that was read."""
    empty_ledgers()
    SERVICE.forget()
    drawing = Drawing()
    source = drawing.source("source", ListSource((RECORDS,)))
    source.add(AsyncWaitSpecification(doubled, capacity=4))
    source.add(SinkSpecification(LedgerSink("out")))
    job = VirtualJob(drawing)
    job.settle()
    job.trigger(1)
    job.settle()
    assert SERVICE.waiting == SERVICE.asked == [0, 1, 2, 3]
    counts = operator_totals(part.audit for part in job.parts[CheckpointId(1)].values())
    assert counts[OperatorId("source/1")] == OperatorCount(OperatorId("source/1"), received=4, held=4)
    job.coroutines.close()


def test_after_a_stop_they_are_asked_for_again(world: World) -> None:
    """Law 5.1: what was under way is in the savepoint, and its results are in the output of the next job."""
    world.steps(20)
    for subtask in world.job.plan.triggered:
        world.job.tasks[subtask].stop(StopMode.STOP)
    world.until(lambda: world.job.ended)
    held = list(SERVICE.waiting)
    assert held
    world.job.trigger(1, SnapshotKind.FINAL)
    world.job.settle()
    SERVICE.answer_all()
    world.job.settle()
    world.job.complete(1, last=True)
    world.job.settle()
    assert {task.state for task in world.job.tasks.values()} == {TaskState.FINISHED}
    assert not set(LEDGERS.get("out", [])) & set(held), "an ended task emits nothing more"
    world.go_on(world.job, 1, 2)
    world.job.settle()
    assert set(held) <= set(SERVICE.asked)
    world.end()
    assert Counter(LEDGERS["out"]) == Counter(dict.fromkeys(RECORDS, 2))


def test_a_failing_coroutine_fails_its_task_and_leaves_none_behind(world: World) -> None:
    world.job.settle()
    SERVICE.answer(SERVICE.waiting[1], ConnectionError("refused"))
    world.job.settle()
    [error] = world.job.errors
    assert "ConnectionError: refused" in str(error)
    assert isinstance(error, UserCodeError)
    assert error.record == "1"
    assert not world.job.coroutines.alive
    assert world.job.task("wait").state is TaskState.FAILED


def test_cancel_leaves_none_behind(world: World) -> None:
    world.job.settle()
    waiting = list(SERVICE.waiting)
    assert waiting
    world.job.task("wait").cancel()
    assert SERVICE.cancelled == waiting
    assert not world.job.coroutines.alive


def test_a_stream_that_is_held_back_holds_no_more_than_its_capacity_and_a_batch(world: World) -> None:
    world.job.settle()
    wait: Any = world.job.task("wait").chain.find(ASYNC)
    assert wait._queue.under_way == 4
    assert not world.job.task("wait").chain.accepts
    assert wait._queue.held <= 4 + 8
