"""The external sort equals a plain sort, whatever fits into memory."""

import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.errors import NotSerializableError
from millstream_dataflow.keys import hash_batch
from millstream_dataflow.records import RowBatch
from millstream_dataflow.time import NO_TIMESTAMP
from millstream_dataflow.types.row import Row, RowKind
from millstream_taskmanager.sorting import sorter as sorter_module
from millstream_taskmanager.sorting.blocks import Block, input_of
from millstream_taskmanager.sorting.held import HeldBytes
from millstream_taskmanager.sorting.merging import merged
from millstream_taskmanager.sorting.runs import Run, SpillError
from millstream_taskmanager.sorting.sorter import Sorter

PLENTY = 1 << 30
Arrived = tuple[int, list[int], list[int] | None]
"""A batch: input, keys, times."""


def filled(memory: int, batches: Sequence[Arrived], directory: str = "") -> Sorter:
    """Batches as (input, keys, times); a value is (input, key, number of its arrival)."""
    sorter = Sorter(memory, directory)
    arrived = 0
    for number, keys, times in batches:
        values = [(number, key, arrived + place) for place, key in enumerate(keys)]
        arrived += len(keys)
        sorter.add(number, RowBatch(values, times), hash_batch(keys))
    return sorter


def given_back(sorter: Sorter) -> list[tuple[int, int | None, Any]]:
    """(input, time, value) of each record, in order."""
    found: list[tuple[int, int | None, Any]] = []
    for block in sorter.blocks():
        columns = zip(block.places.tolist(), block.times.tolist(), block.values, strict=True)
        found += [(input_of(place), None if time == NO_TIMESTAMP else time, value) for place, time, value in columns]
    return found


def naive(batches: Sequence[Arrived]) -> list[tuple[int, int | None, Any]]:
    records: list[tuple[int, int, int, int, Any]] = []
    arrived = 0
    for number, keys, times in batches:
        for place, key in enumerate(keys):
            time = NO_TIMESTAMP if times is None else times[place]
            records.append((int(hash_batch([key])[0]), time, number, arrived, (number, key, arrived)))
            arrived += 1
    return [(number, None if time == NO_TIMESTAMP else time, value) for _, time, number, _, value in sorted(records)]


@st.composite
def batch(draw: st.DrawFn) -> Arrived:
    keys = draw(st.lists(st.integers(0, 5), max_size=6))
    times = draw(st.lists(st.integers(-3, 3), min_size=len(keys), max_size=len(keys)))
    return draw(st.integers(0, 1)), keys, draw(st.sampled_from([times, None]))


@given(st.lists(batch(), max_size=12), st.sampled_from([1, 2_500, PLENTY]))
def test_equals_a_plain_sort(batches: Sequence[Arrived], memory: int) -> None:
    """By hash, time, input and arrival, with everything spilled, some of it, or nothing."""
    assert given_back(filled(memory, batches)) == naive(batches)


@given(st.lists(batch(), min_size=3, max_size=12))
def test_runs_are_merged_before_there_are_too_many(batches: Sequence[Arrived]) -> None:
    with patch.object(sorter_module, "_MOST_RUNS", 2):
        sorter = filled(1, batches)
        assert len(sorter._runs) < 2
        assert given_back(sorter) == naive(batches)


def test_one_key_with_more_records_than_memory_holds() -> None:
    batches = [(0, [7] * 500, list(range(start, start + 500))) for start in range(20_000, 0, -500)]
    sorter = filled(100_000, batches)
    assert sorter.spilled > 10
    assert [time for _, time, _ in given_back(sorter)] == list(range(500, 20_500))


def test_memory_is_bounded_by_blocks() -> None:
    """While runs are merged, no more than a block of each is at hand."""
    blocks = list(filled(60_000, [(0, list(range(20_000)), None)] * 4).blocks())
    assert sum(len(block.values) for block in blocks) == 80_000
    assert max(len(block.values) for block in blocks) < 10_000


def test_nothing_gives_nothing() -> None:
    sorter = filled(PLENTY, [(0, [], None)])
    assert sorter.is_empty
    assert given_back(sorter) == []
    assert list(merged([])) == []


def test_files_are_gone_with_the_sorter(tmp_path: Path) -> None:
    sorter = filled(1, [(0, [1, 2], None), (0, [3], None)], str(tmp_path))
    assert not list(tmp_path.iterdir()), "whoever looks finds nothing: files have no name"
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    sorter.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files - 2


def one_run(directory: str = "") -> Run:
    run = Run(directory)
    run.write([Block(hash_batch([1, 2]), np.zeros(2, np.int64), np.arange(2), ["a", "b"])])
    return run


@pytest.mark.parametrize("damage", [lambda file: os.pwrite(file, b"x", 30), lambda file: os.ftruncate(file, 40)])
def test_a_damaged_run_is_named(damage: Callable[[int], object], tmp_path: Path) -> None:
    run = one_run(str(tmp_path))
    damage(run._file.fileno())
    with pytest.raises(SpillError, match=f"a spilled run below {tmp_path} can't be read back: the block at byte 0"):
        list(run.read())
    run.close()


def test_a_full_disk_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        """A file on a disk without room."""

        def write(self, _data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            """Nothing."""

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    words = "No space left on device; free some room, set io.tmp.dirs .* or raise execution.sorted-inputs.memory"
    with pytest.raises(SpillError, match=words) as raised:
        one_run(str(tmp_path))
    assert raised.value.errno == errno.ENOSPC


def test_the_directory_is_made_when_it_is_used(tmp_path: Path) -> None:
    """That of a worker isn't there until the worker has something for it."""
    run = one_run(str(tmp_path / "workers" / "own"))
    assert [block.values for block in run.read()] == [["a", "b"]]
    run.close()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpillError, match=f"can't be written below {tmp_path / 'file'}: File exists"):
        Run(str(tmp_path / "file"))


def test_blocks_are_cut_by_what_all_records_hold() -> None:
    """Not by the last ones: small records of one input may come behind large ones of another."""
    sorter = Sorter(PLENTY, "")
    hashes = hash_batch(list(range(50)))
    sorter.add(0, RowBatch([f"{number:0100000}" for number in range(50)]), hashes)
    sorter.add(1, RowBatch(list(range(50))), hashes)
    assert max(len(block.values) for block in sorter.blocks()) < 10


def test_what_cannot_be_pickled_cannot_be_spilled() -> None:
    sorter = Sorter(1, "")
    with pytest.raises(NotSerializableError, match="a record can't be pickled, and so not be sorted on disk"):
        sorter.add(0, RowBatch([lambda: 1]), hash_batch([1]))
    sorter.close()


def test_what_records_hold_is_counted() -> None:
    """Within a factor of two of what Python says, for what they hold directly."""
    text = HeldBytes().add([f"{n:01000}" for n in range(10)])
    assert 10_000 < text < 12_000
    nested = HeldBytes().add([{"k": ["x" * 90 + f"{n}-{m}" for m in range(10)]} for n in range(100)])
    assert 100_000 < nested < 250_000


@dataclass(slots=True)
class Slotted:
    """A record without a dictionary."""

    text: str
    kind: RowKind = RowKind.INSERT


def test_what_rows_and_slots_hold_is_counted() -> None:
    """What all share (names, members of enums) is not, or once."""
    rows: list[list[object]] = [
        [Row(text=f"{n:01000}", number=n) for n in range(100)],
        [Slotted(f"{n:01000}") for n in range(100)],
    ]
    for records in rows:
        assert 110_000 < HeldBytes().add(records) < 130_000


def test_batches_of_one_record_count_their_arrays() -> None:
    held = HeldBytes()
    for number in range(10):
        held.add([number])
    assert held.add([10]) > 10_000
    assert held.of_record > 1_000
