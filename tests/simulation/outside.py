"""The world outside, and what must be true of it: each record committed exactly once, nothing committed before its
checkpoint's pointer was stored, no checkpoint lost, no part of a former attempt in a checkpoint.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from millstream_dataflow.identity import CheckpointId, JobId
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.snapshots import CheckpointMetadata
from millstream_runtime.states import JOB_STATES

Committable = tuple[str, ...]
Record = tuple[int, int, int]
"""(source subtask, number, count of its key so far)."""


class BrokenInvariantError(AssertionError):
    """Something happened that never may."""


@dataclass
class Outside:
    """Files that other systems see, by the committable that they were published from."""

    published: dict[JobId, dict[Committable, tuple[Record, ...]]] = field(
        default_factory=dict[JobId, dict[Committable, tuple[Record, ...]]]
    )
    stored: dict[JobId, set[CheckpointId]] = field(default_factory=dict[JobId, set[CheckpointId]])
    """Checkpoints whose pointers were stored at some time."""

    def commit(self, job: JobId, name: Committable, records: tuple[Record, ...], told: CheckpointId) -> None:
        """A sink publishes; doing it twice is fine, publishing something else under the same name is not."""
        if told not in self.stored.get(job, set()):
            raise BrokenInvariantError(f"{name} was committed for checkpoint {told}, whose pointer isn't stored")
        known = self.published.setdefault(job, {}).setdefault(name, records)
        if known != records:
            raise BrokenInvariantError(f"{name} was committed twice with different records")

    def check_record(
        self, before: JobRecord | None, after: JobRecord, metadata: Mapping[str, CheckpointMetadata]
    ) -> None:
        """A job's record is about to change."""
        known = set(before.checkpoints) if before else set()
        for point in set(after.checkpoints) - known:
            if point.checkpoint in self.stored.setdefault(after.job, set()):
                raise BrokenInvariantError(f"checkpoint {point.checkpoint} was completed twice")
            self.stored[after.job].add(point.checkpoint)
            if point.path not in metadata:
                raise BrokenInvariantError(f"the pointer to checkpoint {point.checkpoint} leads nowhere")
            attempts = {region.attempt for region in after.regions}
            foreign = [part.task for part in metadata[point.path].tasks if part.task.attempt not in attempts]
            if foreign:
                raise BrokenInvariantError(
                    f"checkpoint {point.checkpoint} holds parts of former attempts: {foreign[:3]}"
                )
        numbers = {region.attempt.region: region.attempt.number for region in (before.regions if before else ())}
        for region in after.regions:
            if region.attempt.number < numbers.get(region.attempt.region, 0):
                raise BrokenInvariantError(
                    f"region {region.attempt.region} went back to attempt {region.attempt.number}"
                )

    def check_discard(self, path: str, records: Iterable[JobRecord]) -> None:
        """A directory is about to be deleted; a running job's checkpoints stay."""
        for record in records:
            if not JOB_STATES.is_final(record.state) and path in {point.path for point in record.checkpoints}:
                raise BrokenInvariantError(f"{path} is deleted while the record of its job points to it")

    def records(self, job: JobId) -> list[Record]:
        """Everything that was committed."""
        return [record for records in self.published.get(job, {}).values() for record in records]

    def check_exactly_once(self, job: JobId, keys: int) -> None:
        """Nothing doubled, and the counts of each key without a gap: state and output agree."""
        records = self.records(job)
        doubled = [
            name for name, times in Counter((source, number) for source, number, _ in records).items() if times > 1
        ]
        if doubled:
            raise BrokenInvariantError(f"{len(doubled)} records were committed twice, such as {doubled[0]}")
        counts: dict[tuple[int, int], list[int]] = {}
        for source, number, seen in records:
            counts.setdefault((source // 100, number % keys), []).append(seen)
        for key, all_seen in counts.items():
            if sorted(all_seen) != list(range(1, len(all_seen) + 1)):
                raise BrokenInvariantError(f"the state of key {key} has counted {sorted(all_seen)}")

    def check_complete(self, job: JobId, sources: list[int], numbers: int) -> None:
        """Everything arrived."""
        there = {(source, number) for source, number, _ in self.records(job)}
        lost = {(source, number) for source in sources for number in range(numbers)} - there
        if lost:
            raise BrokenInvariantError(
                f"{len(lost)} of {len(sources) * numbers} records were lost, such as {min(lost)}"
            )
