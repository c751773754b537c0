"""A worker process: it does what its TaskManager says, and tells it what its tasks do.

It stays when its tasks are over, failed ones too, until it is told to leave: what it has reported may not have been
heard (law 3.4), and a leader that wants it gone says so. When the TaskManager is gone it ends at once.
"""

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import checkpointing
from millstream_dataflow.identity import TaskId
from millstream_dataflow.records import Barrier
from millstream_runtime.checkpoint_files import encode_snapshot, withdraw_data_file, write_data_file
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import (
    CheckpointAborted,
    CheckpointCompleted,
    DropLeftovers,
    LimitSources,
    ListenOutput,
    OperatorReply,
    OperatorRequest,
    OutputTaken,
    PeerLost,
    Progress,
    StopSources,
    TaskReport,
    TaskStateChanged,
    TriggerCheckpoint,
)
from millstream_runtime.messages.worker import (
    CancelTasks,
    DropPeer,
    FromWorker,
    LeaderChanged,
    PeerConnected,
    PeerTaken,
    StartTasks,
    ToWorker,
)
from millstream_runtime.states import TaskState
from millstream_taskmanager.exchange.link import PeerLoss
from millstream_taskmanager.exchange.peers import Peers, between_hosts, peer_settings
from millstream_taskmanager.exchange.tls import wires_between_hosts
from millstream_taskmanager.exchange.wire import PlainWires, Wires
from millstream_taskmanager.task.source_task import SourceTask
from millstream_taskmanager.task.task import Task
from millstream_taskmanager.user_code.errors import failure_of
from millstream_taskmanager.worker.control import Control
from millstream_taskmanager.worker.deployment import ranks
from millstream_taskmanager.worker.doors import PeerLostError, Surroundings, TurnedTask, WorkerDoors
from millstream_taskmanager.worker.durability import SnapshotFiles, SnapshotWriter
from millstream_taskmanager.worker.loop import WorkerLoop
from millstream_taskmanager.worker.options import WorkerOptions
from millstream_taskmanager.worker.output import TaskOutputs
from millstream_taskmanager.worker.startup import Assignment, Building, build_tasks, read_assignment, startup_failure
from millstream_taskmanager.worker.task_log import TaskLog
from millstream_taskmanager.worker.threads import BlockingPool

_THREADS: Final = 4  # for durability: so many files are synced at once for little more than the price of one
_PROGRESS_MS: Final = 1_000
_FAREWELL_S: Final = 0.5  # for the last words of a worker that leaves; its TaskManager may be busy, or frozen


class Worker:
    """See the module."""

    def __init__(self, options: WorkerOptions, control: socket.socket, loop: WorkerLoop, outputs: TaskOutputs) -> None:
        self._options = options
        self._loop = loop
        self._outputs = outputs
        self._control = Control(control, loop.poller, self.obey)
        durability = BlockingPool("durability", _THREADS, loop.call_from_thread)
        files = SnapshotFiles(encode_snapshot, write_data_file, withdraw_data_file)
        snapshots = SnapshotWriter(files, durability, self._say)
        self._around = Surroundings(loop, outputs, snapshots, self._say)
        self._tasks: dict[TaskId, Task] = {}
        self._doors: dict[TaskId, WorkerDoors] = {}
        self._peers: Peers | None = None
        loop.before_poll = self._pass_on_output

    def run(self) -> None:
        """Until it is told to leave; TaskManagerGoneError when nobody is there to tell."""
        self._loop.run()
        if self._peers is not None:
            self._peers.close()
        self._say_farewell()

    # ----------------------------------------------------------------------------------------------- messages

    def obey(self, message: ToWorker) -> None:
        """Do what the TaskManager says. Called between steps."""
        match message:
            case StartTasks():
                self._start(message)
            case CancelTasks():
                self._leave()
            case PeerConnected() | DropPeer():
                self._to_peers(message)
            case ListenOutput() | OutputTaken():
                self._listen(message)
            case OperatorRequest():
                self._say(self._answer(message))
            case TriggerCheckpoint() | StopSources() | DropLeftovers() | LimitSources():
                self._to_some(message)
            case CheckpointCompleted() | CheckpointAborted() | LeaderChanged():
                self._to_all(message)
                if message == LeaderChanged(present=False):
                    self._outputs.interrupt()
                    self._wake_all()

    def _to_all(self, message: CheckpointCompleted | CheckpointAborted | LeaderChanged) -> None:
        for task in self._tasks.values():
            match message:
                case CheckpointCompleted(checkpoint=checkpoint, commits=commits, last=last):
                    task.completed(checkpoint, commits=commits, last=last)
                case CheckpointAborted(checkpoint=checkpoint, older_too=older_too):
                    task.aborted(checkpoint, older_too=older_too)
                case LeaderChanged(present=present):
                    task.leader(present=present)

    def _to_some(self, message: TriggerCheckpoint | StopSources | DropLeftovers | LimitSources) -> None:
        match message:
            case TriggerCheckpoint(tasks=tasks, checkpoint=checkpoint, kind=kind, directory=directory):
                for task in self._mine(tasks):
                    task.trigger(Barrier(checkpoint, kind, directory))
            case StopSources(tasks=tasks, mode=mode):
                for task in self._mine(tasks):
                    task.stop(mode)
            case DropLeftovers(task=owner, operator=operator, spared=spared):
                for task in self._mine([owner]):
                    task.drop_leftovers(operator, spared)
            case LimitSources(tasks=tasks, time=time):
                for task in self._mine(tasks):
                    if isinstance(task, SourceTask):
                        task.limit_time(time)

    def _mine(self, tasks: Iterable[TaskId]) -> Iterator[Task]:
        return (self._tasks[task] for task in tasks if task in self._tasks)

    def _answer(self, request: OperatorRequest) -> OperatorReply:
        """An INTERNAL failure is one that would come again as long as the task runs."""
        task = self._tasks.get(request.task)
        if task is None or task.over:
            gone = Failure(FailureKind.EXTERNAL, f"task {request.task} isn't running here any more; ask again")
            return OperatorReply(request.request, b"", gone)
        try:
            doors = self._doors[request.task]
            with self._outputs.speaking(doors.log):
                payload = task.ask(request.operator, request.payload)
        except BaseException as error:  # noqa: BLE001  # whoever asked hears what went wrong; the tasks go on
            return OperatorReply(request.request, b"", failure_of(error))
        return OperatorReply(request.request, payload)

    def _say(self, message: FromWorker) -> None:
        if isinstance(message, TaskStateChanged):  # what was printed before comes before
            self._send_output()
        self._control.say(message)

    # ------------------------------------------------------------------------------------------ begin and end

    def _start(self, orders: StartTasks) -> None:
        assignment = read_assignment(orders)
        try:
            self._turn(assignment, self._build(assignment))
        except BaseException as error:  # noqa: BLE001  # the user's modules and functions may raise what they like
            failure = startup_failure(error)
            for task in assignment.tasks:
                self._say(TaskStateChanged(TaskReport(task, TaskState.FAILED, failure)))

    def _build(self, assignment: Assignment) -> list[Task]:
        configuration = assignment.configuration(self._options.configuration)
        self._around.snapshots.inline_limit = configuration.get(checkpointing.INLINE_THRESHOLD)
        if len(assignment.deployment.workers) == 1:
            return build_tasks(assignment, Building(self._options, None, self._open_doors))
        peers = self._make_peers(assignment)
        # First of all: peers that connect while state is read, or operators open, find us and wait.
        peers.listen(assignment.orders.socket_path)
        try:
            tasks = build_tasks(assignment, Building(self._options, peers, self._open_doors))
        except BaseException:
            peers.close()
            raise
        peers.start()
        self._peers = peers
        self._loop.between_steps = peers.flush
        return tasks

    def _turn(self, assignment: Assignment, tasks: Iterable[Task]) -> None:
        rank_of = ranks(assignment.plan)
        for task in sorted(tasks, key=lambda task: -rank_of[task.place.task.subtask.vertex]):  # they open in this order
            name = task.place.task
            doors = self._doors[name]
            self._tasks[name] = task
            doors.turned = TurnedTask(task, doors.log, self._outputs)
            self._loop.scheduler.add(doors.turned, rank_of[name.subtask.vertex])
        self._loop.call_later(_PROGRESS_MS, self._report_progress)

    def _open_doors(self, task: TaskId) -> WorkerDoors:
        log = TaskLog(task, Path(self._options.directory), self._options.task_log_bytes)
        doors = self._doors[task] = WorkerDoors(task, log, self._around)
        return doors

    def _report_progress(self) -> None:
        if self._outputs.lose_patience(self._loop.delays.now()):
            self._wake_all()
        totals = tuple(task.totals() for task in self._tasks.values() if not task.over)
        if totals:
            self._say(Progress(totals))
            self._loop.call_later(_PROGRESS_MS, self._report_progress)

    def _leave(self) -> None:
        for name, task in self._tasks.items():
            with self._outputs.speaking(self._doors[name].log), suppress(KeyboardInterrupt):  # raised by close()
                task.cancel()
        self._loop.stop()

    def _say_farewell(self) -> None:
        self._send_output()
        end = time.monotonic() + _FAREWELL_S
        while self._control.unsent and time.monotonic() < end:
            self._loop.poller.poll(end - time.monotonic())

    # ------------------------------------------------------------------------------------------------- output

    def _pass_on_output(self) -> None:
        self._outputs.speaks(None)
        if self._outputs.gathered and not self._control.congested:
            self._send_output()

    def _send_output(self) -> None:
        for message in self._outputs.take():
            self._control.say(message)

    def _listen(self, message: ListenOutput | OutputTaken) -> None:
        match message:
            case ListenOutput(listen=listen):
                self._outputs.listen(listening=listen)
                self._wake_all()
            case OutputTaken(task=task, characters=characters):
                if (doors := self._doors.get(task)) is not None:
                    self._outputs.taken(doors.log, characters)
                    doors.wake()

    def _wake_all(self) -> None:
        """Tasks that have waited until what they print is taken."""
        for doors in self._doors.values():
            doors.wake()

    # -------------------------------------------------------------------------------------------------- peers

    def _make_peers(self, assignment: Assignment) -> Peers:
        own, attempt = assignment.placement, assignment.deployment.attempt
        wires: Wires = PlainWires()
        if between_hosts(own, assignment.deployment):
            wires = wires_between_hosts(Configuration.from_strings(self._options.configuration))
        settings = peer_settings(assignment.configuration(self._options.configuration), wires)

        def lost(loss: PeerLoss) -> None:
            if loss.taskmanager != own.taskmanager:
                self._say(PeerLost(attempt, loss.taskmanager))
            for name, task in self._tasks.items():
                with self._outputs.speaking(self._doors[name].log):
                    task.fail(PeerLostError(str(loss)))

        poller, call_later = self._loop.poller, self._loop.call_later
        return Peers(own.worker, assignment.deployment, poller, settings, lost, call_later)

    def _to_peers(self, message: PeerConnected | DropPeer) -> None:
        peers = self._peers
        if isinstance(message, PeerConnected):
            sock = self._control.take_socket()
            self._say(PeerTaken())
            if peers is None:
                sock.close()
            else:
                peers.adopt(sock)
        elif peers is not None:
            peers.drop(message.taskmanager, message.reason)
