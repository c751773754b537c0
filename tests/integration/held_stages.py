"""A batch job of three stages that a test holds in its last one, and what its details say of them."""

import time
from collections.abc import Iterable
from pathlib import Path

from millstream import FileSink, KeyedProcessFunction, StreamExecutionEnvironment
from millstream_dataflow.identity import JobId, VertexId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import TaskState
from tests.support.clusters import Cluster

COUNT = 20_000
AT_ONCE = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.delay": "0 ms"}


def batch(cluster: Cluster, **options: object) -> StreamExecutionEnvironment:
    return cluster.environment(**{"execution.runtime-mode": "BATCH", "parallelism.default": 2, **options})


def results_left(directory: Path) -> list[Path]:
    """What stages have left in the directories of all TaskManagers."""
    return list(directory.glob("taskmanager-*/*/results/*"))


class Total(KeyedProcessFunction[int, tuple[int, int], tuple[int, int]]):
    """The sum of each key, when it is through; while a file lies there, it isn't."""

    def __init__(self, held: str = "") -> None:
        self.held = held
        self.totals: dict[int, int] = {}

    def process_element(self, value: tuple[int, int], ctx: KeyedProcessFunction.Context) -> Iterable[tuple[int, int]]:
        while self.held and Path(self.held).exists():
            time.sleep(0.01)
        if value[0] not in self.totals:
            ctx.timer_service().register_event_time_timer(0)
        self.totals[value[0]] = self.totals.get(value[0], 0) + value[1]
        return ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[tuple[int, int]]:
        yield ctx.get_current_key(), self.totals.pop(ctx.get_current_key())


def submitted(cluster: Cluster, directory: Path) -> JobId:
    """Numbers, sums by 100, sums of those by 10: the last stage waits for the file `held` to go."""
    (directory / "held").touch()
    env = batch(cluster, **AT_ONCE)
    numbers = env.from_sequence(1, COUNT).map(lambda number: (number % 100, number))
    sums = numbers.key_by(lambda pair: pair[0]).process(Total()).map(lambda pair: (pair[0] % 10, pair[1]))
    last = sums.key_by(lambda pair: pair[0]).process(Total(str(directory / "held")))
    last.sink_to(FileSink.csv(str(directory / "out"), ("key", "total")))
    return env.execute_async("held").get_job_id()


def rows_written(directory: Path) -> list[tuple[int, ...]]:
    """All that the job has written."""
    lines = [line for path in (directory / "out").rglob("*.csv") for line in path.read_text().splitlines()]
    return sorted(tuple(map(int, line.split(","))) for line in lines if not line.startswith("key"))


TRUTH = [(key, sum(number for number in range(1, COUNT + 1) if number % 10 == key)) for key in range(10)]
"""The rows that it must write."""


def stages_of(details: JobDetails) -> list[VertexId]:
    """Its vertices, in the order of the data."""
    return list(dict.fromkeys(task.vertex for task in details.tasks))


def attempts_of(details: JobDetails, vertex: VertexId) -> list[int]:
    return [task.attempt for task in details.tasks if task.vertex == vertex]


def last_runs(details: JobDetails) -> bool:
    tasks = [task for task in details.tasks if task.vertex == stages_of(details)[-1]]
    return len(stages_of(details)) == 3 and all(task.state is TaskState.RUNNING for task in tasks)
