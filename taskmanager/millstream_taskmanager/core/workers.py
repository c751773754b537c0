"""The workers of a TaskManager: who occupies which slot, who was asked to leave, and when asking is over."""

from collections.abc import Iterator
from dataclasses import dataclass

from millstream_dataflow.identity import JobId, RegionAttempt, WorkerId
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.session import WorkerReport


@dataclass(slots=True)
class Worker:
    """A worker that may be alive."""

    deployment: DeployWorker
    ending: str = ""
    """Why it was asked to leave; empty while it wasn't."""
    kill_at: int | None = None
    """Monotonic milliseconds."""

    @property
    def attempt(self) -> RegionAttempt:
        """Of its region."""
        return self.deployment.attempt


class Workers:
    """All of them, by id."""

    def __init__(self) -> None:
        self._workers: dict[WorkerId, Worker] = {}

    def __iter__(self) -> Iterator[tuple[WorkerId, Worker]]:
        return iter(self._workers.items())

    def __contains__(self, worker: WorkerId) -> bool:
        return worker in self._workers

    def get(self, worker: WorkerId) -> Worker | None:
        """The worker of that id, if it may be alive."""
        return self._workers.get(worker)

    def add(self, deployment: DeployWorker) -> None:
        """It is being started."""
        self._workers[deployment.worker] = Worker(deployment)

    def remove(self, worker: WorkerId) -> Worker | None:
        """It is gone."""
        return self._workers.pop(worker, None)

    def occupant(self, slot: int) -> WorkerId | None:
        """Who occupies a slot."""
        return next((name for name, worker in self._workers.items() if worker.deployment.slot == slot), None)

    def of_region(self, attempt: RegionAttempt) -> Iterator[tuple[WorkerId, Worker]]:
        """Workers of this attempt of the region and of older ones."""
        for name, worker in list(self._workers.items()):
            same = (worker.attempt.job, worker.attempt.region) == (attempt.job, attempt.region)
            if same and worker.attempt.number <= attempt.number:
                yield name, worker

    def of_attempt(self, attempt: RegionAttempt) -> Iterator[WorkerId]:
        """Workers of exactly this attempt that weren't asked to leave."""
        return (name for name, worker in self._workers.items() if worker.attempt == attempt and not worker.ending)

    def of_job(self, job: JobId) -> Iterator[tuple[WorkerId, Worker]]:
        """Workers of all attempts of a job."""
        return ((name, worker) for name, worker in list(self._workers.items()) if worker.attempt.job == job)

    def reports(self) -> tuple[WorkerReport, ...]:
        """As a registration shows them."""
        return tuple(
            WorkerReport(name, worker.attempt, worker.deployment.slot) for name, worker in self._workers.items()
        )

    def deadline(self) -> int | None:
        """When asking is over for somebody."""
        return min((w.kill_at for w in self._workers.values() if w.kill_at is not None), default=None)
