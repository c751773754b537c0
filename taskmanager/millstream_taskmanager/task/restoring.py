"""From what the JobManager says a task restores, to what the task begins with. Reads data files, so it may block.

Everything is read at once and stays encoded: operators decode their own when they open.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Protocol

from millstream_dataflow.identity import ChannelId, OperatorId
from millstream_dataflow.records import EndReason
from millstream_dataflow.records.controls import MIN_TIME
from millstream_runtime.checkpoint_files.contents import KeyedRun, StoredList
from millstream_runtime.messages.snapshots import FileRef, InFlightPart, InlineBytes, RestorePart, TaskRestore
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.state.group_times import lowest_time
from millstream_taskmanager.task.restored import Restored, StoredRecords

Handle = FileRef | InlineBytes


class Snapshot(Protocol):
    """One old subtask's snapshot, open for reading."""

    def list_items(self, operator: str, name: str, first: int, end: int) -> Sequence[bytes]:
        """Items `first` to `end` (exclusive) of a list."""
        ...

    def runs(self, operator: str, first_group: int, end_group: int) -> Iterable[KeyedRun]:
        """The runs of these key groups."""
        ...

    def frames(self, channel: ChannelId, *, output: bool) -> Sequence[bytes]:
        """What was in flight at one end of a channel."""
        ...


OpenSnapshot = Callable[[Handle], AbstractContextManager[Snapshot]]


def restored_of(restore: TaskRestore, open_snapshot: OpenSnapshot) -> Restored:
    """What the task begins with. `open_snapshot` is asked once for each file, and what it raises goes through."""
    lists: dict[OperatorId, list[StoredList]] = {}
    runs: dict[OperatorId, list[KeyedRun]] = {}
    groups: dict[OperatorId, int] = {}
    for handle, parts in _by_handle(restore.parts).items():
        with open_snapshot(handle) as snapshot:
            for part in parts:
                lists.setdefault(part.operator, []).extend(_lists(part, snapshot))
                if part.first_group < part.end_group:
                    read = snapshot.runs(part.operator, part.first_group, part.end_group)
                    runs.setdefault(part.operator, []).extend(read)
                    groups[part.operator] = groups.get(part.operator, 0) + part.end_group - part.first_group
    states = {
        operator: RestoredState(
            tuple(lists[operator]),
            tuple(runs.get(operator, ())),
            restored=True,
            rescaled=restore.rescaled,
            checkpoint=restore.checkpoint,
        )
        for operator in lists
    }
    return Restored(
        states,
        watermark=min((lowest_time(runs[operator], groups[operator]) for operator in runs), default=MIN_TIME),
        ended=EndReason.INPUT if restore.finished else None,
        counts={count.operator: count for count in restore.counts},
        others=RestoredState(restored=True, rescaled=restore.rescaled, checkpoint=restore.checkpoint),
        in_flight=tuple(_in_flight(restore.in_flight, open_snapshot)),
    )


def _in_flight(parts: Iterable[InFlightPart], open_snapshot: OpenSnapshot) -> Iterable[StoredRecords]:
    """What several old subtasks stored of one channel comes in the order of the parts; each file is opened once for
    parts that follow one another.
    """
    for handle, group in groupby(parts, key=lambda part: part.handle):
        with open_snapshot(handle) as snapshot:
            for part in group:
                items = tuple(snapshot.frames(part.channel, output=part.output))
                yield StoredRecords(part.edge, part.channel, part.records, items, part.shared)


def _by_handle(parts: Iterable[RestorePart]) -> dict[Handle, list[RestorePart]]:
    """In the order of the old subtasks: that of list items, when they are shared out anew."""
    found: dict[Handle, list[RestorePart]] = {}
    for part in sorted(parts, key=lambda part: part.old_subtask):
        found.setdefault(part.handle, []).append(part)
    return found


def _lists(part: RestorePart, snapshot: Snapshot) -> Iterable[StoredList]:
    for share in part.lists:
        items = snapshot.list_items(part.operator, share.name, share.first, share.end)
        yield StoredList(share.name, share.redistribution, tuple(items))
