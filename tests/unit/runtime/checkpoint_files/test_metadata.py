"""`_metadata` appears whole or not at all, and never takes the place of another (law 1.4)."""

import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import JobId
from millstream_runtime.checkpoint_files import (
    CheckpointConflictError,
    CorruptCheckpointError,
    StorageRefusedError,
    encode_snapshot,
    load_metadata,
    publish_metadata,
    verify_checkpoint,
    write_data_file,
)
from millstream_runtime.checkpoint_files.layout import CHECKSUM, checksum
from millstream_runtime.messages.snapshots import CheckpointMetadata, OperatorCount
from tests.unit.runtime.checkpoint_files.samples import CONTENTS, COUNT, described, inlined, metadata, stored

st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))


@given(st.from_type(CheckpointMetadata))
def test_any_metadata_is_read_as_it_was_written(written: CheckpointMetadata) -> None:
    path = f"mock://{secrets.token_hex(8)}/chk-1"
    publish_metadata(path, written)
    assert load_metadata(path) == written


def test_the_size_is_that_of_all_files(tmp_path: Path) -> None:
    handle = write_data_file(str(tmp_path), "part", encode_snapshot(CONTENTS))
    tasks = (stored(0, handle, described(CONTENTS)), stored(1, inlined(), described(CONTENTS)))
    size = publish_metadata(str(tmp_path), metadata(tasks=tasks))
    assert size == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_the_same_may_be_published_again(tmp_path: Path) -> None:
    size = publish_metadata(str(tmp_path), metadata())
    assert publish_metadata(str(tmp_path), metadata()) == size
    assert load_metadata(str(tmp_path)) == metadata()


@pytest.mark.parametrize(
    "other",
    [metadata(epoch=4), metadata(epoch=2), metadata(number=8), replace(metadata(), completed_at=1)],
    ids=["newer epoch", "older epoch", "other id", "other content"],
)
def test_another_checkpoint_of_the_job_is_a_conflict(tmp_path: Path, other: CheckpointMetadata) -> None:
    publish_metadata(str(tmp_path), metadata())
    with pytest.raises(CheckpointConflictError, match="doesn't replace it"):
        publish_metadata(str(tmp_path), other)
    assert load_metadata(str(tmp_path)) == metadata()


def test_the_place_of_another_job_is_refused(tmp_path: Path) -> None:
    """Two jobs whose savepoints were sent to one directory; neither of the two leaders has to step down for it."""
    publish_metadata(str(tmp_path), metadata())
    with pytest.raises(StorageRefusedError, match="another directory"):
        publish_metadata(str(tmp_path), metadata(job=JobId("0" * 32)))
    assert load_metadata(str(tmp_path)) == metadata()


def test_a_damaged_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "_metadata").write_bytes(b"somebody's")
    with pytest.raises(StorageRefusedError, match="no metadata"):
        publish_metadata(str(tmp_path), metadata())
    assert (tmp_path / "_metadata").read_bytes() == b"somebody's"


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    publish_metadata(str(tmp_path), metadata())
    data = bytearray((tmp_path / "_metadata").read_bytes())
    data[8] = 2
    data[36:40] = CHECKSUM.pack(checksum(bytes(data[:36])))
    (tmp_path / "_metadata").write_bytes(data)
    with pytest.raises(CorruptCheckpointError, match="format 2, this Millstream reads 1"):
        load_metadata(str(tmp_path))


def test_a_large_checkpoint_of_inlined_states_is_one_file(tmp_path: Path) -> None:
    tasks = tuple(stored(number, inlined(), described(CONTENTS)) for number in range(500))
    counts = (OperatorCount(COUNT, received=2**60),)
    audited = replace(
        tasks[0], snapshot=replace(tasks[0].snapshot, audit=replace(tasks[0].snapshot.audit, operators=counts))
    )
    publish_metadata(str(tmp_path), metadata(tasks=(audited, *tasks)))
    verify_checkpoint(str(tmp_path))
    assert load_metadata(str(tmp_path)).tasks[0] == audited
