"""A TaskManager process: the real core, and the real way to find the leader; virtual workers around it, and the network
between the workers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from millstream_dataflow.identity import (
    ChannelId,
    CheckpointId,
    Digest,
    Epoch,
    SessionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    WorkerId,
)
from millstream_dataflow.job_graph import JobGraph, Versions
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import Barrier
from millstream_runtime.leadership.discovery import LeaderWatch
from millstream_runtime.messages.codec import decode
from millstream_runtime.messages.deployments import DataAddress, DeployWorker
from millstream_runtime.messages.session import (
    CheckpointAborted,
    CheckpointAcknowledged,
    CheckpointCompleted,
    Heartbeat,
    PeerLost,
    StopSources,
    TriggerCheckpoint,
)
from millstream_runtime.messages.snapshots import TaskRestore, WorkerRestore
from millstream_runtime.messages.worker import CancelTasks, FromTasks, LeaderChanged, ToWorker
from millstream_runtime.states import TASK_STATES
from millstream_taskmanager.core import commands as c
from millstream_taskmanager.core import events as e
from millstream_taskmanager.core.core import Self, TaskManagerCore, TaskManagerSettings
from millstream_taskmanager.service.leaders import ElectedLeaders
from tests.simulation.outside import NODES, BrokenInvariantError, Committable, Record
from tests.simulation.process import Process
from tests.simulation.stores import Stores
from tests.simulation.story import brief
from tests.simulation.wire import TASKMANAGER, Stream
from tests.simulation.worker import SimulatedTask
from tests.simulation.world import World
from tests.simulation.zookeeper import VirtualZooKeeper

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster

VERSIONS = Versions("3.11", "0", "3", "26")
LEADER_ABSENCE = 3_000
"""Milliseconds after which a TaskManager cancels the tasks that no leader asks for (law 3.5)."""
SHUTDOWN_TIMEOUT = 1_500
"""Milliseconds that one which is to end waits until its tasks run elsewhere."""
REGISTRATION_TIMEOUT = 1_500
"""Milliseconds after which a leader that hasn't answered a registration counts as broken."""
_OBEYED = c.StartWorker | c.SendToWorker | c.KillWorker | c.DropJob


@dataclass(slots=True)
class _Line:
    """What is under way through a channel."""

    channel: ChannelId
    last: int = 0
    flying: deque[tuple[int, object]] = field(default_factory=deque[tuple[int, object]])
    target: SimulatedTask | None = None


class VirtualWorker:
    """A process with its tasks. When it dies, its peers see their connections close."""

    def __init__(self, taskmanager: VirtualTaskManager, deployment: DeployWorker) -> None:
        self.taskmanager = taskmanager
        self.world: World = taskmanager.world
        self.stores: Stores = taskmanager.cluster.stores
        self.deployment = deployment
        self.alive = True
        self.tasks: dict[SubtaskId, SimulatedTask] = {}
        self._lines: dict[ChannelId, _Line] = {}

    def start(self, graph: JobGraph, restores: dict[SubtaskId, TaskRestore]) -> None:
        """Make the tasks and let them run, once the process is up."""
        if not self.alive:
            return
        plan = Plan(graph)
        for subtask in self.deployment.subtasks:
            task = TaskId(self.deployment.attempt, subtask)
            self.stores.outside.ran.add(task)
            self.tasks[subtask] = SimulatedTask(task, plan.vertices[subtask.vertex], plan, self, restores.get(subtask))
        for made in self.tasks.values():
            made.start()

    def say(self, message: FromTasks) -> None:
        """To the TaskManager."""
        event = e.WorkerSaid(self.deployment.worker, message)
        if self.alive:
            self.taskmanager.deliver_later(event)

    def published(self, name: Committable, records: tuple[Record, ...], told: CheckpointId) -> None:
        """Commit outside."""
        self.stores.outside.commit(self.deployment.attempt.job, name, records, told)

    def send(self, channel: ChannelId, element: object) -> None:
        """Into a channel: in order, with a delay of its own."""
        line = self._lines.get(channel)
        if line is None:
            line = self._lines[channel] = _Line(channel)
        line.last = max(line.last, self.world.now + self.world.number(0, 12))
        line.flying.append((line.last, element))
        self.world.at(line.last, partial(self._arrive, line))

    def _arrive(self, line: _Line) -> None:
        """Deliver what is due, in order."""
        while self.alive and line.flying and line.flying[0][0] <= self.world.now:
            if line.target is None:
                line.target = self.taskmanager.cluster.target_of(self.deployment.attempt, line.channel)
            if line.target is None:
                # The peer isn't up yet; a connection is tried again until the deployment times out.
                self.world.after(5, 15, partial(self._arrive, line))
                return
            line.target.deliver(line.channel, line.flying.popleft()[1])

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


@dataclass(frozen=True, slots=True)
class _Session:
    """With a leader."""

    stream: Stream
    address: str
    ended: asyncio.Future[None]


class VirtualTaskManager(Process):
    """One TaskManager process. Its workers are others: they go on while it is stopped."""

    def __init__(self, cluster: Cluster, number: int, generation: int, slots: int) -> None:
        super().__init__(cluster.world, f"tm{number}.{generation}")
        self.cluster = cluster
        self.number = number
        self.generation = generation
        self.id = TaskManagerId(self.name)
        self.reachable_at = 0
        self.severed: dict[str, int] = {}
        """JobManagers that it can't reach, until when."""
        self._sessions = 0
        self._stream: Stream | None = None
        self._session: _Session | None = None
        self._tick_at: int | None = None
        address = DataAddress("h", number, f"/{self.name}", "m")
        me = Self(self.id, address, VERSIONS, f"resource-{number}")
        settings = TaskManagerSettings(slots, LEADER_ABSENCE, shutdown_timeout=SHUTDOWN_TIMEOUT)
        self.core = TaskManagerCore(me, settings)
        self.leaves_by: int | None = None
        """Until when it may go on, once it was told to end."""
        self.workers: dict[WorkerId, VirtualWorker] = {}
        self.zookeeper = VirtualZooKeeper(cluster.quorum, self)
        self.watch = LeaderWatch(self.zookeeper, NODES)
        self.zookeeper.start()
        self._watching = self.loop.create_task(self.watch.run())
        self._following = self.loop.create_task(self._follow(ElectedLeaders(self.watch)))

    # ------------------------------------------------------------ the leader

    async def _follow(self, leaders: ElectedLeaders) -> None:
        """One session after the other, with whoever was announced last."""
        while True:
            address = await leaders.find()
            stream = self._open(address)
            if stream is not None:
                another = self.loop.create_task(leaders.another())
                await asyncio.wait((another, stream.ended), return_when=asyncio.FIRST_COMPLETED)
                another.cancel()
                self._close(stream.stream, "another JobManager leads")
            await asyncio.sleep(self.world.number(5, 200) / 1_000)

    def _open(self, address: str) -> _Session | None:
        leader = self.cluster.at(address)
        cut_off = self.world.now < max(self.reachable_at, self.severed.get(address, 0))
        if leader is None or not leader.leads or leader.term is None or cut_off:
            return None
        self._sessions += 1
        session, term = SessionId(self.id, self._sessions), leader.term
        stream = Stream(self.world, session, self.cluster.doubled)
        opened = _Session(stream, address, self.loop.create_future())

        def closed(reason: str) -> None:
            if not opened.ended.done():
                opened.ended.set_result(None)
            self._closed(stream, reason)

        stream.join(
            lambda message: leader.heard(term, session, message),
            lambda message: self.do(lambda: self._heard(session, message)),
            [lambda reason: leader.closed(term, session, reason), lambda reason: self.do(lambda: closed(reason))],
        )
        self._session, self._stream = opened, stream
        term.streams.open[session] = stream
        self.deliver(e.LeaderConnected(session))
        self.after(REGISTRATION_TIMEOUT, REGISTRATION_TIMEOUT, lambda: self._check_registered(stream))
        return opened

    def _check_registered(self, stream: Stream) -> None:
        if self.core.unready == "unregistered":
            self._close(stream, "it was not registered in time")

    def _close(self, stream: Stream, reason: str) -> None:
        stream.cut(reason, by=TASKMANAGER)

    def _heard(self, session: SessionId, message: object) -> None:
        if not isinstance(message, tuple):
            return
        epoch, leader, body = message
        self.deliver(e.LeaderSaid(session, epoch, body), told_by=(epoch, leader))

    def _closed(self, stream: Stream, reason: str) -> None:
        if self._stream is stream:
            self._stream = None
            self.deliver(e.LeaderDisconnected(stream.session, reason))

    def cut(self, *, for_time: int = 0) -> None:
        """The stream breaks; for some time no new one can be had."""
        self.reachable_at = self.world.now + for_time
        if self._stream is not None:
            self._stream.cut("the network broke")

    def sever(self, address: str, time: int) -> None:
        """Nothing passes between it and a JobManager, and nobody is told."""
        self.severed[address] = self.world.now + time
        if self._stream is not None and self._session is not None and self._session.address == address:
            self._stream.silence()

    # ------------------------------------------------------------ events and commands

    def deliver(self, event: e.Event, told_by: tuple[Epoch, str] | None = None) -> None:
        """Something happened."""
        if not self.alive:
            return
        commands = self.core.handle(event, self.world.now)
        if told_by is not None and any(isinstance(command, _OBEYED) for command in commands):
            self.world.guard(lambda: self.cluster.outside.obeys(self.name, *told_by))
        for command in commands:
            self._carry_out(command)
        deadline = self.core.deadline()
        if deadline is not None and (self._tick_at is None or deadline < self._tick_at):
            self._tick_at = deadline
            self.world.at(deadline, lambda: self.do(lambda: self._tick(deadline)))

    def _tick(self, due: int) -> None:
        """One tick is asked for at a time, and asks for the next one."""
        if self._tick_at == due:
            self._tick_at = None
            self.deliver(e.Tick())

    def deliver_later(self, event: e.Event) -> None:
        """Through the worker's socket: in order, at once."""
        self.after(0, 0, lambda: self.deliver(event))

    def _carry_out(self, command: c.Command) -> None:  # noqa: C901, PLR0912  # one arm a command
        match command:
            case c.SendToLeader(session=session, message=message):
                if self._stream is not None and self._stream.session == session and self._stream.to_leader:
                    if self.world.tells and not isinstance(message, Heartbeat | CheckpointAcknowledged):
                        self.say(f"-> {brief(message)}")
                    self._stream.to_leader.send(message)
            case c.CloseSession(session=session, reason=reason):
                if self._stream is not None and self._stream.session == session:
                    self._close(self._stream, reason)
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
            case c.Leave():
                self.world.guard(self._may_leave)
                self.kill()
            case c.Tell(text=text):
                self.say(text)

    # ------------------------------------------------------------ workers

    def _start(self, deployment: DeployWorker) -> None:
        worker = VirtualWorker(self, deployment)
        self.workers[deployment.worker] = worker
        self.world.after(2, 40, lambda: self._fetched(worker))

    def _fetched(self, worker: VirtualWorker) -> None:
        """The blobs are here, if the leader still has them."""
        if not self.alive or not worker.alive:
            return
        restores = dict[SubtaskId, TaskRestore]()
        deployment = worker.deployment
        if deployment.restore is not None:
            leader = None if self._session is None else self.cluster.at(self._session.address)
            blob = None if leader is None else leader.fetched(Digest(deployment.restore.digest))
            if blob is None:
                worker.die("its restore could not be fetched")
                return
            restores = {restore.subtask: restore for restore in decode(WorkerRestore, blob).tasks}
        graph = self.cluster.stores.graphs[deployment.attempt.job]
        self.world.guard(lambda: worker.start(graph, restores))

    def worker_gone(self, worker: VirtualWorker, cause: str) -> None:
        """The forkserver says so."""
        self.workers.pop(worker.deployment.worker, None)
        self.say(f"worker {worker.deployment.worker[-6:]} gone: {cause}")
        event = e.WorkerExited(worker.deployment.worker, cause, crashed="signal" in cause)
        self.after(0, 20, lambda: self.deliver(event))

    def leave(self) -> None:
        """SIGTERM: its tasks are to run elsewhere first."""
        self.leaves_by = self.world.now + SHUTDOWN_TIMEOUT
        self.deliver(e.ToldToLeave())

    def _may_leave(self) -> None:
        if self.leaves_by is None or (self.workers and self.world.now < self.leaves_by):
            raise BrokenInvariantError(f"{self.name} leaves, and {list(self.workers)} run there")

    def kill(self) -> None:
        """SIGKILL: its workers die with it."""
        if not self.alive:
            return
        self.die()
        self.say("killed")
        self.zookeeper.process_died()
        if self._stream is not None:
            self._close(self._stream, "the TaskManager was killed")
        for worker in list(self.workers.values()):
            worker.die("its TaskManager was killed")
