"""A small checkpoint with everything in it, and the steps that make it."""

from dataclasses import replace
from pathlib import Path

from millstream_dataflow.identity import (
    CheckpointId,
    Epoch,
    JobId,
    OperatorId,
    RegionAttempt,
    RegionId,
    SubtaskId,
    TaskId,
    VertexId,
)
from millstream_dataflow.job_graph import Versions
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.checkpoint_files import (
    KeyedRun,
    OperatorContents,
    SnapshotReader,
    StoredList,
    encode_snapshot,
    publish_metadata,
    write_data_file,
)
from millstream_runtime.file_systems import locate
from millstream_runtime.messages.snapshots import (
    CheckpointMetadata,
    FileRef,
    InlineBytes,
    ListState,
    OperatorSnapshot,
    Redistribution,
    StoredTask,
    TaskSnapshot,
)

JOB = JobId("5ca1ab1e" * 4)
SOURCE = OperatorId("a" * 32)
COUNT = OperatorId("b" * 32)

SPLITS = StoredList("splits", Redistribution.SPLIT, (b"split 1", b"", b"split 3"))
CONTENTS = (
    OperatorContents(SOURCE, (SPLITS, StoredList("none", Redistribution.UNION, ()))),
    OperatorContents(
        COUNT,
        runs=(
            KeyedRun("timers", 5, 2, b"two timers"),
            KeyedRun("sums", 4, 1, b"one sum"),
            KeyedRun("sums", 7, 0, b""),
            KeyedRun("sums", 4, 3, b"three more"),
        ),
        first_group=4,
        end_group=8,
    ),
)


def described(contents: tuple[OperatorContents, ...]) -> tuple[OperatorSnapshot, ...]:
    """What a task says of its snapshot beside the handle."""
    return tuple(
        OperatorSnapshot(
            one.operator,
            one.first_group,
            one.end_group,
            tuple(ListState(stored.name, stored.redistribution, len(stored.items)) for stored in one.lists),
        )
        for one in contents
    )


def stored(index: int, handle: FileRef | InlineBytes | None, operators: tuple[OperatorSnapshot, ...]) -> StoredTask:
    """One task's part."""
    task = TaskId(RegionAttempt(JOB, RegionId(0), 1), SubtaskId(VertexId("c" * 32), index))
    return StoredTask(task, 2, 128, TaskSnapshot(handle, operators))


def metadata(
    number: int = 7, epoch: int = 3, tasks: tuple[StoredTask, ...] = (), job: JobId = JOB
) -> CheckpointMetadata:
    """Of a checkpoint with these parts."""
    return CheckpointMetadata(
        job,
        "sample",
        Epoch(epoch),
        CheckpointId(number),
        SnapshotKind.CHECKPOINT,
        1_700_000_000_000,
        tasks,
        {COUNT: "Count"},
        Versions("3.11.0", "0.1.0", "3.1.0", "26.0.0"),
    )


def inlined(contents: tuple[OperatorContents, ...] = CONTENTS) -> InlineBytes:
    """Its bytes in the acknowledgement."""
    return InlineBytes(b"".join(encode_snapshot(contents)))


def write_checkpoint(directory: str, number: int = 7, epoch: int = 3, job: JobId = JOB) -> str:
    """A complete checkpoint with one data file and one inlined state; its path."""
    path = f"{directory}/{job}/chk-{number}"
    handle = write_data_file(path, "0-1-count[0]", encode_snapshot(CONTENTS))
    tasks = (stored(0, handle, described(CONTENTS)), stored(1, inlined(), described(CONTENTS)))
    publish_metadata(path, metadata(number, epoch, tasks, job))
    return path


def located(path: str, handle: FileRef) -> FileRef:
    """As a restore names it."""
    return replace(handle, path=f"{path}/{handle.path}")


def read_back(reader: SnapshotReader) -> dict[str, tuple[dict[str, list[bytes]], list[KeyedRun]]]:
    """Everything in a snapshot: the lists and the runs of each operator."""
    found: dict[str, tuple[dict[str, list[bytes]], list[KeyedRun]]] = {}
    for operator in reader.operators():
        names = reader.lists(operator)
        lists = {name: reader.list_items(operator, name, 0, reader.list_length(operator, name)) for name in names}
        groups = reader.groups(operator)
        found[operator] = (lists, list(reader.runs(operator, groups.start, groups.stop)))
    return found


def content(path: str) -> bytes:
    """All of a file, wherever it lies."""
    place = locate(path)
    return place.storage.read(place.path)


def overwrite(path: str, data: bytes) -> None:
    """What nobody of us does to a file."""
    place = locate(path)
    place.storage.write(place.path, [data])


def flip(path: Path, offset: int, bits: int) -> None:
    """Damage one byte; the same again mends it."""
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ bits]))
