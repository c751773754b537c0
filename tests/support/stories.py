"""Stories about the JobManager's core: what a line does, and how what the core said is printed.

    register a 2 [as RESOURCE]       a TaskManager opens a session; again after `close` or a restart of the leader
    submit keyed|pipelines|forward|staged P [endless] [harmless] [from PATH] [accepting]
    run MS / until STATE
    kill worker a.0 / fail sink[0] MESSAGE [secondary] [final] [damaged]
    misses sink[0] 1.2               it can't read what attempt 2 of region 1 has left
    finish source                    all tasks of a vertex, and so of its stage
    lose a / close a / peer b lost a / mute a / deafen a / stubborn a / freeze a
    kill jobmanager / start jobmanager
    overtaken a 1                    the registration of its session 1 comes only now
    leave a                          it is told to end, and waits to be dismissed
    forget a                         it loses all its workers and says nothing of it
    another job                      from here on the lines speak of the next job
    acknowledge sink[1] of attempt 1 for 2
    late failure sink[1] of attempt 1 MESSAGE [final] [damaged]
    hold sink[0] / release sink[0] [for newest] / decline sink[0] N / miscount CHANNEL
    end input / stop NAME [drain] / savepoint NAME / cancel
    store RULE [RULE ...] / storage RULE [...] / always store RULE / let go
    damage PATH / heal / unreachable PATH / status / repeat submit

`harmless`: no sink commits outside. `accepting`: duplicates. Rules are those of `core_shell.Rule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from millstream_dataflow.identity import (
    CheckpointId,
    JobId,
    RegionAttempt,
    RegionId,
    SessionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    VertexId,
)
from millstream_dataflow.job_graph import JobGraph
from millstream_dataflow.records import EndReason
from millstream_jobmanager.core import commands as c
from millstream_jobmanager.core.events import MessageReceived, SessionOpened
from millstream_jobmanager.core.region_states import RegionState
from millstream_runtime.messages import session as m
from millstream_runtime.messages.client import CancelJob, JobStatus, StopJob, TriggerSavepoint
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.snapshots import TaskSnapshot
from millstream_runtime.states import JobState, TaskState
from tests.support.core_shell import CoreShell, Rule
from tests.support.fake_taskmanager import FakeTaskManager
from tests.support.graphs import forward_only, keyed_job, staged_job, two_pipelines

SILENT = (m.Heartbeat, m.ConfirmAcknowledged)
"""Said so often that a story would drown in it."""


class CoreTeller:
    """Does what a line says; what came of it are the commands of the core, one a line, with the time in front."""

    def __init__(self, shell: CoreShell) -> None:
        self.shell = shell
        self._said: list[str] = []
        shell.heard = self._hear
        self._verbs: Mapping[str, Callable[[list[str]], None]] = {
            "acknowledge": self._acknowledge,
            "always": lambda words: setattr(self._place(words[0]), "always", Rule(words[1])),
            "another": lambda _: self._another(),
            "cancel": lambda _: self._ask(CancelJob(shell.current)),
            "close": lambda words: shell.close(words[0]),
            "damage": lambda words: shell.damaged.add(words[0]),
            "deafen": lambda words: setattr(self._member(words[0]), "deaf", True),
            "decline": self._decline,
            "end": lambda _: self._end_input(),
            "fail": self._fail,
            "forget": lambda words: self._member(words[0]).die(),
            "finish": self._finish,
            "freeze": lambda words: setattr(self._member(words[0]), "frozen", True),
            "heal": lambda _: shell.heal(),
            "hold": lambda words: shell.holding.add(words[0]),
            "kill": self._kill,
            "leave": lambda words: self._member(words[0]).leave(),
            "let": lambda _: shell.let_go(),
            "lose": lambda words: shell.lose(words[0]),
            "miscount": lambda words: shell.losing.add(" ".join(words)),
            "misses": self._misses,
            "mute": lambda words: setattr(self._member(words[0]), "mute", True),
            "late": self._late_failure,
            "overtaken": self._overtaken,
            "peer": self._peer,
            "register": self._register,
            "release": self._release,
            "repeat": lambda _: self._submit(shell.graphs[shell.current]),
            "run": lambda words: shell.run(int(words[0])),
            "savepoint": lambda words: self._ask(TriggerSavepoint(shell.current, words[0])),
            "start": lambda _: shell.start_jobmanager(),
            "status": lambda _: self._status(),
            "stop": self._stop,
            "storage": lambda words: shell.storage.rules.extend(map(Rule, words)),
            "store": lambda words: shell.store.rules.extend(map(Rule, words)),
            "stubborn": lambda words: setattr(self._member(words[0]), "stubborn", True),
            "submit": self._submitted,
            "unreachable": lambda words: shell.unreachable.add(words[0]),
            "until": lambda words: shell.until_state(JobState[words[0]]),
        }

    def __call__(self, line: str) -> Iterable[str]:
        """Do it."""
        verb, *words = line.split()
        self._said = []
        self._verbs[verb](words)
        return self._said

    def _hear(self, command: c.Command) -> None:
        text = said(command, self.shell.records)
        if text:
            self._said.append(f"{self.shell.now:>6}  {text}")

    # ------------------------------------------------------------ who is meant

    def _member(self, name: str) -> FakeTaskManager:
        return self.shell.taskmanagers[name]

    def _place(self, name: str) -> object:
        return {"store": self.shell.store, "storage": self.shell.storage}[name]

    def _task(self, text: str) -> tuple[FakeTaskManager, TaskId]:
        """`sink[0]`, in its present attempt."""
        vertex, index = text.rstrip("]").split("[")
        subtask = SubtaskId(VertexId(vertex), int(index))
        region = self.shell.job().context.region_of(subtask)
        return self._member(region.holder(subtask)), TaskId(region.attempt, subtask)

    # ------------------------------------------------------------ what a line does

    def _register(self, words: list[str]) -> None:
        slots = int(words[1]) if len(words) > 1 else 1
        self.shell.register(words[0], slots, " ".join(words[3:]))

    def _overtaken(self, words: list[str]) -> None:
        member = self._member(words[0])
        self.shell.handle(SessionOpened(SessionId(member.name, int(words[1])), member.registration()))

    def _submitted(self, words: list[str]) -> None:
        shape, parallelism, *options = words
        bounded, commits = "endless" not in options, "harmless" not in options
        if shape == "keyed":
            graph = keyed_job(int(parallelism), bounded=bounded, commits=commits, job=self.shell.current)
        elif shape == "staged":
            graph = staged_job(int(parallelism), commits=commits, job=self.shell.current)
        elif shape == "pipelines":
            graph = two_pipelines(int(parallelism), bounded=bounded, commits=commits, job=self.shell.current)
        else:
            graph = forward_only(int(parallelism), job=self.shell.current)
        path = options[options.index("from") + 1] if "from" in options else ""
        self._submit(graph, path, accept="accepting" in options)

    def _submit(self, graph: JobGraph, path: str = "", *, accept: bool = False) -> None:
        self.shell.submit(graph, restore_path=path, accept_duplicates=accept)

    def _ask(self, ask: CancelJob | StopJob | TriggerSavepoint) -> None:
        self.shell.ask(ask)

    def _stop(self, words: list[str]) -> None:
        mode = m.StopMode.DRAIN if "drain" in words else m.StopMode.STOP
        self._ask(StopJob(self.shell.current, words[0], mode))

    def _kill(self, words: list[str]) -> None:
        if words[0] == "jobmanager":
            self.shell.kill_jobmanager()
        else:
            name, slot = words[1].split(".")
            self._member(name).kill_worker(int(slot))

    def _fail(self, words: list[str]) -> None:
        taskmanager, task = self._task(words[0])
        kind = FailureKind.CHECKPOINT if "damaged" in words else FailureKind.USER
        failure = Failure(kind, words[1], secondary="secondary" in words, restartable="final" not in words)
        taskmanager.report(m.TaskReport(task, TaskState.FAILED, failure))

    def _misses(self, words: list[str]) -> None:
        taskmanager, task = self._task(words[0])
        region, attempt = map(int, words[1].split("."))
        lost = RegionAttempt(task.attempt.job, RegionId(region), attempt)
        failure = Failure(FailureKind.EXTERNAL, f"what attempt {words[1]} has left is damaged", result=lost)
        taskmanager.report(m.TaskReport(task, TaskState.FAILED, failure))

    def _finish(self, words: list[str]) -> None:
        tasks = [task for region in self.shell.job().context.regions for task in region.task_ids]
        for attempt in sorted({task.attempt for task in tasks if task.subtask.vertex == words[0]}):
            for taskmanager in self.shell.taskmanagers.values():
                taskmanager.finish(attempt)

    def _peer(self, words: list[str]) -> None:
        """`peer b lost a`."""
        region = self.shell.job().context.regions[0]
        message = m.PeerLost(region.attempt, TaskManagerId(words[2]))
        self.shell.handle(MessageReceived(self._member(words[0]).session, message))

    def _another(self) -> None:
        self.shell.current = JobId(f"job-{len(self.shell.records) + 1}")

    def _acknowledge(self, words: list[str]) -> None:
        """`sink[1] of attempt 1 for 2`: a part that comes late, or twice."""
        taskmanager, task = self._task(words[0])
        former = replace(task, attempt=replace(task.attempt, number=int(words[3])))
        snapshot = TaskSnapshot(None)
        self.shell.say(taskmanager, m.CheckpointAcknowledged(former, CheckpointId(int(words[5])), snapshot))

    def _late_failure(self, words: list[str]) -> None:
        """`late failure sink[1] of attempt 1 boom [final] [damaged]`: it comes when the region was cancelled."""
        taskmanager, task = self._task(words[1])
        former = replace(task, attempt=replace(task.attempt, number=int(words[4])))
        kind = FailureKind.CHECKPOINT if "damaged" in words else FailureKind.USER
        failure = Failure(kind, words[5], restartable="final" not in words)
        self.shell.say(taskmanager, m.TaskStateChanged(m.TaskReport(former, TaskState.FAILED, failure)))

    def _release(self, words: list[str]) -> None:
        self.shell.holding.discard(words[0])
        taskmanager, task = self._task(words[0])
        waiting = sorted(number for other, number in taskmanager.aligning if other == task)
        for checkpoint in waiting[-1:] if "newest" in words else waiting:
            taskmanager.answer(task, checkpoint)

    def _decline(self, words: list[str]) -> None:
        taskmanager, task = self._task(words[0])
        taskmanager.decline(task, CheckpointId(int(words[1])), Failure(FailureKind.EXTERNAL, "no room"))

    def _end_input(self) -> None:
        for region in self.shell.job().context.regions:
            if self.shell.plan(self.shell.current).staged and region.state is not RegionState.RUNNING:
                continue
            next(iter(self.shell.taskmanagers.values())).end_of_data(region.attempt, EndReason.INPUT)

    def _status(self) -> None:
        self._said.append(shown(self.shell.job().status()))


# -------------------------------------------------------------------------------------------------- printing


def said(command: c.Command, records: Mapping[JobId, JobRecord]) -> str:  # noqa: C901, PLR0911  # one arm a command
    """A command as a line; nothing for what would only be noise."""
    match command:
        case c.Send(session=session, message=message):
            text = "" if isinstance(message, SILENT) else message_text(message)
            return f"-> {session.taskmanager}: {text}" if text else ""
        case c.CloseSession(session=session, reason=reason):
            return f"close session {session}: {reason}"
        case c.StoreRecord(record=record):
            return f"store version {record.version}: {', '.join(changes(records.get(record.job), record)) or 'again'}"
        case c.DeleteRecord():
            return "delete the record"
        case c.WriteMetadata(path=path, metadata=metadata):
            return f"write {path}/_metadata with {len(metadata.tasks)} parts"
        case c.LoadMetadata(path=path):
            return f"load {path}/_metadata"
        case c.DiscardCheckpoint(path=path):
            return f"discard {path}"
        case c.DiscardJob(kept=kept):
            return f"discard the job's data, keep {', '.join(kept) or 'nothing'}"
        case c.PublishBlob():
            return ""
        case c.Reply(status=status, refusal=refusal):
            return f"reply: {shown(status) if status else ''}{f'refused: {refusal}' if refusal else ''}"
        case c.StepDown(reason=reason):
            return f"STEP DOWN: {reason}"
        case c.Tell(text=text, warning=warning):
            return f"{'! ' if warning else ''}{text}"


def shown(status: JobStatus) -> str:
    """A line of `millstream list`."""
    note = f" ({status.note})" if status.note else ""
    return f"{status.state.name}{note}{f' because: {status.failure}' if status.failure else ''}"


def message_text(message: m.FromJobManager) -> str:  # noqa: C901, PLR0911, PLR0912  # one arm a message
    """A message to a TaskManager."""
    match message:
        case m.Registered():
            return "registered"
        case DeployWorker(attempt=attempt, slot=slot, subtasks=subtasks, restore=restore):
            return f"deploy {number(attempt)} in slot {slot}: {names(subtasks)}{' with state' if restore else ''}"
        case m.CancelRegion(attempt=attempt, grace=grace):
            return f"cancel {number(attempt)} within {grace} ms"
        case m.RegionEnded(attempt=attempt):
            return f"{number(attempt)} has ended"
        case m.ReleaseRegion(attempt=attempt):
            return f"release the workers of {number(attempt)}"
        case m.TriggerCheckpoint(tasks=tasks, checkpoint=checkpoint, kind=kind):
            return f"trigger {kind.value} {checkpoint} at {names(task.subtask for task in tasks)}"
        case m.CheckpointCompleted(attempt=attempt, checkpoint=checkpoint, commits=commits, last=last):
            return f"{checkpoint} is complete for {number(attempt)}{', commit' * commits}{', end' * last}"
        case m.CheckpointAborted(attempt=attempt, checkpoint=checkpoint, older_too=older):
            return f"{checkpoint}{' and older' * older} is given up for {number(attempt)}"
        case m.StopSources(tasks=tasks, mode=mode):
            return f"{mode.value} {names(task.subtask for task in tasks)}"
        case m.DropLeftovers(task=task, spared=spared):
            return f"drop leftovers at {task.subtask}, spare {list(spared)}"
        case m.JobEnded():
            return "the job has ended"
        case m.Dismissed():
            return "dismissed"
        case _:
            return f"{message}"


def number(attempt: RegionAttempt) -> str:
    """`0.2`: the second attempt of region 0."""
    return f"{attempt.region}.{attempt.number}"


def names(subtasks: Iterable[SubtaskId]) -> str:
    """Subtasks in a row."""
    return " ".join(f"{subtask.vertex}[{subtask.index}]" for subtask in subtasks)


def changes(before: JobRecord | None, after: JobRecord) -> Iterator[str]:
    """What a record says that the stored one doesn't."""
    if before is None:
        yield "a new job"
    if before is None or before.state is not after.state:
        yield after.state.name
    if after.intent is not (before.intent if before else after.intent):
        yield f"intent {after.intent.value}"
    for region in after.regions:
        if before is None or region not in before.regions:
            places = " ".join(f"{worker.taskmanager}.{worker.slot}" for worker in region.workers)
            yield f"{number(region.attempt)} on {places}"
    if before is not None:
        yield from _checkpoint_changes(before, after)


def _checkpoint_changes(before: JobRecord, after: JobRecord) -> Iterator[str]:
    if after.reserved_checkpoints != before.reserved_checkpoints:
        yield f"ids below {after.reserved_checkpoints} reserved"
    old, new = ({point.path: point for point in record.checkpoints} for record in (before, after))
    yield from (f"+{path}" for path in new if path not in old)
    yield from (f"-{path}" for path in old if path not in new)
    yield from (f"retains {path}" for path in new if path in old and old[path].discardable > new[path].discardable)
    yield from (f"asked {request.request}" for request in after.savepoints if request not in before.savepoints)
    yield from (f"damaged {path}" for path in new if path in old and old[path].damaged < new[path].damaged)
    for result in after.results:
        if result not in before.results:
            yield f"answered {result.request} with {result.path or result.failure}"
    if after.failure is not None:
        yield f"because: {after.failure}"
