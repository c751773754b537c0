"""A file that doesn't open: nothing else of its worker waits for it."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from millstream import FileSource
from millstream.connectors.files.splits import FileSplit
from millstream_dataflow.identity import CheckpointId, RegionAttempt, SubtaskId, TaskId, VertexId
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import Barrier, EndReason, SnapshotKind
from millstream_runtime.checkpoint_files import encode_snapshot, withdraw_data_file, write_data_file
from millstream_runtime.messages.session import CheckpointAcknowledged, TaskStateChanged
from millstream_runtime.messages.worker import FromWorker
from millstream_runtime.states import TaskState
from millstream_taskmanager.operators.collect import CollectOperator
from millstream_taskmanager.operators.registry import OperatorSettings
from millstream_taskmanager.task.task import Task
from millstream_taskmanager.worker.deployment import deploy, ranks
from millstream_taskmanager.worker.doors import Surroundings, TurnedTask, WorkerDoors
from millstream_taskmanager.worker.durability import SnapshotFiles, SnapshotWriter
from millstream_taskmanager.worker.loop import WorkerLoop
from millstream_taskmanager.worker.orders import Orders
from millstream_taskmanager.worker.output import TaskOutputs
from millstream_taskmanager.worker.settings import TaskSettings
from millstream_taskmanager.worker.task_log import TaskLog
from millstream_taskmanager.worker.threads import BlockingPool
from tests.support.tasks import JOB, Drawing, ListSource

LIMIT = 20_000  # milliseconds until a story that stands still is given up


@dataclass(frozen=True)
class OneFile(FileSource):
    """A file that no listing would find."""

    has_enumerator = False

    def static_splits(self, parallelism: int) -> Sequence[FileSplit]:
        return [FileSplit(self.paths[0], self.paths[0], 0, 100, 100)]


class CountingDoors(WorkerDoors):
    """Knows when a fetch has been told."""

    told = 0

    def fetch(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        def counted(error: Exception | None) -> None:
            self.told += 1
            then(error)

        super().fetch(job, counted)


class LiveWorker:
    """All tasks of a graph in the loop of a worker, with its threads."""

    def __init__(self, drawing: Drawing, directory: Path) -> None:
        graph, blobs = drawing.graph()
        self.plan = Plan(graph)
        self.loop = WorkerLoop()
        self.said: list[FromWorker] = []
        self.doors: dict[TaskId, CountingDoors] = {}
        outputs = TaskOutputs()
        files = SnapshotFiles(encode_snapshot, write_data_file, withdraw_data_file)
        snapshots = SnapshotWriter(files, BlockingPool("durability", 1, self.loop.call_from_thread), self.said.append)
        around = Surroundings(self.loop, outputs, snapshots, self.said.append)

        def open_doors(task: TaskId) -> WorkerDoors:
            self.doors[task] = CountingDoors(task, TaskLog(task, directory, 1_000), around)
            return self.doors[task]

        attempts = {subtask: RegionAttempt(JOB, self.plan.region_of[subtask], 1) for subtask in self.plan.subtasks}
        # No watermarks by the clock: they would wake tasks that nobody else does.
        settings = TaskSettings(operators=OperatorSettings(watermark_interval=0))
        orders = Orders(self.plan, attempts, settings, lambda blob: blobs[blob.digest])
        self.tasks: dict[TaskId, Task] = {task.place.task: task for task in deploy(orders, open_doors)}
        rank_of = ranks(self.plan)
        for name, task in self.tasks.items():
            doors = self.doors[name]
            doors.turned = TurnedTask(task, doors.log, outputs)
            self.loop.scheduler.add(doors.turned, rank_of[name.subtask.vertex])

    def task(self, vertex: str) -> TaskId:
        return next(name for name in self.tasks if name.subtask == SubtaskId(VertexId(vertex), 0))

    def trigger(self, checkpoint: int) -> None:
        for name, task in self.tasks.items():
            if name.subtask in self.plan.triggered:
                task.trigger(Barrier(CheckpointId(checkpoint), SnapshotKind.CHECKPOINT))

    def acknowledged(self, checkpoint: int) -> set[TaskId]:
        acknowledged = (said for said in self.said if isinstance(said, CheckpointAcknowledged))
        return {said.task for said in acknowledged if said.checkpoint == CheckpointId(checkpoint)}

    def states(self, state: TaskState) -> set[TaskId]:
        reports = (said.report for said in self.said if isinstance(said, TaskStateChanged))
        return {report.task for report in reports if report.state is state}

    def ended(self) -> set[TaskId]:
        reports = (said.report for said in self.said if isinstance(said, TaskStateChanged))
        return {report.task for report in reports if report.ended is EndReason.INPUT}

    def live(self, story: Iterator[Callable[[], bool]]) -> None:
        """Turn the loop; the story goes on whenever what it waits for is so."""
        awaited = next(story)
        late: list[str] = []

        def look() -> None:
            nonlocal awaited
            while awaited():
                try:
                    awaited = next(story)
                except StopIteration:
                    self.loop.stop()
                    return

        def give_up() -> None:
            late.append("what the story waits for never came")
            self.loop.stop()

        self.loop.between_steps = look
        self.loop.call_later(LIMIT, give_up)
        self.loop.run()
        assert not late

    def close(self) -> None:
        for doors in self.doors.values():
            doors.log.close()
        self.loop.close()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """Whoever opens it waits for somebody who writes."""
    path = tmp_path / "slow.txt"
    os.mkfifo(path)
    return path


@pytest.fixture
def worker(tmp_path: Path, fifo: Path) -> Iterator[LiveWorker]:
    """One task reads the FIFO, another a list; each has somebody behind it."""
    drawing = Drawing()
    slow = drawing.source("slow", OneFile.text(fifo))
    drawing.edge(slow, drawing.collect("nothing"))
    quick = drawing.source("quick", ListSource((tuple(range(100)),)))
    drawing.edge(quick, drawing.collect("everything"))
    worker = LiveWorker(drawing, tmp_path / "logs")
    yield worker
    worker.close()


def test_a_file_that_does_not_open_holds_up_nothing_but_its_own_records(worker: LiveWorker, fifo: Path) -> None:
    slow, tasks = worker.task("slow"), set(worker.tasks)

    def story() -> Iterator[Callable[[], bool]]:
        yield lambda: worker.ended() == tasks - {slow, worker.task("nothing")}
        worker.trigger(1)
        yield lambda: worker.acknowledged(1) == tasks
        for task in worker.tasks.values():
            task.cancel()
        assert worker.states(TaskState.CANCELED) == tasks, "at once"
        assert worker.doors[slow].told == 0, "and its file hasn't opened to this moment"
        writer = os.open(fifo, os.O_RDWR)
        yield lambda: worker.doors[slow].told > 0
        os.close(writer)

    worker.live(story())


def test_the_task_is_woken_when_its_file_has_been_read(worker: LiveWorker, fifo: Path) -> None:
    """This one can't be read, which is told as it would be of a file that opens at once."""
    slow = worker.task("slow")

    def story() -> Iterator[Callable[[], bool]]:
        yield lambda: worker.ended() >= {worker.task("everything")}
        writer = os.open(fifo, os.O_RDWR)
        yield lambda: worker.states(TaskState.FAILED) == {slow}
        os.close(writer)

    worker.live(story())
    [failure] = [
        said.report.failure for said in worker.said if isinstance(said, TaskStateChanged) and said.report.failure
    ]
    assert "seek" in failure.message
    assert failure.operator == "Reader 0"


def test_many_files_are_read_by_a_few_threads(tmp_path: Path) -> None:
    """A monitored directory's files are all open at once."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(100):
        (folder / f"{number}.txt").write_text(f"{number}\n" * 3)
    drawing = Drawing()
    drawing.edge(drawing.source("files", FileSource.text(folder).monitored(60_000)), drawing.collect("out"))
    worker = LiveWorker(drawing, tmp_path / "logs")

    def story() -> Iterator[Callable[[], bool]]:
        out = worker.tasks[worker.task("out")]
        yield lambda: out.totals().records_in == 300
        [found] = [operator.fetch() for operator in out.chain.operators if isinstance(operator, CollectOperator)]
        assert sorted(found) == sorted([str(number) for number in range(100)] * 3)
        fetching = [thread for thread in threading.enumerate() if thread.name.startswith("fetch-files[0]")]
        assert 1 <= len(fetching) <= 4
        doors = worker.doors[worker.task("files")]
        yield lambda: doors.told == 200
        assert not [path for path in opened() if path.startswith(str(folder))]

    worker.live(story())
    worker.close()


def opened() -> list[str]:
    """What this process has open."""
    return [os.path.realpath(descriptor) for descriptor in Path("/proc/self/fd").iterdir()]
