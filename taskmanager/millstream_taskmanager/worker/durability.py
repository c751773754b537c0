"""A task's part of a checkpoint becomes durable, and only then it is acknowledged (law 4.3).

First what sinks have written, since the part names it: a checkpoint never names what a power cut could take away. What
is small travels inside the acknowledgement. Else a pool joins the parts, which are bytes already, and does the
system calls; checksums and writing don't hold the interpreter. A file's name carries region, attempt and chance, so
that two attempts never write the same one (law 1.4).
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from millstream_dataflow.identity import CheckpointId, TaskId
from millstream_runtime.checkpoint_files.contents import OperatorContents
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import CheckpointAcknowledged, CheckpointDeclined
from millstream_runtime.messages.snapshots import FileRef, InlineBytes, TaskSnapshot
from millstream_runtime.messages.worker import FromWorker
from millstream_taskmanager.operators.errors import failure_of
from millstream_taskmanager.task.snapshot import TaskPart, described
from millstream_taskmanager.worker.threads import BlockingPool

INLINE_LIMIT: Final = 20 << 10
"""Bytes of a task's state that need no file, unless the job says otherwise (law 3.3)."""


@dataclass(frozen=True, slots=True)
class SnapshotFiles:
    """How contents become bytes, and bytes a durable file (`millstream_runtime.checkpoint_files`)."""

    encode: Callable[[Sequence[OperatorContents]], list[bytes]]
    write: Callable[[str, str, Sequence[bytes]], FileRef]
    withdraw: Callable[[str, str], None]


class SnapshotWriter:
    """All parts of a worker's tasks that are under way."""

    def __init__(self, files: SnapshotFiles, pool: BlockingPool, say: Callable[[FromWorker], None]) -> None:
        self._files = files
        self._pool = pool
        self._say = say
        self.inline_limit = INLINE_LIMIT
        self._under_way: dict[tuple[TaskId, CheckpointId], TaskPart] = {}

    def store(self, task: TaskId, part: TaskPart) -> None:
        """Make it durable, then acknowledge it; decline it when that fails. What its sinks have written comes first."""
        if not part.make_durable:
            self._store(task, part)
            return
        self._under_way[task, part.checkpoint] = part
        self._pool.submit(partial(_do_all, part.make_durable), lambda error: self._sinks_durable(task, part, error))

    def _sinks_durable(self, task: TaskId, part: TaskPart, error: Exception | None) -> None:
        if self._under_way.pop((task, part.checkpoint), None) is None:
            return
        if error is None:
            self._store(task, part)
        else:
            failure = failure_of(error)
            text = f"what it has written could not be made durable: {failure.message}"
            self._say(CheckpointDeclined(task, part.checkpoint, replace(failure, message=text)))

    def _store(self, task: TaskId, part: TaskPart) -> None:
        size = sum(map(_size, part.operators))
        if size <= self.inline_limit:
            try:
                data = b"".join(self._files.encode(part.operators)) if part.operators else b""
            except Exception as error:  # noqa: BLE001  # whatever it is, the checkpoint can't have this part
                self._decline(task, part, error)
                return
            self._acknowledge(task, part, InlineBytes(data) if data else None)
            return
        if not part.directory:
            text = f"{size:,} bytes of state need a file, but the checkpoint has no directory"
            self._decline(task, part, ValueError(text))
            return
        self._under_way[task, part.checkpoint] = part
        name = file_name(task, secrets.token_hex(8))

        def write() -> FileRef:
            return self._files.write(part.directory, name, self._files.encode(part.operators))

        self._pool.submit(write, lambda result: self._written(task, part, result))

    def forget(self, task: TaskId, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """Whatever becomes of them, these are not spoken of any more."""
        for key in list(self._under_way):
            owner, number = key
            if owner == task and (number == checkpoint or (older_too and number < checkpoint)):
                del self._under_way[key]

    def _written(self, task: TaskId, part: TaskPart, result: FileRef | Exception) -> None:
        if self._under_way.pop((task, part.checkpoint), None) is None:
            if isinstance(result, FileRef):  # nobody will ever name it, so it has to go now
                self._pool.submit(lambda: self._files.withdraw(part.directory, result.path), _ignored)
            return
        if isinstance(result, Exception):
            self._decline(task, part, result)
        else:
            self._acknowledge(task, part, result)

    def _acknowledge(self, task: TaskId, part: TaskPart, handle: FileRef | InlineBytes | None) -> None:
        operators = tuple(map(described, part.operators))
        snapshot = TaskSnapshot(handle, operators, part.audit, part.finished)
        self._say(CheckpointAcknowledged(task, part.checkpoint, snapshot))

    def _decline(self, task: TaskId, part: TaskPart, error: Exception) -> None:
        where = f" in {part.directory}" if part.directory else ""
        text = f"the state of task {task} could not be stored{where}: {type(error).__name__}: {error}"
        self._say(CheckpointDeclined(task, part.checkpoint, Failure(FailureKind.EXTERNAL, text)))


def _do_all(jobs: Iterable[Callable[[], None]]) -> None:
    for job in jobs:
        job()


def _ignored(result: Exception | None) -> None:
    """What couldn't be deleted goes with everything else of the job."""


def _size(contents: OperatorContents) -> int:
    """The bytes of its items and runs: what lies around them is little."""
    lists = sum(len(item) for stored in contents.lists for item in stored.items)
    return lists + sum(len(run.data) for run in contents.runs)


def file_name(task: TaskId, chance: str) -> str:
    """Of a data file."""
    attempt, subtask = task.attempt, task.subtask
    return f"{subtask.vertex}-{subtask.index}-r{attempt.region}-a{attempt.number}-{chance}"
