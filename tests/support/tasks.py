"""Jobs of real tasks under a virtual clock: a graph drawn in a few lines, run step by step, without a process."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it has no types

from millstream_dataflow.connectors import Source
from millstream_dataflow.identity import (
    CheckpointId,
    Digest,
    EdgeId,
    JobId,
    OperatorId,
    RegionAttempt,
    RegionId,
    SubtaskId,
    TaskId,
    VertexId,
)
from millstream_dataflow.job_graph import BlobRef, Edge, JobGraph, OperatorSummary, Partitioning, Versions, Vertex
from millstream_dataflow.operators.chain import HEAD, ChainInput, ChainNode, ChainOutput, ChainSpecification
from millstream_dataflow.operators.specifications import (
    CollectSpecification,
    EnumeratorSpecification,
    KeySelection,
    OperatorSpecification,
    ReaderSpecification,
)
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import Barrier, SnapshotKind
from millstream_dataflow.time import WatermarkStrategy
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.session import SourceTime, TaskReport
from millstream_runtime.states import TaskState
from millstream_taskmanager.operators.base import OperatorContext, TaskPlace
from millstream_taskmanager.operators.collect import CollectOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.task.restored import Restored
from millstream_taskmanager.task.snapshot import TaskPart
from millstream_taskmanager.task.task import Task
from millstream_taskmanager.user_code.errors import failure_of
from millstream_taskmanager.worker.coroutines import Coroutines, CoroutinesOfTask
from millstream_taskmanager.worker.deployment import deploy, ranks
from millstream_taskmanager.worker.orders import Orders
from millstream_taskmanager.worker.scheduler import Delays, ScheduledCall, Scheduler
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.list_source import ListSource, Nothing
from tests.support.restores import metadata_of, restored_onto

__all__ = ["JOB", "Draft", "Drawing", "ListSource", "Nothing", "OperatorBench", "VirtualDoors", "VirtualJob", "parse"]

JOB = JobId("job")


# ------------------------------------------------------------------------------------------------ drawing a graph


@dataclass
class Draft:
    """A vertex as it is drawn: its operators in a row, or with parents and tags."""

    name: str
    parallelism: int
    nodes: list[ChainNode]
    triggered: bool
    inputs: list[ChainInput] = field(default_factory=list[ChainInput])
    outputs: list[ChainOutput] = field(default_factory=list[ChainOutput])

    def add(self, specification: OperatorSpecification, parent: int = -2, tag: str = "") -> int:
        """One more operator; by default behind the last. Gives its number."""
        number = len(self.nodes)
        above = number - 1 if parent == -2 else parent
        name = f"{type(specification).__name__.removesuffix('Specification')} {number}"
        self.nodes.append(ChainNode(OperatorId(f"{self.name}/{number}"), name, specification, above, tag))
        return number


class Drawing:
    """A job graph as a test draws it."""

    def __init__(self, configuration: Mapping[str, str] | None = None) -> None:
        self._drafts: list[Draft] = []
        self._edges: list[Edge] = []
        self._configuration = dict(configuration or {})

    def vertex(self, name: str, *operators: OperatorSpecification, parallelism: int = 1) -> Draft:
        """A vertex of operators in a row."""
        head = operators[0]
        enumerator = isinstance(head, EnumeratorSpecification)
        static = isinstance(head, ReaderSpecification) and not head.source.has_enumerator
        draft = Draft(name, parallelism, [], triggered=enumerator or static)
        for number, specification in enumerate(operators):
            draft.add(specification, number - 1 if number else HEAD)
        self._drafts.append(draft)
        return draft

    def edge(
        self,
        source: Draft,
        target: Draft,
        partitioning: Partitioning = Partitioning.FORWARD,
        *,
        node: int = -1,
        tag: str = "",
        key: Callable[[Any], Any] | None = None,
        custom: Callable[[Any, int], int] | None = None,
        number: int = 0,
    ) -> None:
        """An edge from an operator of the source (the last by default) to input `number` of the target."""
        id_, ends = EdgeId(len(self._edges)), (VertexId(source.name), VertexId(target.name))
        self._edges.append(Edge(id_, *ends, partitioning, tag=tag, input=number))
        node = node if node >= 0 else len(source.nodes) - 1
        source.outputs.append(ChainOutput(id_, node, tag, None, key and KeySelection(key), custom))
        target.inputs.append(ChainInput(id_, input=number))

    def source(
        self, name: str, source: Source[Any], strategy: WatermarkStrategy[Any] | None = None, *, parallelism: int = 1
    ) -> Draft:
        """A reader, with its enumerator where the source has one."""
        strategy = strategy or WatermarkStrategy.no_watermarks()
        reader = self.vertex(name, ReaderSpecification(source, strategy), parallelism=parallelism)
        if source.has_enumerator:
            enumerator = self.vertex(f"{name}-splits", EnumeratorSpecification(source))
            self.edge(enumerator, reader, Partitioning.SPLITS)
        return reader

    def collect(self, name: str, *, parallelism: int = 1) -> Draft:
        """A vertex that keeps what comes."""
        return self.vertex(name, CollectSpecification(), parallelism=parallelism)

    def graph(self) -> tuple[JobGraph, dict[Digest, bytes]]:
        """Graph and blobs."""
        blobs: dict[Digest, bytes] = {}
        vertices: list[Vertex] = []
        for draft in self._drafts:
            blob = cloudpickle.dumps(ChainSpecification(draft.nodes, draft.inputs, draft.outputs))
            reference = BlobRef(Digest(draft.name), len(blob))
            blobs[reference.digest] = blob
            operators = tuple(OperatorSummary(node.id, node.name, "drawn") for node in draft.nodes)
            id_, width = VertexId(draft.name), draft.parallelism
            vertex = Vertex(id_, draft.name, width, 128, "default", operators, reference, draft.triggered)
            head = draft.nodes[0].specification
            aligned = head.strategy.alignment if isinstance(head, ReaderSpecification) else None
            vertices.append(replace(vertex, alignment=aligned))
        versions = Versions("3", "0", "3", "26")
        return JobGraph(JOB, "drawn", tuple(vertices), tuple(self._edges), versions, self._configuration), blobs


# -------------------------------------------------------------------------------------------------- running it


class VirtualDoors:
    """Doors of one task in a virtual job."""

    def __init__(self, job: "VirtualJob") -> None:
        self._job = job
        self.task: Task | None = None
        self.coroutines = CoroutinesOfTask(job.coroutines)
        self._under_way = set[CheckpointId]()

    @property
    def delays(self) -> "VirtualDoors":
        return self

    def work_clock(self) -> float:
        return self._job.worked

    def now(self) -> int:
        return self._job.now

    def call_at(self, time: int, action: Callable[[], None]) -> ScheduledCall:
        return self._job.scheduler.call_at(time, action)

    def wake(self) -> None:
        if self.task is not None:
            self._job.scheduler.wake(self.task)

    def rounds(self) -> int:
        return self._job.scheduler.rounds

    def report(self, report: TaskReport) -> None:
        self._job.reports.append(report)

    def tell_time(self, time: SourceTime) -> None:
        self._job.hears(time)

    def acknowledge(self, part: TaskPart) -> None:
        if not part.make_durable:
            self._durable(part)
            return
        self._under_way.add(part.checkpoint)

        def run() -> None:
            for job in part.make_durable:
                job()

        def then(error: Exception | None) -> None:
            if part.checkpoint not in self._under_way:
                return
            self._under_way.remove(part.checkpoint)
            if error is None:
                self._durable(part)
            else:
                self.decline(part.checkpoint, failure_of(error))

        self._job.pool.append((run, then))

    def _durable(self, part: TaskPart) -> None:
        assert self.task is not None
        self._job.parts.setdefault(part.checkpoint, {})[self.task.place.task.subtask] = part

    def forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        gone = {one for one in self._under_way if one == checkpoint or (older_too and one < checkpoint)}
        self._under_way -= gone

    def decline(self, checkpoint: CheckpointId, failure: Failure) -> None:
        assert self.task is not None
        self._job.declined.append((self.task.place.task.subtask, checkpoint, failure))

    def fail(self, report: TaskReport, error: Exception) -> None:
        self._job.reports.append(report)
        self._job.errors.append(error)

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        self._job.pool.append((job, then))

    fetch = run_blocking

    def write_out(self, text: str) -> None:
        self._job.printed.append(text)

    def malformed(self, operator: str, record: str, place: str, reason: str) -> None:
        self._job.printed.append(f"{operator}: {place}: {reason}: {record}")


class VirtualJob:
    """All tasks of a graph in one thread. The test is the JobManager."""

    deploy = staticmethod(deploy)

    def __init__(
        self,
        drawing: Drawing,
        settings: TaskSettings | None = None,
        restored: Mapping[SubtaskId, Restored] | None = None,
        *,
        now: int = 0,
        rank: Mapping[str, int] | None = None,
    ) -> None:
        """`rank` overrules in which order vertices have their turns."""
        graph, blobs = drawing.graph()
        self.plan = Plan(graph)
        self.now = now
        self.worked = 0.0
        """The clock of work, milliseconds: who works in a test says how long it took."""
        self.scheduler = Scheduler()
        self.coroutines = Coroutines()
        """To be closed by a test whose functions have some."""
        self.reports: list[TaskReport] = []
        self.hears: Callable[[SourceTime], None] = lambda _: None
        self.parts: dict[CheckpointId, dict[SubtaskId, TaskPart]] = {}
        self.declined: list[tuple[SubtaskId, CheckpointId, Failure]] = []
        self.errors: list[Exception] = []
        self.printed: list[str] = []
        self.pool = deque[tuple[Callable[[], None], Callable[[Exception | None], None]]]()
        attempts = {subtask: RegionAttempt(JOB, self.plan.region_of[subtask], 1) for subtask in self.plan.subtasks}
        orders = Orders(
            self.plan, attempts, settings or TaskSettings(), lambda blob: blobs[blob.digest], restored or {}
        )
        doors: dict[TaskId, VirtualDoors] = {}
        tasks = self.deploy(orders, lambda task: doors.setdefault(task, VirtualDoors(self)))
        self.tasks = {task.place.task.subtask: task for task in tasks}
        rank_of = {**ranks(self.plan), **{VertexId(name): number for name, number in (rank or {}).items()}}
        for task in tasks:
            doors[task.place.task].task = task
            self.scheduler.add(task, rank_of[task.place.task.subtask.vertex])

    def task(self, vertex: str, index: int = 0) -> Task:
        """One of the tasks."""
        return self.tasks[SubtaskId(VertexId(vertex), index)]

    def settle(self) -> None:
        """Run until nothing is left to do at this time; jobs of the pool are done when the tasks rest."""
        for _ in range(100_000):
            self.scheduler.run_timers(self.now)
            steps = 0
            while steps < 10_000 and self.scheduler.step():
                steps += 1
            assert steps < 10_000, "it never comes to rest"
            self.coroutines.turn(0)
            if self._runnable():
                continue
            if not self.pool:
                if (self.scheduler.next_timer() or self.now + 1) > self.now and not self._runnable():
                    return
                continue
            self.do_blocking()

    def do_blocking(self) -> None:
        """The next job of the pool, if there is one."""
        if not self.pool:
            return
        job, then = self.pool.popleft()
        try:
            job()
        except Exception as error:  # noqa: BLE001  # any connector's
            then(error)
        else:
            then(None)

    def _runnable(self) -> bool:
        return any(task.runnable for task in self.tasks.values())

    def pass_time(self, milliseconds: int, step: int = 50) -> None:
        """Let time pass, in small steps."""
        for _ in range(0, milliseconds, step):
            self.now += step
            self.settle()

    @property
    def ended(self) -> bool:
        """Whether all tasks have reported the end of their data."""
        return {report.task for report in self.reports if report.ended is not None} == {
            task.place.task for task in self.tasks.values()
        }

    def trigger(self, checkpoint: int, kind: SnapshotKind = SnapshotKind.CHECKPOINT) -> None:
        """As the coordinator would."""
        for subtask in self.plan.triggered:
            self.tasks[subtask].trigger(Barrier(CheckpointId(checkpoint), kind))

    def complete(self, checkpoint: int, *, commits: bool = True, last: bool = False) -> None:
        """As the coordinator would."""
        assert len(self.parts[CheckpointId(checkpoint)]) == len(self.tasks), "not all have acknowledged"
        for task in self.tasks.values():
            task.completed(CheckpointId(checkpoint), commits=commits, last=last)

    def finish(self, checkpoint: int = 99) -> None:
        """To the end of the data, the final checkpoint, and the end."""
        self.settle()
        assert not self.errors, self.errors
        assert self.ended, [(str(s), t.ending.phase.value) for s, t in self.tasks.items()]
        self.trigger(checkpoint, SnapshotKind.FINAL)
        self.settle()
        self.complete(checkpoint, last=True)
        self.settle()
        assert {task.state for task in self.tasks.values()} == {TaskState.FINISHED}

    def collected(self, vertex: str) -> list[Any]:
        """What a collecting vertex has got since the last call, subtask by subtask."""
        return [record for part in self.collected_by_subtask(vertex) for record in part]

    def collected_by_subtask(self, vertex: str) -> list[list[Any]]:
        """The same, apart."""
        found: list[list[Any]] = []
        for index in range(self.plan.vertices[VertexId(vertex)].parallelism):
            operators = self.task(vertex, index).chain.operators
            found += [operator.fetch() for operator in operators if isinstance(operator, CollectOperator)]
        return found

    def restored_from(self, checkpoint: int, onto: Drawing | None = None) -> dict[SubtaskId, Restored]:
        """What a job begins with when it goes on from a checkpoint of this one: of the same form, or of another."""
        id_ = CheckpointId(checkpoint)
        metadata = metadata_of(self.plan, self.tasks, self.parts[id_], id_)
        return restored_onto(self.plan if onto is None else Plan(onto.graph()[0]), metadata)


# -------------------------------------------------------------------------------------------- one operator alone


class OperatorBench:
    """What an operator asks its task for, without a task."""

    def __init__(self, *, now: int = 0, subtask: int = 0, parallelism: int = 1) -> None:
        self.time = now
        self.due: list[int] = []
        self.pool = deque[tuple[Callable[[], None], Callable[[Exception | None], None]]]()
        self.turns = 0  # all tasks have had one whenever the operator asks
        self.printed: list[str] = []
        self.delays = Delays(lambda: self.time)
        self.resumed = 0
        self.all_coroutines = Coroutines()
        """To be closed by a test whose functions have some."""
        self.coroutines = CoroutinesOfTask(self.all_coroutines)
        attempt = RegionAttempt(JOB, RegionId(0), 1)
        task = TaskId(attempt, SubtaskId(VertexId("vertex"), subtask))
        self.place = TaskPlace(task, "Vertex", parallelism, 128, {"answer": "42"}, "Job")

    def context(self, state: RestoredState | None = None) -> OperatorContext:
        """The context of an operator called `Operator`."""
        return OperatorContext(OperatorId("op"), "Operator", self.place, self, state or RestoredState())

    def now(self) -> int:
        return self.time

    def call_at(self, time: int, operator: OperatorId) -> None:
        self.due.append(time)

    def resume(self, operator: OperatorId) -> None:
        self.resumed += 1

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        self.pool.append((job, then))

    def rounds(self) -> int:
        self.turns += 1
        return self.turns

    def write_out(self, text: str) -> None:
        self.printed.append(text)

    def malformed(self, operator: str, record: str, place: str, reason: str) -> None:
        self.printed.append(f"{operator}: {place}: {reason}: {record}")


def parse(text: str) -> int:
    """A function that raises, in a module that travels by reference."""
    return int(text)
