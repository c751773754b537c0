"""`_metadata` appears whole or not at all, and never takes the place of another (law 1.4)."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

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
from tests.unit.runtime.checkpoint_files.samples import (
    CONTENTS,
    COUNT,
    content,
    described,
    inlined,
    metadata,
    overwrite,
    stored,
)

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


def test_the_same_may_be_published_again(place: str) -> None:
    size = publish_metadata(place, metadata())
    assert publish_metadata(place, metadata()) == size
    assert load_metadata(place) == metadata()


@pytest.mark.parametrize(
    "other",
    [metadata(epoch=4), metadata(epoch=2), metadata(number=8), replace(metadata(), completed_at=1)],
    ids=["newer epoch", "older epoch", "other id", "other content"],
)
def test_another_checkpoint_of_the_job_is_a_conflict(place: str, other: CheckpointMetadata) -> None:
    publish_metadata(place, metadata())
    with pytest.raises(CheckpointConflictError, match="doesn't replace it"):
        publish_metadata(place, other)
    assert load_metadata(place) == metadata()


def test_the_place_of_another_job_is_refused(place: str) -> None:
    """Two jobs whose savepoints were sent to one directory; neither of the two leaders has to step down for it."""
    publish_metadata(place, metadata())
    with pytest.raises(StorageRefusedError, match="another directory"):
        publish_metadata(place, metadata(job=JobId("0" * 32)))
    assert load_metadata(place) == metadata()


def test_a_damaged_file_is_not_replaced(place: str) -> None:
    overwrite(f"{place}/_metadata", b"somebody's")
    with pytest.raises(StorageRefusedError, match="no metadata"):
        publish_metadata(place, metadata())
    assert content(f"{place}/_metadata") == b"somebody's"


def test_a_newer_format_is_named(place: str) -> None:
    publish_metadata(place, metadata())
    data = bytearray(content(f"{place}/_metadata"))
    data[8] = 2
    data[36:40] = CHECKSUM.pack(checksum(bytes(data[:36])))
    overwrite(f"{place}/_metadata", bytes(data))
    with pytest.raises(CorruptCheckpointError, match="format 2, this Millstream reads 1"):
        load_metadata(place)


@pytest.mark.parametrize("round_", range(3))
def test_of_two_leaders_that_publish_at_once_one_wins(place: str, round_: int) -> None:
    at_once = Barrier(2)

    def publish(epoch: int) -> bool:
        at_once.wait(5)
        try:
            publish_metadata(place, metadata(epoch=epoch))
        except CheckpointConflictError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(publish, (4, 5)))
    assert sorted(won) == [False, True]
    assert won[load_metadata(place).epoch - 4]


def test_a_large_checkpoint_of_inlined_states_is_one_file(tmp_path: Path) -> None:
    tasks = tuple(stored(number, inlined(), described(CONTENTS)) for number in range(500))
    counts = (OperatorCount(COUNT, received=2**60),)
    audited = replace(
        tasks[0], snapshot=replace(tasks[0].snapshot, audit=replace(tasks[0].snapshot.audit, operators=counts))
    )
    publish_metadata(str(tmp_path), metadata(tasks=(audited, *tasks)))
    verify_checkpoint(str(tmp_path))
    assert load_metadata(str(tmp_path)).tasks[0] == audited
