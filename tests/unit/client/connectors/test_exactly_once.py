"""The file sink's life against a model: whatever dies between any two steps, each record is visible exactly once.

A job writes the numbers from 0 on. A crash may come before or after each call to the file system, and so may an error
of a disk while files are made durable; former attempts may go on writing and committing while the next one runs, and a
checkpoint may be taken and never completed. Each record that is visible has been brought to the disk.
"""

import errno
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pyarrow import fs

from millstream.connectors.files.committer import FileCommitter
from millstream.connectors.files.directories import (
    Directory,
    Leftover,
    LocalDirectory,
    LostWritesError,
    PartFile,
    RemoteDirectory,
)
from millstream.connectors.files.names import first_part
from millstream.connectors.files.writer import FileCommittable, FileWriter
from millstream.formats.encoding import LineEncoder
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import RowBatch
from tests.unit.client.connectors.surroundings import Around

NEVER = 10**9


class CrashError(Exception):
    """The process died here."""


@dataclass
class Fuse:
    """Lets so many more steps happen."""

    left: int = NEVER

    error: type[Exception] = CrashError

    def burn(self) -> None:
        if self.left == 0:
            if self.error is CrashError:
                raise CrashError
            self.left, error, self.error = NEVER, self.error, CrashError
            raise error(errno.EIO, "the disk has a bad day")
        self.left -= 1


@dataclass
class FusedFile:
    """A file in such a directory. It is part of what survives once it has been brought to the disk."""

    inner: PartFile
    fuse: Fuse
    done: Callable[[], None]

    @property
    def size(self) -> int:
        return self.inner.size

    def write(self, data: bytes) -> None:
        self.inner.write(data)

    def finish(self) -> None:
        self.fuse.burn()
        self.inner.finish()
        self.done()

    def abandon(self) -> None:
        self.inner.abandon()


def start_of(name: str) -> tuple[str, str]:
    """Of a part file's name: what tells its writer's start, and its number there."""
    words = name.removesuffix(".inprogress").lstrip(".").split("-")
    return words[6], words[7]


@dataclass
class Fused:
    """A directory whose owner dies when the fuse has burnt. With `copies`, a rename is a copy and then a delete."""

    inner: Directory
    fuse: Fuse
    durable: set[tuple[str, str]]
    """The content of these is on the disk; by the middle of their names, which stays."""
    copies: Path | None = None

    def create(self, name: str) -> PartFile:
        self.fuse.burn()
        file = self.inner.create(name)
        try:
            self.fuse.burn()
        except CrashError:
            file.abandon()  # as a process's end does it
            raise
        return FusedFile(file, self.fuse, lambda: self.durable.add(start_of(name)))

    def rename(self, source: str, target: str) -> None:
        self.fuse.burn()
        if self.copies is not None:
            shutil.copyfile(self.copies / source, self.copies / target)
            self.fuse.burn()
            (self.copies / source).unlink()
        else:
            self.inner.rename(source, target)
        self.fuse.burn()

    @contextmanager
    def durable_names(self, folder: str = "") -> Generator[None]:
        self.fuse.burn()
        with self.inner.durable_names(folder):
            yield
            self.fuse.burn()

    def size(self, name: str) -> int | None:
        return self.inner.size(name)

    def names(self) -> Iterable[str]:
        return self.inner.names()

    def delete(self, name: str) -> None:
        self.fuse.burn()
        self.inner.delete(name)

    def discard(self, leftovers: Sequence[Leftover]) -> None:
        for file, names in leftovers:
            if file is not None:
                file.abandon()
            for name in names:
                self.inner.delete(name)


@dataclass
class Snapshot:
    """What a completed checkpoint holds."""

    checkpoint: int = 0
    position: int = 0
    pending: list[tuple[int, FileCommittable]] = field(default_factory=list[tuple[int, FileCommittable]])


@dataclass
class Attempt:
    """One attempt at the job: a writer, a committer, and what it has still to commit."""

    writer: FileWriter
    committer: FileCommitter
    around: Around
    fuse: Fuse
    position: int
    pending: list[tuple[int, FileCommittable]]


class SinkMachine(RuleBasedStateMachine):
    """See the module."""

    remote = False
    copies = False
    buckets = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp()) / "out"
        self.starts = 0
        self.checkpoint = 0
        self.taken: Snapshot | None = None
        self.job: Callable[[], None] | None = None
        """What must be done before `taken` may be complete."""
        self.durable: set[tuple[str, str]] = set()
        self.completed = Snapshot()
        self.zombies: list[Attempt] = []
        self.committed = 0
        self.current: Attempt = self.start(1, NEVER)

    def teardown(self) -> None:
        for attempt in [*self.zombies, self.current]:
            attempt.fuse.left = NEVER
            attempt.writer.close()
        shutil.rmtree(self.folder.parent)

    # ------------------------------------------------------------------------------------------- the job's life

    def start(self, number: int, fuse: int) -> Attempt:
        """A new attempt, from the last completed checkpoint; it may die on the way."""
        self.starts += 1
        around, burning = Around(attempt=number), Fuse(fuse)
        inner = RemoteDirectory(fs.LocalFileSystem(), str(self.folder)) if self.remote else LocalDirectory(self.folder)
        directory = Fused(inner, burning, self.durable, self.folder if self.copies else None)
        part = first_part(around, "part", "", f"{self.starts:012x}")
        writer = FileWriter(directory, LineEncoder("number"), part, folder=self.bucket)
        committer = FileCommitter(directory, str(self.folder), "part", "")
        restored = self.completed
        return Attempt(writer, committer, around, burning, restored.position, list(restored.pending))

    def bucket(self) -> str:
        """Another one every other record or so, and the same ones again."""
        return f"{self.current.position // 2 % 3}/deep" if self.buckets else ""

    def recover(self, attempt: Attempt) -> None:
        """What a restored operator does first: commit what its checkpoint had prepared; then leftovers go."""
        attempt.committer.commit([item for _, item in attempt.pending])
        attempt.pending.clear()
        self.committed = max(self.committed, self.completed.position)
        attempt.committer.drop_leftovers(attempt.around, ())

    def dying(self) -> None:
        """The current attempt is over, though its process may not know it; the next one starts."""
        self.zombies.append(self.current)
        self.taken = self.job = None
        self.current = self.start(self.current.around.attempt + 1, NEVER)

    def in_life(self, action: Callable[[], None]) -> None:
        """Do that as the current attempt; when it dies of it, restore until one lives."""
        try:
            action()
        except CrashError:
            self.dying()
            self.recover(self.current)

    @rule(count=st.integers(1, 3))
    def write(self, count: int) -> None:
        def act() -> None:
            attempt = self.current
            attempt.writer.write(RowBatch(list(range(attempt.position, attempt.position + count))))
            attempt.position += count

        self.in_life(act)

    @rule()
    def snapshot(self) -> None:
        def act() -> None:
            self.checkpoint += 1
            attempt = self.current
            prepared = attempt.writer.prepare_commit(CheckpointId(self.checkpoint), end_of_input=False)
            attempt.pending += [(self.checkpoint, item) for item in prepared]
            self.job = attempt.writer.make_durable()
            self.taken = Snapshot(self.checkpoint, attempt.position, list(attempt.pending))

        self.in_life(act)

    @precondition(lambda self: self.job is not None)
    @rule()
    def become_durable(self) -> None:
        """As often as the pool comes to it; a failure gives the checkpoint up, and nothing else."""
        job, self.job = self.job, None
        assert job is not None

        def act() -> None:
            try:
                job()
            except OSError as error:
                self.taken = None
                if isinstance(error, LostWritesError | FileNotFoundError):
                    raise CrashError from error  # the next barrier fails the task

        self.in_life(act)

    @precondition(lambda self: self.taken is not None and self.job is None)
    @rule()
    def complete(self) -> None:
        assert self.taken is not None
        self.completed, self.taken = self.taken, None

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        def act() -> None:
            attempt = self.current
            due = [item for item in attempt.pending if item[0] <= self.completed.checkpoint]
            for part in ([item] for item in due) if data.draw(st.booleans()) else (due,):
                attempt.committer.commit([item for _, item in part])
            attempt.pending = [item for item in attempt.pending if item not in due]
            self.committed = max(self.committed, self.completed.position)

        self.in_life(act)

    @rule(fuse=st.integers(0, 12))
    def crash(self, fuse: int) -> None:
        """Of the whole process; the next one may die while it recovers."""
        self.dying()
        self.current.fuse.left = fuse
        self.in_life(lambda: self.recover(self.current))

    @rule()
    def sweep(self) -> None:
        """The JobManager asks for it when all committers have reported, so the attempt may have written meanwhile."""
        self.in_life(lambda: self.current.committer.drop_leftovers(self.current.around, ()))

    @rule(fuse=st.integers(0, 12))
    def arm(self, fuse: int) -> None:
        """The current attempt will die soon."""
        self.current.fuse.left = fuse

    @precondition(lambda self: self.job is not None)
    @rule(fuse=st.integers(0, 5), error=st.sampled_from([OSError, LostWritesError]))
    def bad_day(self, fuse: int, error: type[OSError]) -> None:
        """The disk will refuse something while it makes files durable, once."""
        self.current.fuse.left, self.current.fuse.error = fuse, error
        self.become_durable()
        if self.current.fuse.error is error:
            self.current.fuse.left, self.current.fuse.error = NEVER, CrashError

    # ---------------------------------------------------------------------------------------- former attempts

    def as_zombie(self, data: st.DataObject, action: Callable[[Attempt], object]) -> None:
        zombie = data.draw(st.sampled_from(self.zombies))
        zombie.fuse.left = NEVER
        try:
            action(zombie)
        except OSError:  # its files were swept away, or lost before
            zombie.writer.close()
            self.zombies.remove(zombie)

    @precondition(lambda self: self.zombies)
    @rule(data=st.data())
    def a_former_attempt_writes(self, data: st.DataObject) -> None:
        self.as_zombie(data, lambda zombie: zombie.writer.write(RowBatch([zombie.position])))

    @precondition(lambda self: self.zombies)
    @rule(data=st.data())
    def a_former_attempt_closes_its_file(self, data: st.DataObject) -> None:
        self.checkpoint += 1
        late = CheckpointId(self.checkpoint)

        def close(zombie: Attempt) -> None:
            zombie.writer.prepare_commit(late, end_of_input=False)
            if (job := zombie.writer.make_durable()) is not None:
                job()

        self.as_zombie(data, close)

    @precondition(lambda self: self.zombies)
    @rule(data=st.data())
    def a_former_attempt_commits(self, data: st.DataObject) -> None:
        """What it was told before its death was noticed: only what a completed checkpoint holds."""
        held = [item for _, item in self.completed.pending]
        self.as_zombie(
            data, lambda zombie: zombie.committer.commit([item for _, item in zombie.pending if item in held])
        )

    # ------------------------------------------------------------------------------------------------ the truth

    def visible(self) -> list[int]:
        found: list[int] = []
        for path in self.folder.rglob("part-*"):
            header, *lines = path.read_text().splitlines()
            assert header == "number"
            assert lines, "a file without records"
            assert start_of(path.name) in self.durable, "a power cut could have taken it away"
            found += map(int, lines)
        return sorted(found)

    @invariant()
    def what_is_visible_is_right(self) -> None:
        found = self.visible()
        assert len(set(found)) == len(found), "a record is there twice"
        assert set(range(self.committed)) <= set(found), "what was committed is gone"
        assert set(found) <= set(range(self.completed.position)), "what no checkpoint holds is visible"

    @rule()
    def end(self) -> None:
        """The job ends in order: everything is there, and nothing hidden of its own."""
        self.dying()
        self.recover(self.current)
        self.current.writer.write(RowBatch([self.current.position]))
        self.current.position += 1
        self.snapshot()
        self.become_durable()
        self.complete()
        self.recover(self.current)
        assert self.visible() == list(range(self.current.position))
        assert not [path for path in self.folder.glob(".*") if f"-{self.current.around.attempt}-" in path.name]
        self.current.pending.clear()
        self.completed.pending.clear()


PLACES = [(False, False, False), (True, False, False), (False, True, False), (False, False, True)]


@pytest.mark.parametrize(("remote", "copies", "buckets"), PLACES)
def test_each_record_is_visible_exactly_once(
    monkeypatch: pytest.MonkeyPatch, *, remote: bool, copies: bool, buckets: bool
) -> None:
    monkeypatch.setattr(SinkMachine, "buckets", buckets)
    monkeypatch.setattr(SinkMachine, "remote", remote)
    monkeypatch.setattr(SinkMachine, "copies", copies)
    twice = 2 * settings().max_examples  # a fault shows only where several things come together
    limits = settings(max_examples=twice, stateful_step_count=40, deadline=None, database=None)
    run_state_machine_as_test(SinkMachine, settings=limits)
