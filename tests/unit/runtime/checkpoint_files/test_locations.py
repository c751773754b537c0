"""Paths, file URIs and file systems of pyarrow serve alike."""

import secrets
from pathlib import Path

import pytest

from millstream_runtime.checkpoint_files import (
    CheckpointConflictError,
    CorruptCheckpointError,
    SnapshotReader,
    StorageRefusedError,
    discard_checkpoint,
    discard_job,
    encode_snapshot,
    highest_epoch,
    latest_checkpoints,
    load_metadata,
    publish_metadata,
    verify_checkpoint,
    write_data_file,
)
from millstream_runtime.file_systems import is_plain_name, locate
from tests.support.object_store import ObjectStore
from tests.unit.runtime.checkpoint_files.samples import (
    CONTENTS,
    JOB,
    inlined,
    located,
    metadata,
    read_back,
    write_checkpoint,
)


@pytest.fixture(params=["path", "file", "mock", "s3"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """`mock` is pyarrow's file system in memory; one for each of its names."""
    if request.param == "s3":
        store = request.getfixturevalue("object_store")
        assert isinstance(store, ObjectStore)
        return store.uri(f"{secrets.token_hex(4)}/a%20b")
    uris = {"path": f"{tmp_path}/a b", "file": f"file://{tmp_path}/a%20b", "mock": f"mock://{secrets.token_hex(4)}/a/b"}
    return uris[request.param]


def test_a_checkpoint_lives_its_life(directory: str) -> None:
    assert highest_epoch(directory) == 0
    assert latest_checkpoints(directory, JOB) == []
    paths = [write_checkpoint(directory, number, epoch=number) for number in (1, 2, 3)]
    assert highest_epoch(directory) == 3
    assert latest_checkpoints(directory, JOB) == paths[::-1]
    for path in paths:
        verify_checkpoint(path)
    discard_checkpoint(paths[0])
    discard_checkpoint(paths[0])
    assert latest_checkpoints(directory, JOB) == [paths[2], paths[1]]
    with pytest.raises(CheckpointConflictError):
        publish_metadata(paths[1], metadata(2, epoch=9))
    discard_job(directory, JOB, (paths[1],))
    assert latest_checkpoints(directory, JOB) == [paths[1]]
    verify_checkpoint(paths[1])
    discard_job(directory, JOB, ())
    discard_job(directory, JOB, ())
    assert latest_checkpoints(directory, JOB) == []
    with pytest.raises(CorruptCheckpointError, match="missing"):
        load_metadata(paths[1])


def test_a_data_file_is_read_by_its_full_name(directory: str) -> None:
    handle = write_data_file(directory, "part", encode_snapshot(CONTENTS))
    with SnapshotReader(located(directory, handle)) as reader, SnapshotReader(inlined()) as same:
        assert read_back(reader) == read_back(same)


def test_damage_is_found_elsewhere_too() -> None:
    path = write_checkpoint(f"mock://{secrets.token_hex(4)}/c", 1)
    place = locate(path) / "0-1-count[0]"
    file = place.storage.open(place.path)
    data = bytearray(file.read_at(0, file.size))
    file.close()
    for offset in range(0, len(data), 7):
        data[offset] ^= 1
        place.storage.write(place.path, [bytes(data)])
        with pytest.raises(CorruptCheckpointError, match=r"mock://.*count\[0\]"):
            verify_checkpoint(path)
        data[offset] ^= 1


@pytest.mark.parametrize("uri", ["nope://bucket/a", "file://other-host/a", "file://"])
def test_a_uri_that_nobody_serves_is_refused_by_its_name(uri: str) -> None:
    with pytest.raises(StorageRefusedError, match=r"could not be written"):
        write_data_file(uri, "part", encode_snapshot(CONTENTS))


def test_names_behind_a_query_belong_to_the_path() -> None:
    """As the JobManager puts them there."""
    plain, asked = locate("mock://one/base/job/chk-1"), locate("mock://one/base?x=1/job/chk-1")
    assert asked.path == plain.path == "base/job/chk-1"


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("checkpoints").path == str(tmp_path / "checkpoints")


@pytest.mark.parametrize("name", ["chk-1", "0-1-count[0]", "a" * 200, "_metadata", "a.b-c=d"])
def test_plain_names(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a/b", "/", "a\\b", "a?b", "a%b", "a b", "a\n", "é", "a" * 201])
def test_names_that_are_none(name: str) -> None:
    assert not is_plain_name(name)
