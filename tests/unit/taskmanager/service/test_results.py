"""What finished stages have left goes when nobody can need it: with its job, and with a later attempt."""

from pathlib import Path

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId, worker_id
from millstream_taskmanager.results.places import directory_of
from millstream_taskmanager.service.results import KeptResults

JOB = JobId("j" * 32)


def attempt(number: int) -> RegionAttempt:
    return RegionAttempt(JOB, RegionId(0), number)


def left(root: Path, number: int, name: str) -> Path:
    path = directory_of(root, JOB, worker_id(attempt(number), 0)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


async def test_what_goes_and_when(tmp_path: Path) -> None:
    kept = KeptResults(tmp_path)
    whole, part = left(tmp_path, 1, "0-0"), left(tmp_path, 1, "1-0.part")
    kept.begin(attempt(1))
    kept.end(JOB, worker_id(attempt(1), 0))
    await kept.stop()
    assert (whole.exists(), part.exists()) == (True, False)
    kept = KeptResults(tmp_path)
    later = left(tmp_path, 2, "0-0")
    kept.begin(attempt(2))
    kept.begin(attempt(2))
    await kept.stop()
    assert (whole.exists(), later.exists()) == (False, True)
    kept = KeptResults(tmp_path)
    kept.drop(JOB)
    await kept.stop()
    assert not directory_of(tmp_path, JOB, worker_id(attempt(2), 0)).exists()
