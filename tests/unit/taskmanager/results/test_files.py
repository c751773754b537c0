"""What a stage leaves: written, read back, damaged, missing, without room."""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import ChannelId, EdgeId, JobId, RegionAttempt, RegionId, WorkerId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.records import Batch, ColumnBatch, End, EndOfData, EndReason, RowBatch, Watermark
from millstream_runtime.messages.failures import FailureKind
from millstream_taskmanager.exchange.codecs.batches import BatchDecoder, BatchEncoder, ChannelCodec
from millstream_taskmanager.exchange.credits import ByteCredits
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.results import writing
from millstream_taskmanager.results.layout import SEGMENT
from millstream_taskmanager.results.partitions import LocalPartition, StoredPartition
from millstream_taskmanager.results.places import (
    directory_of,
    remove_former,
    remove_job,
    remove_unfinished,
    result_path,
)
from millstream_taskmanager.results.reading import Origin, StoredChannel, StoredInputs
from millstream_taskmanager.results.writing import ResultEnd, ResultFile
from millstream_taskmanager.user_code.errors import ResultError, UserCodeError
from millstream_taskmanager.worker.stored import Arriving, reading_order
from tests.support.graphs import edge, sink, source

CODEC = ChannelCodec(None, "Map")
ATTEMPT = RegionAttempt(JobId("j" * 32), RegionId(3), 2)


def channel(target: int, subtask: int = 0) -> ChannelId:
    return ChannelId(EdgeId(1), subtask, target)


def write(path: Path, targets: dict[int, list[Batch]], subtask: int = 0) -> ResultFile:
    """A complete file."""
    file = ResultFile(path, list(targets), "Map")
    for target, batches in targets.items():
        end = ResultEnd(channel(target, subtask), file, BatchEncoder(CODEC, 1 << 20))
        for batch in batches:
            end.send(batch, 1, more=True)
        end.send(Watermark(5), 0, more=False)
        end.send(EndOfData(EndReason.INPUT), 0, more=False)
    file.complete()
    return file


class Task:
    """Reads partitions through a gate, in the way of a task; what blocks is done when the test says so."""

    def __init__(self, partitions: dict[ChannelId, StoredPartition], *, window: int = 64 << 10) -> None:
        channels = list(partitions)
        credits_ = ByteCredits(len(channels), window, 2 << 20)
        self.gate = Gate(channels, [0] * len(channels), credits_, lambda: None)
        self.jobs: list[tuple[Callable[[], None], Callable[[Exception | None], None]]] = []
        self.errors: list[Exception] = []
        ends = [
            StoredChannel(one, position, window, Origin(ATTEMPT, partitions[one], BatchDecoder(CODEC)))
            for position, one in enumerate(channels)
        ]
        self.inputs = StoredInputs(self.gate, ends)
        self.inputs.start(lambda job, then: self.jobs.append((job, then)), self.errors.append)
        self.order: list[int] = []
        self.waiting = 0
        """The most bytes that waited in the gate, about: those of batches not yet taken."""

    def work(self) -> None:
        job, then = self.jobs.pop()
        try:
            job()
        except Exception as error:  # noqa: BLE001  # as a pool
            then(error)
        else:
            then(None)

    def read(self) -> dict[int, list[Any]]:
        """All batches by channel, to the end."""
        found: dict[int, list[Any]] = {}
        ends: list[int] = []
        while self.jobs or self.gate.ready:
            if self.jobs:
                self.work()
            while (taken := self.gate.take()) is not None:
                if isinstance(taken.element, RowBatch | ColumnBatch):
                    self.order.append(taken.channel)
                    found.setdefault(taken.channel, []).append(taken.element)
                elif taken.element == EndOfData(EndReason.INPUT):
                    ends.append(taken.channel)
                else:
                    assert taken.element == End()
        if not self.errors:
            assert sorted(ends) == list(range(len(self.gate.channels)))
        return found


def local(path: Path, *targets: int) -> dict[ChannelId, StoredPartition]:
    return {channel(target): LocalPartition(path, target) for target in targets}


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def rows(batches: list[RowBatch]) -> list[tuple[Any, int | None]]:
    found: list[tuple[Any, int | None]] = []
    for batch in batches:
        times: Sequence[int | None] = batch.timestamps or [None] * len(batch)
        found += zip(batch.values, times, strict=True)
    return found


values = st.one_of(st.integers(), st.text(max_size=5), st.tuples(st.integers(), st.floats(allow_nan=False)))


@given(st.dictionaries(st.integers(0, 3), st.lists(st.lists(values, min_size=1, max_size=5), max_size=4), min_size=1))
def test_what_arrives_is_what_was_sent(
    tmp_path_factory: pytest.TempPathFactory, sent: dict[int, list[list[Any]]]
) -> None:
    path = tmp_path_factory.mktemp("results") / "job" / "1-0"
    timed = {t: [RowBatch(list(one), list(range(len(one)))) for one in batches] for t, batches in sent.items()}
    write(path, {target: [*batches] for target, batches in timed.items()})
    found = Task(local(path, *sent)).read()
    for position, target in enumerate(sent):
        assert rows(found.get(position, [])) == rows(timed[target])


def test_columns_come_back_as_columns(tmp_path: Path) -> None:
    columns = pa.record_batch({"n": pa.array(range(1_000)), "s": pa.array([str(n) for n in range(1_000)])})
    batches: list[Batch] = [ColumnBatch(columns, np.arange(1_000)), ColumnBatch(columns.slice(5, 7), np.arange(7))]
    write(tmp_path / "1-0", {0: batches, 1: []})
    found = Task(local(tmp_path / "1-0", 0, 1)).read()
    assert [(one.columns, one.timestamps.tolist()) for one in found[0]] == [
        (columns, list(range(1_000))),
        (columns.slice(5, 7), list(range(7))),
    ]
    assert 1 not in found


BIG = [RowBatch([bytes([number % 251]) * 100_000], [number]) for number in range(30)]


def test_credit_says_how_much_waits(tmp_path: Path) -> None:
    """Three megabytes by a window of 64 KiB: what isn't taken isn't read either."""
    write(tmp_path / "1-0", {0: [*BIG]})
    task = Task(local(tmp_path / "1-0", 0))
    while task.jobs:
        task.work()
    waiting = sum(size for queue in task.gate._queues for _, size in queue)
    assert 0 < waiting < 1 << 20
    assert rows(task.read()[0]) == rows(BIG)


def test_segments_of_several_targets_lie_in_one_file(tmp_path: Path) -> None:
    write(tmp_path / "1-0", {target: [*BIG] for target in range(3)})
    partition = LocalPartition(tmp_path / "1-0", 1)
    index = partition.index()
    partition.close()
    assert index.records == 30
    assert all(segment.size >= SEGMENT for segment in index.segments[:-1])
    assert names(tmp_path) == ["1-0"]
    assert rows(Task(local(tmp_path / "1-0", 2)).read()[0]) == rows(BIG)


def test_many_targets_gather_no_more_than_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_GATHERED", 10_000)
    file = ResultFile(tmp_path / "1-0", range(100), "Map")
    ends = [ResultEnd(channel(target), file, BatchEncoder(CODEC, 1 << 20)) for target in range(100)]
    for _ in range(10):
        for end in ends:
            end.send(RowBatch([b"x" * 500]), 1, more=True)
            assert file._gathered <= 11_000
    file.complete()
    assert len(Task(local(tmp_path / "1-0", 77)).read()[0]) == 10


def test_channels_come_one_after_the_other(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"1-{number}", {0: [RowBatch([number])]}, number)
    partitions: dict[ChannelId, StoredPartition] = {
        channel(0, number): LocalPartition(tmp_path / f"1-{number}", 0) for number in range(3)
    }
    task = Task(partitions)
    task.read()
    assert task.order == [0, 1, 2]


def test_what_is_broadcast_is_read_first_and_each_subtask_begins_with_another() -> None:
    start, end = source(3), sink(3)
    data, rules = edge(1, start, end, Partitioning.HASH), edge(2, start, end, Partitioning.BROADCAST)
    arriving = [
        Arriving(ChannelId(one.id, number, 0), 3 * position + number, one, CODEC)
        for position, one in enumerate((data, rules))
        for number in range(3)
    ]
    assert [one.position for one in reading_order(arriving, 4)] == [3, 4, 5, 1, 2, 0]
    assert [one.position for one in reading_order(arriving[3:], 4)] == [3, 4, 5]


def test_a_file_has_its_name_when_it_is_complete(tmp_path: Path) -> None:
    file = ResultFile(tmp_path / "1-0", [0], "Map")
    end = ResultEnd(channel(0), file, BatchEncoder(CODEC, 1 << 20))
    end.send(RowBatch([b"x" * SEGMENT]), 1, more=True)
    assert names(tmp_path) == ["1-0.part"]
    file.abandon()
    assert names(tmp_path) == []
    whole = write(tmp_path / "1-0", {0: []})
    whole.abandon()
    assert names(tmp_path) == ["1-0"]


def broken(path: Path) -> Exception:
    """What reading it raises."""
    task = Task(local(path, 0))
    try:
        task.read()
    except ResultError as raised:
        return raised
    finally:
        task.inputs.close()
    [error] = task.errors
    return error


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: os.truncate(path, 10), "is damaged: it is too short"),
        (lambda path: os.truncate(path, path.stat().st_size - 1), "has no end, or was written by another version"),
        (lambda path: flip(path, path.stat().st_size - 30), "its index is damaged"),
        (lambda path: flip(path, path.stat().st_size - 13), "1-0 is damaged: its end is damaged"),
        (lambda path: flip(path, path.stat().st_size - 12), "1-0 is damaged: its end is damaged"),
        (lambda path: flip(path, 100), "1-0 is damaged: its segment at byte 4 is damaged"),
        (lambda path: path.unlink(), "isn't there any more"),
    ],
)
def test_a_damaged_file_is_named_and_so_is_who_wrote_it(
    tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "1-0"
    write(path, {0: [RowBatch([b"x" * 500])]})
    damage(path)
    error = broken(path)
    assert isinstance(error, ResultError)
    failure = error.failure()
    assert words in failure.message
    assert "what attempt jjjjjjjj/region 3/attempt 2 has left can't be read" in failure.message
    assert (failure.kind, failure.result, failure.secondary) == (FailureKind.EXTERNAL, ATTEMPT, False)


@pytest.mark.parametrize("size", [500, 20], ids=["a segment", "the end"])
@pytest.mark.parametrize(("wrong", "lost"), [(errno.EIO, ATTEMPT), (errno.ENOMEM, None)])
def test_what_a_disk_cannot_read_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, wrong: int, lost: RegionAttempt | None
) -> None:
    """It would be no better the next time; what a machine is short of may be."""

    def pread(descriptor: int, count: int, place: int) -> bytes:
        if count >= size:
            raise OSError(wrong, os.strerror(wrong))
        return whole(descriptor, count, place)

    whole, path = os.pread, tmp_path / "1-0"
    write(path, {0: [RowBatch([b"x" * 500])]})
    monkeypatch.setattr(os, "pread", pread)
    error = broken(path)
    assert isinstance(error, ResultError)
    assert error.failure().result == lost


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_a_wrong_number_of_records_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer and the reader count independently (law 10.1)."""
    append = ResultFile.append
    monkeypatch.setattr(
        ResultFile,
        "append",
        lambda self, target, buffers, size, records: append(self, target, buffers, size, records + 1),
    )
    write(tmp_path / "1-0", {0: [RowBatch([1, 2])]})
    assert "has 2 records of 3" in str(broken(tmp_path / "1-0"))


def test_the_file_of_somebody_else_is_none(tmp_path: Path) -> None:
    """Whole as it is, with as many records."""
    write(tmp_path / "1-1", {0: [RowBatch([1, 2])]}, subtask=1)
    (tmp_path / "1-1").rename(tmp_path / "1-0")
    error = broken(tmp_path / "1-0")
    assert isinstance(error, ResultError)
    assert error.failure().result == ATTEMPT
    assert f"a frame of {channel(0, 1)} stands in {channel(0)}" in str(error)


class Unreachable:
    """A partition whose TaskManager doesn't answer."""

    def index(self) -> Any:  # noqa: ANN401  # never gives
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    def read(self, first: int, limit: int) -> Any:  # noqa: ANN401  # as above
        return self.index()

    def close(self) -> None:
        """Nothing is open."""


def test_who_cannot_be_reached_has_lost_nothing() -> None:
    task = Task({channel(0): Unreachable()})
    task.read()
    [error] = task.errors
    assert isinstance(error, ResultError)
    assert (error.failure().result, error.failure().secondary) == (None, True)


def test_a_task_that_ends_while_it_reads_closes_the_file(tmp_path: Path) -> None:
    write(tmp_path / "1-0", {0: [*BIG]})
    partition = LocalPartition(tmp_path / "1-0", 0)
    task = Task({channel(0): partition})
    task.inputs.close()
    task.work()
    assert partition._file is not None
    assert partition._file.closed
    assert not task.jobs
    assert not task.errors


class Full:
    """A file on a disk without room."""

    def write(self, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Nothing."""


def test_a_full_disk_names_the_operator_and_what_to_do(tmp_path: Path) -> None:
    file = ResultFile(tmp_path / "1-0", [0], "Map")
    end = ResultEnd(channel(0), file, BatchEncoder(CODEC, 1 << 20))
    file._file = Full()  # type: ignore[assignment]  # as much of a file as is used
    with pytest.raises(UserCodeError) as raised:
        end.send(RowBatch([b"x" * SEGMENT]), 1, more=True)
    failure = raised.value.failure()
    assert (failure.kind, failure.operator) == (FailureKind.EXTERNAL, "Map")
    assert (
        f"can't be written to {tmp_path}: No space left on device; free some room, or set io.tmp.dirs"
        in failure.message
    )


def test_places(tmp_path: Path) -> None:
    """A killed worker's unfinished files go, a former attempt's when another begins, all with the job."""
    job, other = JobId("a" * 32), JobId("b" * 32)

    def attempt(number: int, region: int = 1) -> RegionAttempt:
        return RegionAttempt(job, RegionId(region), number)

    paths = [result_path(tmp_path, attempt(n, r), 0, "0-0") for n, r in ((1, 1), (2, 1), (3, 1), (1, 11))]
    for path in (*paths, paths[2].with_name("0-1.part"), directory_of(tmp_path, other, WorkerId("w")) / "0-0"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    remove_unfinished(paths[2].parent)
    assert names(paths[2].parent) == ["0-0"]
    remove_former(tmp_path, attempt(3))
    assert [path.exists() for path in paths] == [False, False, True, True]
    remove_job(tmp_path, job)
    assert names(tmp_path) == [other]
    remove_former(tmp_path, attempt(9))
    remove_unfinished(tmp_path / "gone")
