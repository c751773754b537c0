"""What is found in the directory of checkpoints, and what is deleted there (laws 1.2, 1.4, 2.3)."""

import os
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId
from millstream_runtime.checkpoint_files import (
    StorageRefusedError,
    StorageUnreachableError,
    discard_checkpoint,
    discard_job,
    highest_epoch,
    latest_checkpoints,
    publish_metadata,
    verify_checkpoint,
)
from millstream_runtime.file_systems import locate
from tests.unit.runtime.checkpoint_files.disks import Journal
from tests.unit.runtime.checkpoint_files.samples import JOB, content, metadata, overwrite, write_checkpoint

OTHER = JobId("0ddba115" * 4)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


def damage(path: str, offset: int) -> None:
    data = bytearray(content(path))
    data[offset] ^= 1
    overwrite(path, bytes(data))


def below(path: str) -> list[str]:
    place = locate(path)
    return place.storage.entries(place.path)


def exists(path: str) -> bool:
    return path.rpartition("/")[2] in below(path.rpartition("/")[0])


def names(paths: list[str]) -> list[str]:
    return [path.rpartition("/")[2] for path in paths]


def tree(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


# ------------------------------------------------------------ finding


def test_an_empty_or_missing_directory_has_no_epoch_and_no_checkpoints(directory: Path) -> None:
    assert highest_epoch(str(directory)) == 0
    assert latest_checkpoints(str(directory), JOB) == []
    directory.mkdir()
    assert highest_epoch(str(directory)) == 0
    assert latest_checkpoints(str(directory), JOB) == []


def test_the_highest_epoch_is_that_of_all_jobs_and_savepoints(place: str) -> None:
    write_checkpoint(place, 1, epoch=3)
    write_checkpoint(place, 2, epoch=5, job=OTHER)
    assert highest_epoch(place) == 5
    publish_metadata(f"{place}/savepoint-5ca1ab-9", metadata(9, epoch=8))
    assert highest_epoch(place) == 8


def test_an_epoch_is_read_where_the_rest_is_damaged(place: str) -> None:
    path = write_checkpoint(place, 1, epoch=6)
    damage(f"{path}/_metadata", 60)
    assert highest_epoch(place) == 6
    damage(f"{path}/_metadata", 12)
    assert highest_epoch(place) == 0


def test_the_latest_is_that_of_the_highest_epoch_then_id(place: str) -> None:
    """A deposed leader went on counting on its side of the cut."""
    for number, epoch in ((1, 1), (2, 1), (110, 1), (101, 2), (102, 2)):
        write_checkpoint(place, number, epoch)
    write_checkpoint(place, 900, 9, job=OTHER)
    found = latest_checkpoints(place, JOB)
    assert names(found) == ["chk-102", "chk-101", "chk-110", "chk-2", "chk-1"]
    for path in found:
        verify_checkpoint(path)


def test_what_has_no_metadata_is_no_checkpoint(directory: Path) -> None:
    write_checkpoint(str(directory), 1)
    for name in ("chk-2", "chk-x", "shared", "chk-3 (copy)"):
        (directory / JOB / name).mkdir()
    (directory / JOB / "chk-4").touch()
    assert [Path(path).name for path in latest_checkpoints(str(directory), JOB)] == ["chk-1"]


def test_a_damaged_checkpoint_stays_in_its_place(place: str) -> None:
    """Else an older one would be taken in silence (law 4.6)."""
    for number in (8, 9, 10):
        write_checkpoint(place, number)
    damage(f"{place}/{JOB}/chk-10/_metadata", 15)
    damage(f"{place}/{JOB}/chk-9/_metadata", 100)
    assert names(latest_checkpoints(place, JOB)) == ["chk-10", "chk-9", "chk-8"]


@pytest.mark.parametrize("job", ["", ".", "..", "../other", "a/b", "/etc", "a\0b", "x" * 300])
def test_a_job_id_that_is_a_path_is_refused(directory: Path, job: str) -> None:
    write_checkpoint(str(directory), 1)
    with pytest.raises(StorageRefusedError, match="job id"):
        discard_job(str(directory), JobId(job), ())
    with pytest.raises(StorageRefusedError, match="job id"):
        latest_checkpoints(str(directory), JobId(job))
    assert len(latest_checkpoints(str(directory), JOB)) == 1


# ------------------------------------------------------------ deleting


def test_a_discarded_checkpoint_is_gone_and_the_others_stay(place: str) -> None:
    first, second = write_checkpoint(place, 1), write_checkpoint(place, 2)
    discard_checkpoint(first)
    assert latest_checkpoints(place, JOB) == [second]
    assert not exists(first)
    verify_checkpoint(second)
    discard_checkpoint(first)


def test_metadata_goes_first(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails right after it: what is left isn't taken for a checkpoint."""
    path = Path(write_checkpoint(str(directory), 1))
    Journal(monkeypatch, "sync directory chk-1")
    with pytest.raises(StorageUnreachableError, match="could not be deleted"):
        discard_checkpoint(str(path))
    assert [left.name for left in path.iterdir()] == ["0-1-count[0]"]
    assert latest_checkpoints(str(directory), JOB) == []


@pytest.mark.parametrize("name", ["", "home", "chk", "savepoints", ".."])
def test_only_what_is_named_like_a_checkpoint_is_discarded(directory: Path, name: str) -> None:
    (directory / "home").mkdir(parents=True)
    with pytest.raises(StorageRefusedError, match="isn't named like a checkpoint"):
        discard_checkpoint(f"{directory}/{name}")
    assert (directory / "home").is_dir()


def test_a_job_goes_with_all_it_has_and_others_stay(place: str) -> None:
    write_checkpoint(place, 1)
    overwrite(f"{place}/{JOB}/shared/file", b"")
    other = write_checkpoint(place, 2, job=OTHER)
    discard_job(place, JOB, ())
    assert below(place) == [OTHER]
    verify_checkpoint(other)
    discard_job(place, JOB, ())


def test_what_is_kept_stays_whole(place: str) -> None:
    one, *_, other = [write_checkpoint(place, number) for number in (2, 3, 4, 20, 40)]
    inner = f"{place}/{JOB}/mine/savepoint-5ca1ab-7"
    publish_metadata(inner, metadata())
    overwrite(f"{place}/{JOB}/mine/chk-6/part", b"")
    elsewhere = f"{place}/savepoint-5ca1ab-8"
    publish_metadata(elsewhere, metadata(8))
    discard_job(place, JOB, (one, f"{other}/", inner, elsewhere))
    for path in (one, other, inner, elsewhere):
        verify_checkpoint(path)
    assert below(f"{place}/{JOB}") == ["chk-2", "chk-40", "mine"]
    assert below(f"{place}/{JOB}/mine") == ["savepoint-5ca1ab-7"]


def test_what_is_kept_may_be_named_through_a_link_or_a_uri(directory: Path, tmp_path: Path) -> None:
    write_checkpoint(str(directory), 1)
    write_checkpoint(str(directory), 2)
    write_checkpoint(str(directory), 3)
    (tmp_path / "link").symlink_to(directory)
    discard_job(str(directory), JOB, (f"{tmp_path}/link/{JOB}/chk-1", f"file://{directory}/{JOB}/chk-2"))
    assert {path.name for path in (directory / JOB).iterdir()} == {"chk-1", "chk-2"}
    discard_job(f"{tmp_path}/link", JOB, (f"{directory}/{JOB}/chk-2",))
    assert {path.name for path in (directory / JOB).iterdir()} == {"chk-2"}
    discard_job(str(directory), JOB, (str(directory),))
    assert {path.name for path in (directory / JOB).iterdir()} == {"chk-2"}


def test_links_are_not_followed(directory: Path, tmp_path: Path) -> None:
    precious = Path(write_checkpoint(str(tmp_path / "precious"), 1, job=OTHER))
    before = tree(tmp_path / "precious")
    write_checkpoint(str(directory), 1)
    (directory / JOB / "chk-2").symlink_to(precious)
    (directory / JOB / "chk-1" / "inside").symlink_to(tmp_path / "precious")
    (directory / JOB / "shared").symlink_to(tmp_path / "precious")
    discard_checkpoint(str(directory / JOB / "chk-2"))
    discard_job(str(directory), JOB, ())
    assert not (directory / JOB).exists()
    (directory / JOB).symlink_to(precious.parent)
    discard_job(str(directory), JOB, ())
    assert not (directory / JOB).is_symlink()
    assert tree(tmp_path / "precious") == before


def test_a_linked_job_directory_that_holds_something_kept_stays_as_it_is(directory: Path, tmp_path: Path) -> None:
    kept = Path(write_checkpoint(str(tmp_path / "volume"), 1))
    directory.mkdir()
    (directory / JOB).symlink_to(kept.parent)
    discard_job(str(directory), JOB, (f"{directory}/{JOB}/chk-1",))
    verify_checkpoint(f"{directory}/{JOB}/chk-1")


def test_the_rest_of_a_half_deleted_job_can_be_deleted(directory: Path) -> None:
    path = Path(write_checkpoint(str(directory), 1))
    (path / "_metadata").unlink()
    (path / ".part.0123.writing").touch()
    os.mkfifo(path / "fifo")
    discard_job(str(directory), JOB, ())
    assert not (directory / JOB).exists()
