"""A TaskManager process: the real core, virtual workers around it, and the network between the workers."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from millstream_dataflow.identity import (
    ChannelId,
    CheckpointId,
    Digest,
    SessionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    WorkerId,
)
from millstream_dataflow.job_graph import JobGraph, Versions
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import Barrier
from millstream_runtime.messages.codec import decode
from millstream_runtime.messages.deployments import DataAddress, DeployWorker
from millstream_runtime.messages.session import (
    CheckpointAborted,
    CheckpointCompleted,
    PeerLost,
    StopSources,
    TriggerCheckpoint,
)
from millstream_runtime.messages.snapshots import TaskRestore, WorkerRestore
from millstream_runtime.messages.worker import CancelTasks, FromWorker, LeaderChanged, ToWorker
from millstream_runtime.states import TASK_STATES
from millstream_taskmanager.core import commands as c
from millstream_taskmanager.core import events as e
from millstream_taskmanager.core.core import Self, TaskManagerCore, TaskManagerSettings
from tests.simulation.outside import Committable, Record
from tests.simulation.stores import Stores
from tests.simulation.wire import Stream
from tests.simulation.worker import SimulatedTask
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster

VERSIONS = Versions("3.11", "0", "3", "26")
LEADER_ABSENCE = 3_000
"""Milliseconds after which a TaskManager cancels the tasks that no leader asks for (law 3.5)."""


class VirtualWorker:
    """A process with its tasks. When it dies, its peers see their connections close."""

    def __init__(self, taskmanager: VirtualTaskManager, deployment: DeployWorker) -> None:
        self.taskmanager = taskmanager
        self.world: World = taskmanager.world
        self.stores: Stores = taskmanager.cluster.stores
        self.deployment = deployment
        self.alive = True
        self.tasks: dict[SubtaskId, SimulatedTask] = {}
        self._last: dict[ChannelId, int] = {}
        self._flying: dict[ChannelId, deque[tuple[int, object]]] = {}

    def start(self, graph: JobGraph, restores: dict[SubtaskId, TaskRestore]) -> None:
        """Make the tasks and let them run, once the process is up."""
        if not self.alive:
            return
        plan = Plan(graph)
        for subtask in self.deployment.subtasks:
            task = TaskId(self.deployment.attempt, subtask)
            self.tasks[subtask] = SimulatedTask(task, plan.vertices[subtask.vertex], plan, self, restores.get(subtask))
        for made in self.tasks.values():
            made.start()

    def say(self, message: FromWorker) -> None:
        """To the TaskManager."""
        event = e.WorkerSaid(self.deployment.worker, message)
        if self.alive:
            self.taskmanager.deliver_later(event)

    def published(self, name: Committable, records: tuple[Record, ...], told: CheckpointId) -> None:
        """Commit outside."""
        self.stores.outside.commit(self.deployment.attempt.job, name, records, told)

    def send(self, channel: ChannelId, element: object) -> None:
        """Into a channel: in order, with a delay of its own."""
        time = max(self._last.get(channel, 0), self.world.now + self.world.random.randint(0, 12))
        self._last[channel] = time
        self._flying.setdefault(channel, deque()).append((time, element))
        self.world.at(time, lambda: self._arrive(channel))

    def _arrive(self, channel: ChannelId) -> None:
        """Deliver what is due, in order."""
        flying = self._flying[channel]
        while self.alive and flying and flying[0][0] <= self.world.now:
            task = self.taskmanager.cluster.target_of(self.deployment.attempt, channel)
            if task is None:
                # The peer isn't up yet; a connection is tried again until the deployment times out.
                self.world.after(5, 15, lambda: self._arrive(channel))
                return
            task.deliver(channel, flying.popleft()[1])

    def obey(self, message: ToWorker) -> None:  # noqa: C901, PLR0912  # one arm a message
        """An order of the TaskManager."""
        if not self.alive:
            return
        match message:
            case TriggerCheckpoint(tasks=tasks, checkpoint=checkpoint, kind=kind, directory=directory):
                for task in self._mine(tasks):
                    task.trigger(Barrier(checkpoint, kind, directory))
            case StopSources(tasks=tasks, mode=mode):
                for task in self._mine(tasks):
                    task.stop(mode)
            case CheckpointCompleted():
                for task in self.tasks.values():
                    task.completed(message)
            case CheckpointAborted():
                for task in self.tasks.values():
                    task.aborted(message)
            case LeaderChanged(present=present):
                for task in self.tasks.values():
                    task.leader(present=present)
            case CancelTasks(reason=reason):
                self._leave(reason)
            case _:
                pass

    def _mine(self, tasks: tuple[TaskId, ...]) -> list[SimulatedTask]:
        return [self.tasks[task.subtask] for task in tasks if task.subtask in self.tasks]

    def _leave(self, reason: str) -> None:
        """Most workers leave when asked; some must be killed."""
        if self.world.chance(0.8):
            self.world.after(0, 50, lambda: self.die(reason))

    def die(self, cause: str) -> None:
        """The process is gone."""
        if not self.alive:
            return
        self.alive = False
        self.taskmanager.worker_gone(self, cause)
        for peer in self.taskmanager.cluster.peers_of(self):
            self.world.after(0, 30, partial(peer.lost, self))

    def lost(self, peer: VirtualWorker) -> None:
        """A connection closed: the tasks fail, unless everything of theirs is FINISHED."""
        if not self.alive or all(TASK_STATES.is_final(task.reported) for task in self.tasks.values()):
            return
        if peer.taskmanager is not self.taskmanager:
            self.say(PeerLost(self.deployment.attempt, peer.taskmanager.id))
        for task in self.tasks.values():
            if not TASK_STATES.is_final(task.reported):
                task.fail(f"the connection with {peer.deployment.worker[-4:]} closed", secondary=True)


class VirtualTaskManager:
    """One TaskManager process."""

    def __init__(self, cluster: Cluster, number: int, generation: int, slots: int) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.number = number
        self.generation = generation
        self.name = f"tm{number}.{generation}"
        self.id = TaskManagerId(self.name)
        self.alive = True
        self.reachable_at = 0
        self._sessions = 0
        self._stream: Stream | None = None
        address = DataAddress("h", number, f"/{self.name}", "m")
        me = Self(self.id, address, VERSIONS, f"resource-{number}")
        self.core = TaskManagerCore(me, TaskManagerSettings(slots, leader_absence_timeout=LEADER_ABSENCE))
        self.workers: dict[WorkerId, VirtualWorker] = {}
        self.world.after(0, 30, self._connect)

    # ------------------------------------------------------------ the leader

    def _connect(self) -> None:
        if not self.alive or self._stream is not None:
            return
        leader = self.cluster.leader
        if leader is None or not leader.alive or self.world.now < self.reachable_at:
            self.world.after(20, 80, self._connect)
            return
        self._sessions += 1
        session = SessionId(self.id, self._sessions)
        stream = Stream(self.world, session, self.cluster.doubled)
        stream.join(
            lambda message: leader.heard(session, message),
            lambda message: self._heard(session, message),
            [lambda reason: leader.closed(session, reason), lambda reason: self._closed(stream, reason)],
        )
        self._stream = stream
        leader.streams[session] = stream
        self.deliver(e.LeaderConnected(session))

    def _heard(self, session: SessionId, message: object) -> None:
        if self.alive and isinstance(message, tuple):
            epoch, body = message
            self.deliver(e.LeaderSaid(session, epoch, body))

    def _closed(self, stream: Stream, reason: str) -> None:
        if self._stream is stream:
            self._stream = None
            if self.alive:
                self.deliver(e.LeaderDisconnected(stream.session, reason))
                self.world.after(5, 60, self._connect)

    def cut(self, *, for_time: int = 0) -> None:
        """The stream breaks; for some time no new one can be had."""
        self.reachable_at = self.world.now + for_time
        if self._stream is not None:
            self._stream.cut("the network broke")

    # ------------------------------------------------------------ events and commands

    def deliver(self, event: e.Event) -> None:
        """Something happened."""
        if not self.alive:
            return
        for command in self.core.handle(event, self.world.now):
            self._carry_out(command)
        if (deadline := self.core.deadline()) is not None:
            self.world.at(deadline, self._tick)

    def _tick(self) -> None:
        deadline = self.core.deadline()
        if self.alive and deadline is not None and deadline <= self.world.now:
            self.deliver(e.Tick())

    def deliver_later(self, event: e.Event) -> None:
        """Through the worker's socket: in order, at once."""
        self.world.after(0, 0, lambda: self.deliver(event))

    def _carry_out(self, command: c.Command) -> None:  # noqa: C901  # one arm a command
        match command:
            case c.SendToLeader(session=session, message=message):
                if self._stream is not None and self._stream.session == session and self._stream.to_leader:
                    self.world.say(self.name, f"-> {type(message).__name__}")
                    self._stream.to_leader.send(message)
            case c.CloseSession(session=session, reason=reason):
                if self._stream is not None and self._stream.session == session:
                    self._stream.cut(reason)
            case c.StartWorker(deployment=deployment):
                self._start(deployment)
            case c.SendToWorker(worker=worker, message=message):
                if worker in self.workers:
                    target = self.workers[worker]
                    self.world.after(0, 0, lambda: target.obey(message))
            case c.KillWorker(worker=worker, reason=reason):
                if worker in self.workers:
                    self.workers[worker].die(reason)
            case c.DropJob():
                pass
            case c.Tell(text=text):
                self.world.say(self.name, text)

    # ------------------------------------------------------------ workers

    def _start(self, deployment: DeployWorker) -> None:
        worker = VirtualWorker(self, deployment)
        self.workers[deployment.worker] = worker
        self.world.after(2, 40, lambda: self._fetched(worker))

    def _fetched(self, worker: VirtualWorker) -> None:
        """The blobs are here, if the leader still has them."""
        if not self.alive or not worker.alive:
            return
        leader, restores = self.cluster.leader, dict[SubtaskId, TaskRestore]()
        deployment = worker.deployment
        if deployment.restore is not None:
            blob = leader.blobs.get(Digest(deployment.restore.digest)) if leader and leader.alive else None
            if blob is None:
                worker.die("its restore could not be fetched")
                return
            restores = {restore.subtask: restore for restore in decode(WorkerRestore, blob).tasks}
        graph = self.cluster.stores.graphs[deployment.attempt.job]
        self.cluster.guard(lambda: worker.start(graph, restores))

    def worker_gone(self, worker: VirtualWorker, cause: str) -> None:
        """The forkserver says so."""
        self.workers.pop(worker.deployment.worker, None)
        self.world.say(self.name, f"worker {worker.deployment.worker[-6:]} gone: {cause}")
        event = e.WorkerExited(worker.deployment.worker, cause, crashed="signal" in cause)
        self.world.after(0, 20, lambda: self.deliver(event))

    def kill(self) -> None:
        """SIGKILL: its workers die with it."""
        self.alive = False
        self.world.say(self.name, "killed")
        if self._stream is not None:
            self._stream.cut("the TaskManager was killed")
        for worker in list(self.workers.values()):
            worker.die("its TaskManager was killed")
