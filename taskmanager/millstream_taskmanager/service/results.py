"""What the tasks of finished stages have left here: it goes when nobody can need it any more (`results.places`).

The disk has a thread of its own; what can't be deleted goes with the TaskManager's directory.
"""

from functools import partial
from pathlib import Path

from millstream_dataflow.identity import JobId, RegionAttempt, WorkerId
from millstream_taskmanager.processes.disk import Disk
from millstream_taskmanager.results.places import directory_of, remove_former, remove_job, remove_unfinished


class KeptResults:
    """Of one TaskManager."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._disk = Disk("results", "results of jobs that have ended may be left in its directory")
        self._seen: set[RegionAttempt] = set()

    def begin(self, attempt: RegionAttempt) -> None:
        """A worker of an attempt is about to start: what former attempts of its region have left is of no use."""
        if attempt not in self._seen and attempt.number > 1:
            self._seen.add(attempt)
            self._disk.start(partial(remove_former, self._root, attempt))

    def end(self, job: JobId, worker: WorkerId) -> None:
        """A worker is gone: what it has not completed goes too."""
        self._disk.start(partial(remove_unfinished, directory_of(self._root, job, worker)))

    def drop(self, job: JobId) -> None:
        """The job has ended."""
        self._seen = {attempt for attempt in self._seen if attempt.job != job}
        self._disk.start(partial(remove_job, self._root, job))

    async def stop(self) -> None:
        """All that was begun is done, unless the disk hangs."""
        await self._disk.end()
