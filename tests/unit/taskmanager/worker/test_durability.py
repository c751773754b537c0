"""A task's part of a checkpoint on its way to the disk."""

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence

import pytest

from millstream_dataflow.identity import (
    CheckpointId,
    JobId,
    OperatorId,
    RegionAttempt,
    RegionId,
    SubtaskId,
    TaskId,
    VertexId,
)
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.checkpoint_files import ChannelContents, OperatorContents, StoredList
from millstream_runtime.messages.failures import FailureKind
from millstream_runtime.messages.session import CheckpointAcknowledged, CheckpointDeclined
from millstream_runtime.messages.snapshots import FileRef, InlineBytes, ListState, OperatorSnapshot, Redistribution
from millstream_runtime.messages.worker import FromWorker
from millstream_taskmanager.task.snapshot import TaskPart
from millstream_taskmanager.user_code.errors import UserCodeError
from millstream_taskmanager.worker.durability import INLINE_LIMIT, SnapshotFiles, SnapshotWriter
from millstream_taskmanager.worker.loop import WorkerLoop
from millstream_taskmanager.worker.threads import BlockingPool

TASK = TaskId(RegionAttempt(JobId("job"), RegionId(2), 5), SubtaskId(VertexId("vertex"), 3))
OTHER = TaskId(TASK.attempt, SubtaskId(VertexId("another"), 0))


class Disk:
    """Writes when it is let."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []
        self.begun = threading.Semaphore(0)
        self.may_write = threading.Event()
        self.withdrawn = threading.Semaphore(0)
        self.error: OSError | None = None

    def encode(self, contents: Sequence[OperatorContents], in_flight: Sequence[ChannelContents]) -> list[bytes]:
        items = [item for one in contents for stored in one.lists for item in stored.items]
        return [*items, *(item for channel in in_flight for item in channel.items)]

    def write(self, directory: str, name: str, chunks: Sequence[bytes]) -> FileRef:
        self.begun.release()
        assert self.may_write.wait(60)
        if self.error is not None:
            raise self.error
        self.written.append((directory, name))
        return FileRef(name, sum(map(len, chunks)), 0)

    def withdraw(self, directory: str, name: str) -> None:
        self.written.remove((directory, name))
        self.withdrawn.release()


class Site:
    """A writer, and what it says."""

    def __init__(self, threads: int = 1) -> None:
        """With one thread what comes first is done first."""
        self.loop = WorkerLoop()
        self.disk = Disk()
        self.said: list[FromWorker] = []
        pool = BlockingPool("disk", threads, self.loop.call_from_thread)
        files = SnapshotFiles(self.disk.encode, self.disk.write, self.disk.withdraw)
        self.writer = SnapshotWriter(files, pool, self._say)

    def _say(self, message: FromWorker) -> None:
        self.said.append(message)
        self.loop.stop()

    def store(
        self, checkpoint: int, size: int, directory: str = "/chk", *jobs: Callable[[], None], task: TaskId = TASK
    ) -> None:
        stored = StoredList("state", Redistribution.SPLIT, (bytes(size),))
        contents = OperatorContents(OperatorId("op"), (stored,), first_group=1, end_group=4)
        part = TaskPart(
            CheckpointId(checkpoint), SnapshotKind.CHECKPOINT, (contents,), directory=directory, make_durable=jobs
        )
        self.writer.store(task, part)

    def give_up(self, checkpoint: int) -> None:
        self.writer.forget(TASK, CheckpointId(checkpoint), older_too=False)

    def turn(self) -> None:
        """Until something is said."""
        self.loop._stopped = False
        self.loop.call_later(20_000, self.loop.stop)
        self.loop.run()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.disk.may_write.set()
    site.loop.close()


def test_small_state_travels_in_the_acknowledgement(site: Site) -> None:
    site.store(1, INLINE_LIMIT, directory="")
    [said] = site.said
    assert isinstance(said, CheckpointAcknowledged)
    assert said.snapshot.handle == InlineBytes(bytes(INLINE_LIMIT))
    lists = (ListState("state", Redistribution.SPLIT, 1),)
    assert said.snapshot.operators == (OperatorSnapshot(OperatorId("op"), 1, 4, lists),)


def test_a_task_without_state_has_no_handle(site: Site) -> None:
    site.writer.store(TASK, TaskPart(CheckpointId(1), SnapshotKind.FINAL, finished=True))
    [said] = site.said
    assert isinstance(said, CheckpointAcknowledged)
    assert said.snapshot.handle is None
    assert said.snapshot.finished


def test_large_state_is_acknowledged_when_it_is_written(site: Site) -> None:
    site.store(7, INLINE_LIMIT + 1)
    assert site.said == []
    site.disk.may_write.set()
    site.turn()
    [said] = site.said
    assert isinstance(said, CheckpointAcknowledged)
    [(directory, name)] = site.disk.written
    assert directory == "/chk"
    assert name.startswith("vertex-3-r2-a5-")
    assert said.snapshot.handle == FileRef(name, INLINE_LIMIT + 1, 0)


def test_two_writes_never_have_one_name(site: Site) -> None:
    site.disk.may_write.set()
    for _ in range(2):
        site.store(7, INLINE_LIMIT + 1)
        site.turn()
    assert len(set(site.disk.written)) == 2


def test_what_was_given_up_while_it_was_written_is_not_spoken_of(site: Site) -> None:
    for checkpoint in (1, 2, 3, 4):
        site.store(checkpoint, INLINE_LIMIT + 1)
    assert site.disk.begun.acquire(timeout=20)
    site.writer.forget(TASK, CheckpointId(4), older_too=False)
    site.writer.forget(TASK, CheckpointId(3), older_too=True)
    site.store(5, INLINE_LIMIT + 1)
    site.disk.may_write.set()
    site.turn()
    assert [getattr(said, "checkpoint", None) for said in site.said] == [5]
    assert site.disk.withdrawn.acquire(blocking=False), "nobody would ever delete it"
    assert len(site.disk.written) == 1, "the others were never begun"


def test_what_cannot_be_written_is_declined(site: Site) -> None:
    site.disk.error = OSError("no room")
    site.disk.may_write.set()
    site.store(1, INLINE_LIMIT + 1)
    site.turn()
    [said] = site.said
    assert isinstance(said, CheckpointDeclined)
    assert said.failure.message == f"the state of task {TASK} could not be stored in /chk: OSError: no room"


def test_large_state_without_a_directory_is_declined(site: Site) -> None:
    site.store(1, INLINE_LIMIT + 1, directory="")
    [said] = site.said
    assert isinstance(said, CheckpointDeclined)
    assert "20,481 bytes of state need a file, but the checkpoint has no directory" in said.failure.message


class SinkJob:
    """What a sink has to do first: it ends when it is let, as often as it is asked."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.error: Exception | None = None

    def __call__(self) -> None:
        self.begun.release()
        assert self.may_end.wait(20)
        if self.error is not None:
            raise self.error
        self.disk.written.append(("/out", "part"))


@pytest.fixture
def job(site: Site) -> Iterator[SinkJob]:
    site.disk.may_write.set()
    job = SinkJob(site.disk)
    yield job
    job.may_end.set()


@pytest.mark.parametrize("size", [0, INLINE_LIMIT + 1])
def test_what_sinks_wrote_is_durable_before_a_checkpoint_names_it(site: Site, job: SinkJob, size: int) -> None:
    site.store(1, size, "/chk", job)
    assert job.begun.acquire(timeout=20)
    site.loop.poller.poll(0)
    assert (site.said, site.disk.written) == ([], [])
    job.may_end.set()
    site.turn()
    [said] = site.said
    assert isinstance(said, CheckpointAcknowledged)
    assert [directory for directory, _ in site.disk.written] == ["/out", "/chk"][: 1 + bool(size)]


def test_other_tasks_go_on_while_a_sink_waits_for_its_disk(site: Site, job: SinkJob) -> None:
    site.store(1, 0, "/chk", job)
    assert job.begun.acquire(timeout=20)
    site.writer.store(OTHER, TaskPart(CheckpointId(1), SnapshotKind.CHECKPOINT))
    turned: list[int] = []

    def turn() -> None:
        turned.append(1)
        site.loop.stop()

    site.loop.call_later(0, turn)
    site.turn()
    assert turned == [1]
    assert [getattr(said, "task", None) for said in site.said] == [OTHER]


def test_what_a_sink_cannot_make_durable_declines_and_the_next_checkpoint_tries_again(site: Site, job: SinkJob) -> None:
    job.error = UserCodeError(OSError("no room"), "Sink: files", kind=FailureKind.EXTERNAL)
    job.may_end.set()
    site.store(1, INLINE_LIMIT + 1, "/chk", job)
    site.turn()
    [said] = site.said
    assert isinstance(said, CheckpointDeclined)
    assert said.failure.message == "what it has written could not be made durable: OSError: no room"
    assert (said.failure.kind, said.failure.operator) == (FailureKind.EXTERNAL, "Sink: files")
    assert site.disk.written == []
    job.error = None
    site.store(2, INLINE_LIMIT + 1, "/chk", job)
    site.turn()
    assert isinstance(site.said[1], CheckpointAcknowledged)


def test_a_checkpoint_that_is_given_up_while_a_sink_waits_writes_nothing(site: Site, job: SinkJob) -> None:
    site.store(1, 0, "/chk", job)
    site.store(2, INLINE_LIMIT + 1, "/chk", job)
    assert job.begun.acquire(timeout=20)
    site.writer.forget(TASK, CheckpointId(2), older_too=True)
    site.store(3, 0, "/chk", job)
    job.may_end.set()
    site.turn()
    assert [getattr(said, "checkpoint", None) for said in site.said] == [3]
    assert [directory for directory, _ in site.disk.written] == ["/out"] * 2, "what the third makes durable is all"


class Witness(str):
    """A directory that lives as long as the part of which it is."""

    __slots__ = ("__weakref__",)


@pytest.fixture
def two_threads() -> Iterator[Site]:
    site = Site(threads=2)
    yield site
    site.disk.may_write.set()
    site.loop.close()


def test_given_up_checkpoints_of_a_sink_that_hangs_hold_one_thread_and_no_state(two_threads: Site) -> None:
    site = two_threads
    site.disk.may_write.set()
    hanging = SinkJob(site.disk)
    try:
        for checkpoint in (1, 2, 3, 4):
            directory = Witness("/chk")
            kept = weakref.ref(directory)
            site.store(checkpoint, INLINE_LIMIT + 1, directory, hanging)
            del directory
            assert checkpoint > 1 or hanging.begun.acquire(timeout=20)
            assert kept() is not None
            site.give_up(checkpoint)
            assert kept() is None, checkpoint
        site.store(5, INLINE_LIMIT + 1, task=OTHER)
        site.turn()
        assert [getattr(said, "task", None) for said in site.said] == [OTHER]
        assert not hanging.begun.acquire(blocking=False)
    finally:
        hanging.may_end.set()


def test_given_up_checkpoints_whose_files_hang_hold_one_thread(two_threads: Site) -> None:
    site = two_threads
    for checkpoint in (1, 2, 3):
        site.store(checkpoint, INLINE_LIMIT + 1)
        site.give_up(checkpoint)
    done = SinkJob(site.disk)
    done.may_end.set()
    site.store(4, 0, "/chk", done, task=OTHER)
    site.turn()
    assert [getattr(said, "task", None) for said in site.said] == [OTHER]


def test_parts_of_one_task_become_durable_one_after_the_other(two_threads: Site) -> None:
    """A writer's jobs never meet, and one that failed is the work of the next."""
    site = two_threads
    site.disk.may_write.set()
    first, second, other = (SinkJob(site.disk) for _ in range(3))
    first.error = OSError("no room")
    second.may_end.set()
    other.may_end.set()
    site.store(1, 0, "/chk", first)
    site.store(2, INLINE_LIMIT + 1, "/chk", second)
    site.store(2, 0, "/chk", other, task=OTHER)
    site.turn()
    assert [getattr(said, "task", None) for said in site.said] == [OTHER]
    assert not second.begun.acquire(blocking=False), "the pool has come past it"
    first.may_end.set()
    site.turn()
    site.turn()
    assert [type(said) for said in site.said[1:]] == [CheckpointDeclined, CheckpointAcknowledged]


def test_what_is_given_up_before_a_thread_comes_to_it_is_not_begun(site: Site) -> None:
    site.disk.may_write.set()
    hanging, late = SinkJob(site.disk), SinkJob(site.disk)
    site.store(1, 0, "/chk", hanging, task=OTHER)
    assert hanging.begun.acquire(timeout=20)
    site.store(1, 0, "/chk", late)
    site.give_up(1)
    late.may_end.set()
    site.store(2, INLINE_LIMIT + 1)
    hanging.may_end.set()
    site.turn()
    site.turn()
    assert [(getattr(said, "task", None), getattr(said, "checkpoint", None)) for said in site.said] == [
        (OTHER, 1),
        (TASK, 2),
    ]
    assert not late.begun.acquire(blocking=False)
