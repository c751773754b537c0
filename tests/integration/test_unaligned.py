"""Records in flight: a slow job whose barriers overtake them, killed and started again at another parallelism."""

import os
import signal
import time
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

from millstream import FileSink, Time, TumblingEventTimeWindows, WatermarkStrategy
from millstream.execution.job_client import JobClient
from millstream_dataflow.identity import JobId
from millstream_runtime.messages.client import CheckpointView
from millstream_runtime.states import JobState
from tests.integration.programs import HEADER, WINDOW, CountAndSum, WithWindow
from tests.support.clusters import Cluster, running_cluster
from tests.support.jobs import Event, PacedEvents, truth, window_rows

COUNT = 6_000
KEYS = 10
UNALIGNED = {
    "execution.checkpointing.interval": "100 ms",
    "execution.checkpointing.aligned-checkpoint-timeout": "0 ms",
    "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": 100,
    "restart-strategy.fixed-delay.delay": "0 ms",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("unaligned"), taskmanagers=2, slots=2) as running:
        yield running


class SlowWhile:
    """Passes records on, 20 ms each while a file exists."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __call__(self, value: Event) -> Event:
        if os.path.exists(self.path):  # noqa: PTH110  # it is asked for every record
            time.sleep(0.02)
        return value


def start(cluster: Cluster, directory: Path, parallelism: int, **options: object) -> JobClient:
    """Windows behind a map that is slow, which every source deals its records out to."""
    env = cluster.environment(**{"parallelism.default": parallelism, **UNALIGNED, **options})
    source = PacedEvents(COUNT, splits=2, rate=20_000, keys=KEYS, held=str(directory / "held"))
    (
        env.from_source(source, WatermarkStrategy.for_monotonous_timestamps(), "events")
        .rebalance()
        .map(SlowWhile(directory / "slow"))
        .key_by(lambda event: event[0])
        .window(TumblingEventTimeWindows.of(Time.milliseconds(WINDOW)))
        .aggregate(CountAndSum(), WithWindow())
        .sink_to(FileSink.csv(str(directory / "out"), HEADER))
    )
    return env.execute_async("slow")


def in_flight(cluster: Cluster, job: JobId, above: int = 0) -> CheckpointView:
    """The newest checkpoint, as soon as it is one above that and has records in flight."""

    def stored() -> Iterable[CheckpointView]:
        points = cluster.details(job).checkpoints
        return [one for one in points[-1:] if one.checkpoint > above and one.unaligned and one.persisted_data]

    cluster.until(lambda: bool(stored()), 30, f"a checkpoint above {above} stores records in flight")
    return next(iter(stored()))


def finish(cluster: Cluster, job: JobId, directory: Path) -> None:
    """Nothing is slow any more, the input ends, and every record was counted once; the audit balances."""
    (directory / "slow").unlink()
    (directory / "held").unlink()
    details = cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert window_rows(directory / "out") == truth(COUNT, KEYS, WINDOW)
    assert [edge for edge in details.edges if not edge.balances] == []


def kill_worker(cluster: Cluster, job: JobId) -> None:
    """One of them; then wait until all tasks run in another attempt."""
    former = max(task.attempt for task in cluster.details(job).tasks)
    os.kill(cluster.all_workers()[0], signal.SIGKILL)

    def runs() -> bool:
        details = cluster.details(job)
        return details.status.state is JobState.RUNNING and all(task.attempt > former for task in details.tasks)

    cluster.until(runs, 20, f"the job runs in an attempt above {former}")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("slow", "held"):
        (tmp_path / name).touch()
    return tmp_path


def test_killed_workers_take_nothing_in_flight_with_them(cluster: Cluster, directory: Path) -> None:
    job = start(cluster, directory, 2).get_job_id()
    cluster.wait_for_state(job, JobState.RUNNING)
    point, restored = in_flight(cluster, job), 0
    for _ in range(3):
        kill_worker(cluster, job)
        point = in_flight(cluster, job, point.checkpoint)
        restored += sum(edge.restored for edge in cluster.details(job).edges)
    assert restored > 0
    finish(cluster, job, directory)


@pytest.mark.parametrize("parallelism", [1, 3])
def test_a_job_goes_on_from_them_at_another_parallelism(cluster: Cluster, directory: Path, parallelism: int) -> None:
    first = start(cluster, directory, 2)
    in_flight(cluster, first.get_job_id())
    first.cancel().result(timeout=20)
    kept = max(cluster.details(first.get_job_id()).checkpoints, key=lambda point: point.checkpoint)
    assert kept.persisted_data > 0
    second = start(cluster, directory, parallelism, **{"execution.state-recovery.path": kept.path}).get_job_id()
    cluster.wait_for_state(second, JobState.RUNNING)
    in_flight(cluster, second)
    assert sum(edge.restored for edge in cluster.details(second).edges) > 0
    finish(cluster, second, directory)
