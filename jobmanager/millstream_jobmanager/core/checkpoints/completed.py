"""What is kept: the completed checkpoints in a job's record, oldest first, and which of them retention lets go.

The record is written at every checkpoint, so nothing in it may grow with the life of the job. Savepoints are never
let go; the old ones shrink to their ids.
"""

from collections.abc import Sequence
from dataclasses import replace

from millstream_dataflow.identity import CheckpointId, JobId
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.record import CompletedCheckpoint, FormerSavepoints, JobRecord, SavepointResult

_RESULTS_KEPT = 100
SAVEPOINTS_LISTED = 100


def restart_points(record: JobRecord) -> tuple[CompletedCheckpoint, ...]:
    """The job's own checkpoints that a region could restart from, oldest first. A savepoint that didn't stop the job
    is none (law 4.7).
    """
    return tuple(point for point in record.checkpoints if point.kind is not SnapshotKind.SAVEPOINT)


def fallbacks(record: JobRecord) -> tuple[CompletedCheckpoint, ...]:
    """All that a region could restart from, oldest first: the last one, or one before if that is damaged (law 4.6).
    The first is what the job was started from.
    """
    started = (record.restore,) if record.restore is not None else ()
    return (*started, *restart_points(record))


def with_point(
    checkpoints: Sequence[CompletedCheckpoint], completed: CompletedCheckpoint
) -> tuple[CompletedCheckpoint, ...]:
    """In the order of their ids, not of their completion: with the newest, sinks have committed everything before it,
    so an older one that completes later must not become the restart point.
    """
    return tuple(sorted((*checkpoints, completed), key=lambda point: point.checkpoint))


def with_damaged(record: JobRecord, path: str) -> JobRecord:
    """The record that says of the checkpoint in that directory that it is damaged, for every leader to come."""

    def marked(point: CompletedCheckpoint) -> CompletedCheckpoint:
        return replace(point, damaged=True) if point.path == path else point

    started = None if record.restore is None else marked(record.restore)
    return replace(record, checkpoints=tuple(map(marked, record.checkpoints)), restore=started)


def with_results(record: JobRecord, results: Sequence[SavepointResult]) -> tuple[SavepointResult, ...]:
    """The answers that the record keeps: the newest, since a client asks within minutes and a job runs for years."""
    return (*record.results, *results)[-_RESULTS_KEPT:]


def savepoint_path(directory: str, job: JobId, number: CheckpointId) -> str:
    """Where a savepoint lies in the directory that was asked for."""
    return f"{directory}/savepoint-{job}-{number}"


def with_former_savepoints(record: JobRecord) -> JobRecord:
    """The record with no more savepoints in the list than people look at; of older ones it keeps the ids. The final
    one of a stop stays: it is a restart point.
    """
    listed = [point for point in record.checkpoints if point.kind is SnapshotKind.SAVEPOINT]
    folded = listed[:-SAVEPOINTS_LISTED]
    if not folded:
        return record
    former = {one.directory: one.checkpoints for one in record.former_savepoints}
    for point in folded:
        directory = point.path.rpartition("/")[0]
        former[directory] = (*former.get(directory, ()), point.checkpoint)
    return replace(
        record,
        checkpoints=tuple(point for point in record.checkpoints if point not in folded),
        former_savepoints=tuple(FormerSavepoints(directory, ids) for directory, ids in former.items()),
    )


def with_its_end(record: JobRecord, *, retained: bool) -> JobRecord:
    """The record of a job that ends, in which nothing that stays is ours to delete: its checkpoints if they are
    retained. Said once and stored, since the configuration may be another one when a new leader reads it (law 2.3).
    """
    stays = tuple(replace(point, discardable=point.discardable and not retained) for point in record.checkpoints)
    return replace(record, checkpoints=stays)


def kept_paths(record: JobRecord) -> tuple[str, ...]:
    """Directories that stay when an ended job's data goes."""
    former = (
        savepoint_path(one.directory, record.job, number)
        for one in record.former_savepoints
        for number in one.checkpoints
    )
    return (*former, *(point.path for point in record.checkpoints if not point.discardable))


def spared_ids(record: JobRecord) -> tuple[CheckpointId, ...]:
    """The checkpoints and savepoints that somebody may still restore from: what they name outside stays (law 6.2)."""
    former = (number for one in record.former_savepoints for number in one.checkpoints)
    return (*former, *(point.checkpoint for point in record.checkpoints))


def after_retention(
    checkpoints: Sequence[CompletedCheckpoint], num_retained: int
) -> tuple[tuple[CompletedCheckpoint, ...], tuple[CompletedCheckpoint, ...]]:
    """(kept, let go). Only what is ours to delete counts and goes; savepoints stay until the user disposes of them."""
    discardable = [point for point in checkpoints if point.discardable]
    gone = set(discardable[: max(0, len(discardable) - num_retained)])
    return tuple(p for p in checkpoints if p not in gone), tuple(p for p in checkpoints if p in gone)
