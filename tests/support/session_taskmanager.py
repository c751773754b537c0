"""A TaskManager that speaks the session protocol over a real gRPC connection, and does what it is told at once: its
tasks run as soon as they are deployed, and acknowledge a checkpoint as soon as it is triggered.

One holds all tasks of a job, so a trigger reaches every one of them. A test can keep it from doing its part, and see
everything that it was told.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc

from millstream_dataflow.identity import (
    CheckpointId,
    Digest,
    Epoch,
    RegionAttempt,
    SessionId,
    TaskId,
    TaskManagerId,
    WorkerId,
)
from millstream_dataflow.job_graph import BlobRef, JobGraph
from millstream_dataflow.keys import group_range
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import EndReason
from millstream_proto.blobs_pb2 import FetchRequest
from millstream_proto.session_pb2 import JobManagerMessage, TaskManagerMessage
from millstream_proto.session_pb2_grpc import TaskManagerGatewayStub
from millstream_runtime.messages.codec import body_reader, decode, to_body, to_message
from millstream_runtime.messages.deployments import DataAddress, DeployWorker, RegionDeployment
from millstream_runtime.messages.parts import PartJoiner, split_message
from millstream_runtime.messages.session import (
    CancelRegion,
    CheckpointAcknowledged,
    CheckpointCompleted,
    ConfirmAcknowledged,
    FromJobManager,
    FromTaskManager,
    JobEnded,
    RegionEnded,
    Register,
    StopSources,
    TaskReport,
    TaskStateChanged,
    TriggerCheckpoint,
    WorkerEnded,
    WorkerReport,
)
from millstream_runtime.messages.snapshots import (
    AuditCounts,
    ChannelCount,
    InlineBytes,
    ListState,
    OperatorCount,
    OperatorSnapshot,
    Redistribution,
    TaskSnapshot,
)
from millstream_runtime.states import TaskState
from millstream_runtime.versions import own_versions

_read_body = body_reader(FromJobManager)


class SessionTaskManager:
    """One TaskManager process, with as many sessions one after the other as a test likes."""

    def __init__(self, target: str, name: str = "tm-1", slots: int = 4) -> None:
        self.target = target
        self.session = SessionId(TaskManagerId(name), 0)
        self.slots = slots
        self.versions = own_versions()
        self.epoch = Epoch(0)
        """The highest it has seen."""
        self.told: list[FromJobManager] = []
        """Everything that it was told, in order."""
        self.holding = False
        """Checkpoints are triggered and never acknowledged."""
        self.workers: dict[WorkerId, DeployWorker] = {}
        self.tasks: dict[TaskId, TaskReport] = {}
        self.plans: dict[RegionAttempt, Plan] = {}
        self.acknowledgements: dict[tuple[TaskId, CheckpointId], CheckpointAcknowledged] = {}
        self.messages = 0
        """How many envelopes have arrived, parts and all."""
        self.answer: Callable[[FromJobManager], FromTaskManager | None] = lambda _: None
        """What a test wants said to a message beside everything else."""
        self._heard = asyncio.Event()
        self._call: Any = None
        self._gateway: Any = None

    # ------------------------------------------------------------ the stream

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[SessionTaskManager]:
        """A session, from its registration to the end of the block."""
        async with grpc.aio.insecure_channel(self.target) as channel:
            self.session = replace(self.session, number=self.session.number + 1)
            self._gateway = TaskManagerGatewayStub(channel)
            self._call = self._gateway.Session()
            await self.say(self.registration())
            listening = asyncio.create_task(self._listen())
            try:
                yield self
            finally:
                self._call.cancel()
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    def registration(self) -> Register:
        """The whole truth."""
        workers = tuple(WorkerReport(name, worker.attempt, worker.slot) for name, worker in self.workers.items())
        return Register(
            DataAddress("127.0.0.1", 1, "", self.session.taskmanager),
            self.slots,
            self.versions,
            self.epoch,
            f"resource of {self.session.taskmanager}",
            workers,
            tuple(self.tasks.values()),
            tuple(self.acknowledgements.values()),
        )

    async def say(self, message: FromTaskManager, limit: int = 256 << 10) -> None:
        """Into the stream."""
        whole = to_body(TaskManagerMessage, message, session=to_message(self.session), epoch=self.epoch)
        for part in split_message(whole, limit):
            await self._call.write(part)

    async def say_raw(self, message: TaskManagerMessage) -> None:
        """An envelope as it is."""
        await self._call.write(message)

    async def ended(self) -> grpc.aio.AioRpcError:
        """How the JobManager ended the stream."""
        await self._call.code()
        return grpc.aio.AioRpcError(
            await self._call.code(), await self._call.initial_metadata(), await self._call.trailing_metadata(),
            await self._call.details(),
        )  # fmt: skip

    async def _listen(self) -> None:
        joiner: PartJoiner[JobManagerMessage] = PartJoiner()
        while (part := await self._call.read()) is not grpc.aio.EOF:
            self.messages += 1
            whole = joiner.feed(part)
            if whole is None:
                continue
            self.epoch = max(self.epoch, Epoch(whole.epoch))
            message = _read_body(whole)
            self.told.append(message)
            await self._obey(message)
            if (answer := self.answer(message)) is not None:
                await self.say(answer)
            self._heard.set()

    async def heard(self, kind: type[Any], number: int = 1) -> Any:  # noqa: ANN401  # the message of that kind
        """Wait until that many messages of a kind have come; the last of them."""
        while len(found := [message for message in self.told if isinstance(message, kind)]) < number:
            self._heard.clear()
            await self._heard.wait()
        return found[number - 1]

    async def fetch(self, blob: BlobRef | Digest) -> bytes:
        """A blob by its digest."""
        digest = blob.digest if isinstance(blob, BlobRef) else blob
        data = b"".join([chunk.data async for chunk in self._gateway.Fetch(FetchRequest(digest=digest))])
        assert hashlib.sha256(data).hexdigest() == digest
        return data

    # ------------------------------------------------------------ what it is told

    async def _obey(self, message: FromJobManager) -> None:  # noqa: C901  # one arm a message
        match message:
            case DeployWorker():
                await self._deploy(message)
            case TriggerCheckpoint(tasks=tasks, checkpoint=checkpoint) if not self.holding:
                for task in self.tasks_of(tasks[0].attempt):
                    await self.acknowledge(task, checkpoint)
            case CheckpointCompleted(attempt=attempt, last=True):
                for task in self.tasks_of(attempt):
                    await self.report(replace(self.tasks[task], state=TaskState.FINISHED))
            case ConfirmAcknowledged(task=task, checkpoint=checkpoint):
                self.acknowledgements.pop((task, checkpoint), None)
            case StopSources(tasks=tasks, mode=mode):
                await self.end_of_data(tasks[0].attempt, EndReason(mode.value))
            case CancelRegion(attempt=attempt) | RegionEnded(attempt=attempt):
                await self.end_region(attempt)
            case JobEnded(job=job):
                for attempt in {task.attempt for task in self.tasks if task.attempt.job == job}:
                    await self.end_region(attempt)
                self.tasks = {task: report for task, report in self.tasks.items() if task.attempt.job != job}
            case _:
                pass

    async def _deploy(self, message: DeployWorker) -> None:
        if message.worker in self.workers:
            return
        self.plans[message.attempt] = Plan(decode(JobGraph, await self.fetch(message.graph)))
        decode(RegionDeployment, await self.fetch(message.deployment))
        self.workers[message.worker] = message
        for state in (TaskState.DEPLOYING, TaskState.INITIALIZING, TaskState.RUNNING):
            for subtask in message.subtasks:
                await self.report(TaskReport(TaskId(message.attempt, subtask), state))

    async def report(self, report: TaskReport) -> None:
        """A task moved."""
        self.tasks[report.task] = report
        await self.say(TaskStateChanged(report))

    async def end_of_data(self, attempt: RegionAttempt, reason: EndReason) -> None:
        """Every task of the attempt comes to the end of its input."""
        for task in self.tasks_of(attempt):
            await self.report(replace(self.tasks[task], ended=reason))

    async def end_region(self, attempt: RegionAttempt) -> None:
        """Its workers leave."""
        for name, worker in [(n, w) for n, w in self.workers.items() if w.attempt == attempt]:
            del self.workers[name]
            for subtask in worker.subtasks:
                self.tasks.pop(TaskId(attempt, subtask), None)
            await self.say(WorkerEnded(name, attempt, worker.slot, died=False, cause="it was asked to leave"))

    async def acknowledge(self, task: TaskId, checkpoint: CheckpointId) -> None:
        """The task's part is durable."""
        message = CheckpointAcknowledged(task, checkpoint, self.snapshot(task, checkpoint))
        self.acknowledgements[task, checkpoint] = message
        await self.say(message)

    def tasks_of(self, attempt: RegionAttempt) -> list[TaskId]:
        """All tasks of an attempt that run here."""
        return [task for task in self.tasks if task.attempt == attempt]

    def snapshot(self, task: TaskId, checkpoint: CheckpointId) -> TaskSnapshot:
        """A part whose counters balance with everybody else's: ten records a checkpoint and channel."""
        plan = self.plans[task.attempt]
        vertex, index, records = plan.vertices[task.subtask.vertex], task.subtask.index, 10 * checkpoint
        sent = [
            ChannelCount(c, records) for edge in plan.edges_from(vertex.id) for c in plan.channels_from(edge, index)
        ]
        received = [
            ChannelCount(c, records) for edge in plan.edges_to(vertex.id) for c in plan.channels_to(edge, index)
        ]
        groups = group_range(index, vertex.parallelism, vertex.max_parallelism)
        operators = [
            OperatorSnapshot(o.id, groups.start, groups.stop)
            if o.keyed
            else OperatorSnapshot(o.id, lists=(ListState("items", Redistribution.SPLIT, 3),))
            for o in vertex.operators
        ]
        counts = tuple(OperatorCount(o.id, received=records, processed=records) for o in vertex.operators)
        ended = self.tasks[task].ended
        audit = AuditCounts(tuple(sent), tuple(received), counts)
        return TaskSnapshot(
            InlineBytes(b"state"), tuple(operators), audit, finished=ended is not None and ended is not EndReason.STOP
        )
