"""What a worker does for one task holds up no other one."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId, SubtaskId, TaskId, VertexId
from millstream_dataflow.records.controls import MAX_TIME
from millstream_runtime.checkpoint_files import encode_snapshot, withdraw_data_file, write_data_file
from millstream_runtime.messages.session import Progress, TaskReport, TaskStateChanged, TaskTotals
from millstream_runtime.messages.worker import FromWorker
from millstream_runtime.states import TaskState
from millstream_taskmanager.task.task import Task
from millstream_taskmanager.user_code.errors import FunctionExitError, UserCodeError
from millstream_taskmanager.worker.doors import Surroundings, TurnedTask, WorkerDoors
from millstream_taskmanager.worker.durability import SnapshotFiles, SnapshotWriter
from millstream_taskmanager.worker.loop import WorkerLoop
from millstream_taskmanager.worker.output import WINDOW, TaskOutputs
from millstream_taskmanager.worker.task_log import TaskLog
from millstream_taskmanager.worker.threads import BlockingPool

TASK = TaskId(RegionAttempt(JobId("job"), RegionId(0), 1), SubtaskId(VertexId("vertex"), 0))


class Site:
    """The surroundings of a worker's tasks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.loop = WorkerLoop()
        self.said: list[FromWorker] = []
        files = SnapshotFiles(encode_snapshot, write_data_file, withdraw_data_file)
        snapshots = SnapshotWriter(files, BlockingPool("durability", 4, self.loop.call_from_thread), self.said.append)
        self.around = Surroundings(self.loop, TaskOutputs(), snapshots, self.said.append)
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


def test_files_that_hang_keep_neither_commits_nor_other_files_waiting(site: Site) -> None:
    told: list[str] = []
    doors = site.doors(0)
    for _ in range(3):
        doors.fetch(site.hang, lambda _error: told.append("hung"))
    doors.fetch(lambda: None, lambda _error: told.append("read"))
    doors.run_blocking(lambda: None, lambda _error: told.append("committed"))
    site.loop.between_steps = lambda: site.loop.stop() if len(told) == 2 else None
    site.loop.call_later(20_000, site.loop.stop)
    site.loop.run()
    assert sorted(told) == ["committed", "read"]


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


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("x")])
def test_whatever_a_committer_raises_is_told(site: Site, raised: BaseException) -> None:
    told: list[Exception | None] = []

    def job() -> None:
        raise raised

    def done(error: Exception | None) -> None:
        told.append(error)
        site.loop.stop()

    site.doors(0).run_blocking(job, done)
    site.loop.call_later(20_000, site.loop.stop)
    site.loop.run()
    [error] = told
    assert isinstance(error, UserCodeError)
    assert isinstance(error.cause, FunctionExitError) or error.cause is raised


class Printing:
    """A task, as far as its doors know it."""

    runnable = True
    background = False
    urgent = False

    def totals(self) -> TaskTotals:
        return TaskTotals(TASK, 6_000, 6_000, 1, MAX_TIME)


def test_the_last_totals_come_before_the_last_report(site: Site) -> None:
    doors = site.doors(0)
    doors.turned = TurnedTask(cast(Task, Printing()), doors.log, site.around.outputs)
    doors.report(TaskReport(TASK, TaskState.RUNNING))
    doors.report(TaskReport(TASK, TaskState.FINISHED))
    doors.fail(TaskReport(TASK, TaskState.FAILED), ValueError("oh"))
    totals = Progress((Printing().totals(),))
    reports = [TaskStateChanged(TaskReport(TASK, state)) for state in (TaskState.FINISHED, TaskState.FAILED)]
    running = TaskStateChanged(TaskReport(TASK, TaskState.RUNNING))
    assert site.said == [running, totals, reports[0], totals, reports[1]]
    doors.log.close()


@pytest.mark.parametrize("traceback", ["", "Traceback: where our code noticed it"])
def test_the_log_names_operator_and_record(site: Site, traceback: str) -> None:
    """Whoever reads it there may never see the error that ends the job: the job may go on, and end well."""
    doors = site.doors(0)
    error = UserCodeError(OSError(5, "the file is damaged", "x.gz"), "lines", {"n": 1})
    failure = replace(error.failure(), traceback=traceback)
    doors.fail(TaskReport(TASK, TaskState.FAILED, failure), error)
    doors.log.close()
    [log] = site.directory.rglob("*.err*")
    words = "OSError: [Errno 5] the file is damaged: 'x.gz'"
    assert log.read_text(encoding="utf-8") == f"{words}\nraised in operator lines, at record {{'n': 1}}\n"


def test_a_task_makes_no_steps_while_what_it_printed_is_not_taken(site: Site) -> None:
    doors, outputs = site.doors(0), site.around.outputs
    turned = TurnedTask(cast(Task, Printing()), doors.log, outputs)
    outputs.listen(listening=True)
    doors.write_out("x" * (WINDOW + 1))
    assert not turned.runnable
    outputs.taken(doors.log, 1)
    assert turned.runnable
    doors.log.close()
