"""A task's part of a checkpoint becomes durable, and only then it is acknowledged (law 4.3).

First what sinks have written, since the part names it: a checkpoint never names what a power cut could take away. What
is small travels inside the acknowledgement. Else a pool joins the parts, which are bytes already, and does the
system calls; checksums and writing don't hold the interpreter. A file's name carries region, attempt and chance, so
that two attempts never write the same one (law 1.4).

Of each task one job is in the pool at a time, so a disk that hangs holds one thread for each task that waits for it.
The parts behind it wait in a line. One that is given up leaves the line with its state, and with what its sinks have to
do: the next one's sinks do that as well (law 4.4).
"""

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

from millstream_dataflow.identity import CheckpointId, TaskId
from millstream_runtime.checkpoint_files.contents import ChannelContents, OperatorContents
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import CheckpointAcknowledged, CheckpointDeclined
from millstream_runtime.messages.snapshots import FileRef, InlineBytes
from millstream_runtime.messages.worker import FromWorker
from millstream_taskmanager.task.snapshot import TaskPart, stored_as
from millstream_taskmanager.user_code.errors import failure_of
from millstream_taskmanager.worker.threads import BlockingPool

T = TypeVar("T")

INLINE_LIMIT: Final = 20 << 10
"""Bytes of a task's state that need no file, unless the job says otherwise (law 3.3)."""


@dataclass(frozen=True, slots=True)
class SnapshotFiles:
    """How contents become bytes, and bytes a durable file (`millstream_runtime.checkpoint_files`)."""

    encode: Callable[[Sequence[OperatorContents], Sequence[ChannelContents]], list[bytes]]
    write: Callable[[str, str, Sequence[bytes]], FileRef]
    withdraw: Callable[[str, str], None]


@dataclass(slots=True)
class _Line:
    """The parts of one task that aren't acknowledged yet."""

    task: TaskId
    waiting: deque[TaskPart] = field(default_factory=deque[TaskPart])
    """Oldest first."""
    at_work: TaskPart | None = None
    """Whose job is in the pool; None: it was given up, or there is no job."""
    busy: bool = False
    """Whether there is a job in the pool."""

    def forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """A job that has begun can't be stopped, but nobody speaks of it."""

        def wanted(part: TaskPart) -> bool:
            return part.checkpoint != checkpoint and not (older_too and part.checkpoint < checkpoint)

        self.waiting = deque(filter(wanted, self.waiting))
        if self.at_work is not None and not wanted(self.at_work):
            self.at_work = None


class SnapshotWriter:
    """All parts of a worker's tasks that are under way."""

    def __init__(self, files: SnapshotFiles, pool: BlockingPool, say: Callable[[FromWorker], None]) -> None:
        self._files = files
        self._pool = pool
        self._say = say
        self.inline_limit = INLINE_LIMIT
        self._lines: dict[TaskId, _Line] = {}

    def store(self, task: TaskId, part: TaskPart) -> None:
        """Make it durable, then acknowledge it; decline it when that fails. What its sinks have written comes first."""
        if not part.make_durable and _size(part) <= self.inline_limit:
            self._store_inline(task, part)
            return
        line = self._lines.setdefault(task, _Line(task))
        line.waiting.append(part)
        self._go_on(line)

    def forget(self, task: TaskId, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """Whatever becomes of them, these are not spoken of any more."""
        if task in self._lines:
            self._lines[task].forget(checkpoint, older_too=older_too)

    def _go_on(self, line: _Line) -> None:
        while line.waiting and not line.busy:
            part = line.waiting.popleft()
            if part.make_durable:
                self._submit(line, part, partial(_make_durable, line), self._sinks_durable)
            else:
                self._store(line, part)

    def _submit(
        self,
        line: _Line,
        part: TaskPart | None,
        job: Callable[[], T],
        then: Callable[[_Line, TaskPart | None, T | Exception], None],
    ) -> None:
        """`job` asks the line whether its part is still wanted; `then` gets none when it was given up meanwhile."""
        line.at_work, line.busy = part, True

        def done(result: T | Exception) -> None:
            wanted, line.at_work, line.busy = line.at_work, None, False
            then(line, wanted, result)
            self._go_on(line)

        self._pool.submit(job, done)

    def _sinks_durable(self, line: _Line, part: TaskPart | None, error: Exception | None) -> None:
        if part is None:
            return
        if error is None:
            self._store(line, part)
        else:
            failure = failure_of(error)
            text = f"what it has written could not be made durable: {failure.message}"
            self._say(CheckpointDeclined(line.task, part.checkpoint, replace(failure, message=text)))

    def _store(self, line: _Line, part: TaskPart) -> None:
        size = _size(part)
        if size <= self.inline_limit:
            self._store_inline(line.task, part)
        elif part.directory:
            name = file_name(line.task, secrets.token_hex(8))
            self._submit(line, part, partial(self._write, line, name), partial(self._written, part.directory))
        else:
            text = f"{size:,} bytes of state need a file, but the checkpoint has no directory"
            self._decline(line.task, part, ValueError(text))

    def _store_inline(self, task: TaskId, part: TaskPart) -> None:
        try:
            has_state = part.operators or part.channels
            data = b"".join(self._files.encode(part.operators, part.channels)) if has_state else b""
        except Exception as error:  # noqa: BLE001  # whatever it is, the checkpoint can't have this part
            self._decline(task, part, error)
            return
        self._acknowledge(task, part, InlineBytes(data) if data else None)

    def _write(self, line: _Line, name: str) -> FileRef | None:
        part = line.at_work
        if part is None:
            return None
        return self._files.write(part.directory, name, self._files.encode(part.operators, part.channels))

    def _written(self, directory: str, line: _Line, part: TaskPart | None, result: FileRef | Exception | None) -> None:
        if part is None:
            if isinstance(result, FileRef):  # nobody will ever name it, so it has to go now
                self._submit(line, None, partial(self._files.withdraw, directory, result.path), _ignored)
        elif isinstance(result, FileRef):
            self._acknowledge(line.task, part, result)
        elif isinstance(result, Exception):
            self._decline(line.task, part, result)

    def _acknowledge(self, task: TaskId, part: TaskPart, handle: FileRef | InlineBytes | None) -> None:
        self._say(CheckpointAcknowledged(task, part.checkpoint, stored_as(part, handle)))

    def _decline(self, task: TaskId, part: TaskPart, error: Exception) -> None:
        where = f" in {part.directory}" if part.directory else ""
        text = f"the state of task {task} could not be stored{where}: {type(error).__name__}: {error}"
        self._say(CheckpointDeclined(task, part.checkpoint, Failure(FailureKind.EXTERNAL, text)))


def _make_durable(line: _Line) -> None:
    for job in _sink_jobs(line):
        job()


def _sink_jobs(line: _Line) -> tuple[Callable[[], None], ...]:
    """Without the state: a job that hangs keeps that of no checkpoint that is given up."""
    return () if line.at_work is None else line.at_work.make_durable


def _ignored(_line: _Line, _part: TaskPart | None, _result: Exception | None) -> None:
    """What couldn't be deleted goes with everything else of the job."""


def _size(part: TaskPart) -> int:
    """The bytes of its items, runs and frames: what lies around them is little."""
    in_flight = sum(len(item) for channel in part.channels for item in channel.items)
    return sum(map(_size_of, part.operators)) + in_flight


def _size_of(contents: OperatorContents) -> int:
    lists = sum(len(item) for stored in contents.lists for item in stored.items)
    return lists + sum(len(run.data) for run in contents.runs)


def file_name(task: TaskId, chance: str) -> str:
    """Of a data file."""
    attempt, subtask = task.attempt, task.subtask
    return f"{subtask.vertex}-{subtask.index}-r{attempt.region}-a{attempt.number}-{chance}"
