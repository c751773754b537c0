"""Which file is whose.

    <working directory of the TaskManager>/results/<job>/<worker>/<edge>-<subtask>

A worker's id names region, attempt and slot, so no two attempts share a directory (law 1.5). What a worker leaves that
was killed before it was through goes with it; what it has completed stays until its job has ended. What a former
attempt has completed is of no use when a later one begins on the same TaskManager, and goes then.
"""

import contextlib
import shutil
from pathlib import Path
from typing import Final

from millstream_dataflow.identity import EdgeId, JobId, RegionAttempt, WorkerId, worker_id

NAME: Final = "results"
UNFINISHED: Final = ".part"
"""What the name of a file ends with until it is complete."""


def file_name(edge: EdgeId, subtask: int) -> str:
    """Of what one task leaves for one edge."""
    return f"{edge}-{subtask}"


def directory_of(root: Path, job: JobId, worker: WorkerId) -> Path:
    """Of all that the tasks of one worker leave."""
    return root / job / worker


def result_path(root: Path, attempt: RegionAttempt, ordinal: int, name: str) -> Path:
    """Of one file. `root` is that of the TaskManager that runs, or ran, the worker."""
    return directory_of(root, attempt.job, worker_id(attempt, ordinal)) / name


def remove_unfinished(directory: Path) -> None:
    """What a worker that was killed has left."""
    for path in directory.glob(f"*{UNFINISHED}"):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it isn't there, or holds what is complete
        directory.rmdir()


def remove_job(root: Path, job: JobId) -> None:
    """The job has ended."""
    shutil.rmtree(root / job, ignore_errors=True)


def remove_former(root: Path, attempt: RegionAttempt) -> None:
    """An attempt begins: what former ones of its region have left is of no use."""
    with contextlib.suppress(FileNotFoundError):
        for path in (root / attempt.job).iterdir():
            _, region, number, _ = path.name.rsplit("-", 3)
            if int(region) == attempt.region and int(number) < attempt.number:
                shutil.rmtree(path, ignore_errors=True)
