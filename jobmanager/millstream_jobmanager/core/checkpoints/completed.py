"""What is kept: the completed checkpoints in a job's record, oldest first, and which of them retention lets go."""

from collections.abc import Sequence

from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.record import CompletedCheckpoint, JobRecord, SavepointResult

_RESULTS_KEPT = 100


def restart_point(record: JobRecord) -> CompletedCheckpoint | None:
    """Where a region restarts from: the newest stored checkpoint, else what the job was started from. A savepoint
    that didn't stop the job is none (law 4.7).
    """
    points = restart_points(record)
    return points[-1] if points else record.restore


def restart_points(record: JobRecord) -> tuple[CompletedCheckpoint, ...]:
    """All checkpoints that a region could restart from, oldest first."""
    return tuple(point for point in record.checkpoints if point.kind is not SnapshotKind.SAVEPOINT)


def fallbacks(record: JobRecord) -> tuple[CompletedCheckpoint, ...]:
    """All that a region could restart from if newer ones are damaged, oldest first (law 4.6)."""
    started = (record.restore,) if record.restore is not None else ()
    return (*started, *restart_points(record))


def with_point(
    checkpoints: Sequence[CompletedCheckpoint], completed: CompletedCheckpoint
) -> tuple[CompletedCheckpoint, ...]:
    """In the order of their ids, not of their completion: with the newest, sinks have committed everything before it,
    so an older one that completes later must not become the restart point.
    """
    return tuple(sorted((*checkpoints, completed), key=lambda point: point.checkpoint))


def with_results(record: JobRecord, results: Sequence[SavepointResult]) -> tuple[SavepointResult, ...]:
    """The answers that the record keeps: the newest, since a client asks within minutes and a job runs for years."""
    return (*record.results, *results)[-_RESULTS_KEPT:]


def after_retention(
    checkpoints: Sequence[CompletedCheckpoint], num_retained: int
) -> tuple[tuple[CompletedCheckpoint, ...], tuple[CompletedCheckpoint, ...]]:
    """(kept, let go). Only what is ours to delete counts and goes; savepoints stay until the user disposes of them."""
    discardable = [point for point in checkpoints if point.discardable]
    gone = set(discardable[: max(0, len(discardable) - num_retained)])
    return tuple(p for p in checkpoints if p not in gone), tuple(p for p in checkpoints if p in gone)
