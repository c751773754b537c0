"""What a worker does for one task holds up no other one."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId, SubtaskId, TaskId, VertexId
from millstream_runtime.checkpoint_files import encode_snapshot, withdraw_data_file, write_data_file
from millstream_runtime.messages.worker import FromWorker
from millstream_taskmanager.worker.doors import Surroundings, WorkerDoors
from millstream_taskmanager.worker.durability import SnapshotFiles, SnapshotWriter
from millstream_taskmanager.worker.loop import WorkerLoop
from millstream_taskmanager.worker.output import TaskOutputs
from millstream_taskmanager.worker.task_log import TaskLog
from millstream_taskmanager.worker.threads import BlockingPool


class Site:
    """The surroundings of a worker's tasks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.loop = WorkerLoop()
        said: list[FromWorker] = []
        files = SnapshotFiles(encode_snapshot, write_data_file, withdraw_data_file)
        snapshots = SnapshotWriter(files, BlockingPool("durability", 4, self.loop.call_from_thread), said.append)
        self.around = Surroundings(self.loop, TaskOutputs(), snapshots, said.append)
        self.over = threading.Event()

    def doors(self, index: int) -> WorkerDoors:
        task = TaskId(RegionAttempt(JobId("job"), RegionId(0), 1), SubtaskId(VertexId("vertex"), index))
        return WorkerDoors(task, TaskLog(task, self.directory, 1_000), self.around)

    def hang(self) -> None:
        assert self.over.wait(20)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.over.set()
    site.loop.close()


def test_looks_that_hang_keep_no_other_task_from_its_commits(site: Site) -> None:
    told: list[Exception | None] = []

    def done(error: Exception | None) -> None:
        told.append(error)
        site.loop.stop()

    for index in range(8):
        site.doors(index).run_blocking(site.hang, done)
    committed: list[str] = []
    site.doors(8).run_blocking(lambda: committed.append(threading.current_thread().name), done)
    site.loop.call_later(20_000, site.loop.stop)
    site.loop.run()
    assert (committed, told) == (["task-vertex[8]-0"], [None])


def test_a_task_does_one_thing_after_the_other(site: Site) -> None:
    """A committer never meets itself."""
    doors = site.doors(0)
    told: list[int] = []
    begun = threading.Event()

    def first() -> None:
        begun.set()
        site.hang()
        told.append(1)

    doors.run_blocking(first, lambda _error: None)
    doors.run_blocking(lambda: told.append(2), lambda _error: site.loop.stop())
    assert begun.wait(20)
    assert told == []
    site.over.set()
    site.loop.call_later(20_000, site.loop.stop)
    site.loop.run()
    assert told == [1, 2]
