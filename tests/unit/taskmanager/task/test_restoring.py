"""What a task begins with: every file is opened once, and of it only what is the subtask's is read."""

from collections.abc import Generator
from contextlib import contextmanager

from millstream_dataflow.identity import CheckpointId, OperatorId, SubtaskId, VertexId
from millstream_dataflow.records import EndReason
from millstream_dataflow.records.controls import MIN_TIME
from millstream_runtime.checkpoint_files import SnapshotReader, encode_snapshot
from millstream_runtime.checkpoint_files.contents import KeyedRun, OperatorContents, StoredList
from millstream_runtime.messages.snapshots import (
    FileRef,
    InlineBytes,
    ListRange,
    OperatorCount,
    Redistribution,
    RestorePart,
    TaskRestore,
)
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.state.group_times import GroupTimes
from millstream_taskmanager.state.key_space import KeySpace
from millstream_taskmanager.task.restoring import Snapshot, restored_of

KEYED, LISTED, NEW = OperatorId("keyed"), OperatorId("listed"), OperatorId("new")
SUBTASK = SubtaskId(VertexId("vertex"), 0)


def stored(index: int, watermark: int) -> InlineBytes:
    """The snapshot of one of two old subtasks, with 8 key groups together."""
    space = KeySpace("Operator", index, 2, 8)
    times = GroupTimes(space)
    times.advance(watermark)
    groups = space.groups
    runs = tuple(KeyedRun("value:n", group, 1, b"%d" % group) for group in groups)
    items = tuple(b"%d" % number for number in range(3 * index, 3 * index + 3))
    contents = [
        OperatorContents(KEYED, (), (*times.runs(), *runs), groups.start, groups.stop),
        OperatorContents(LISTED, (StoredList("list", Redistribution.SPLIT, items),)),
    ]
    return InlineBytes(b"".join(encode_snapshot(contents)))


def test_of_each_old_subtask_what_is_the_new_ones() -> None:
    first, second = stored(0, 50), stored(1, 20)
    parts = (
        RestorePart(KEYED, 1, second, 4, 6),
        RestorePart(LISTED, 1, second, lists=(ListRange("list", 0, 1, Redistribution.UNION),)),
        RestorePart(KEYED, 0, first, 2, 4),
        RestorePart(LISTED, 0, first, lists=(ListRange("list", 1, 3, Redistribution.UNION),)),
    )
    counts = (OperatorCount(KEYED, received=7),)
    opened: list[FileRef | InlineBytes] = []

    @contextmanager
    def open_snapshot(handle: FileRef | InlineBytes) -> Generator[Snapshot, None, None]:
        opened.append(handle)
        with SnapshotReader(handle) as reader:
            yield reader

    restored = restored_of(TaskRestore(SUBTASK, CheckpointId(3), parts, counts, rescaled=True), open_snapshot)
    assert opened == [first, second]
    keyed = restored.of(KEYED)
    assert {run.group: run.data for run in keyed.runs if run.table == "value:n"} == {
        group: b"%d" % group for group in range(2, 6)
    }
    assert [stored.items for stored in restored.of(LISTED).lists] == [(b"1", b"2"), (b"3",)]
    assert {stored.redistribution for stored in restored.of(LISTED).lists} == {Redistribution.UNION}
    assert restored.watermark == 20, "the minimum of its key groups"
    assert restored.counts == {KEYED: counts[0]}
    assert restored.ended is None
    assert keyed.rescaled
    assert restored.of(NEW) == RestoredState(restored=True, rescaled=True, checkpoint=CheckpointId(3))


def test_a_finished_task_begins_at_its_end() -> None:
    restored = restored_of(TaskRestore(SUBTASK, CheckpointId(3), (), finished=True), SnapshotReader)
    assert restored.ended is EndReason.INPUT
    assert restored.watermark == MIN_TIME


def test_a_group_without_a_watermark_has_the_lowest() -> None:
    handle = stored(0, MIN_TIME)
    parts = (RestorePart(KEYED, 0, handle, 0, 4), RestorePart(KEYED, 1, stored(1, 20), 4, 8))
    assert restored_of(TaskRestore(SUBTASK, CheckpointId(3), parts), SnapshotReader).watermark == MIN_TIME
