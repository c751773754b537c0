"""What must be true, looked at whenever something takes effect.

Of the world outside: each record is committed exactly once, nothing before its checkpoint's pointer is stored, no
checkpoint is lost, none has a part of a former attempt. Of leaders: each epoch is one process's, epochs grow, and only
the newest one writes. Of jobs: none is forgotten or run again, and nothing is deleted that a record names.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from millstream_dataflow.identity import CheckpointId, Epoch, JobId, RegionAttempt, TaskId
from millstream_runtime.leadership.nodes import ClusterNodes, JobPointer, decode_epoch, decode_pointer
from millstream_runtime.leadership.zookeeper import Create, Delete, Operation, SetData
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.snapshots import CheckpointMetadata
from millstream_runtime.states import JOB_STATES

Committable = tuple[str, ...]
Record = tuple[int, int, int]
"""(source subtask, number, count of its key so far)."""
NODES = ClusterNodes("/simulated")


class BrokenInvariantError(AssertionError):
    """Something happened that never may."""


class NotOverError(AssertionError):
    """Something that must happen never did: the job stands still, or isn't forgotten. Whatever stops a job ends so: it
    is no proof that a breach was seen.
    """


@dataclass
class Outside:
    """Files that other systems see, by the committable that they were published from; and who may do what."""

    metadata: Mapping[str, CheckpointMetadata] = field(default_factory=dict[str, CheckpointMetadata])
    published: dict[JobId, dict[Committable, tuple[Record, ...]]] = field(
        default_factory=dict[JobId, dict[Committable, tuple[Record, ...]]]
    )
    stored: dict[JobId, set[CheckpointId]] = field(default_factory=dict[JobId, set[CheckpointId]])
    """Checkpoints whose pointers were stored at some time."""
    epoch: Epoch = field(default_factory=lambda: Epoch(0))
    """The highest that was taken."""
    leaders: dict[Epoch, str] = field(default_factory=dict[Epoch, str])
    obeyed: dict[str, Epoch] = field(default_factory=dict[str, Epoch])
    """The highest that each TaskManager has obeyed."""
    pointers: dict[JobId, JobPointer] = field(default_factory=dict[JobId, JobPointer])
    records: dict[JobId, JobRecord] = field(default_factory=dict[JobId, JobRecord])
    """What the pointers name."""
    written: dict[str, JobRecord] = field(default_factory=dict[str, JobRecord])
    """Every record that a leader wanted to store, by its nonce."""
    ran: set[TaskId] = field(default_factory=set[TaskId])
    """Every task that was ever started."""
    over: dict[JobId, JobRecord] = field(default_factory=dict[JobId, JobRecord])
    """The last record of those that are forgotten in order."""

    # ------------------------------------------------------------ leaders

    def leads(self, epoch: Epoch, name: str) -> None:
        """A term of office begins. One that was stopped meanwhile may believe so when another has begun: nothing of it
        takes effect.
        """
        if epoch in self.leaders:
            raise BrokenInvariantError(f"{name} leads in epoch {epoch}, which was {self.leaders[epoch]}'s")
        self.leaders[epoch] = name

    def obeys(self, taskmanager: str, epoch: Epoch, leader: str) -> None:
        """A TaskManager does what it is told."""
        if self.leaders.get(epoch) != leader:
            raise BrokenInvariantError(f"{taskmanager} obeys {leader} in epoch {epoch}, {self.leaders.get(epoch)}'s")
        if epoch < self.obeyed.get(taskmanager, 0):
            raise BrokenInvariantError(f"{taskmanager} obeys epoch {epoch} after {self.obeyed[taskmanager]}")
        self.obeyed[taskmanager] = epoch

    def tells(self, job: JobId, checkpoint: CheckpointId) -> None:
        """A leader tells a completion (law 4.3)."""
        if checkpoint not in self.stored.get(job, ()):
            raise BrokenInvariantError(f"the completion of checkpoint {checkpoint} is told, its pointer isn't stored")

    def triggers(self, tasks: tuple[TaskId, ...]) -> None:
        """A leader asks tasks that it takes for running (law 3.4)."""
        if not self.ran.issuperset(tasks):
            raise BrokenInvariantError(f"a checkpoint is triggered at tasks that never ran: {tasks}")

    def changed(self, operation: Operation) -> None:
        """A node of ZooKeeper was made, written or deleted."""
        if operation.path == NODES.epoch and isinstance(operation, Create | SetData):
            taken = decode_epoch(operation.data)
            if taken <= self.epoch:
                raise BrokenInvariantError(f"epoch {taken} was taken after {self.epoch}")
            self.epoch = taken
        elif operation.path.startswith(f"{NODES.jobs}/"):
            self._pointer_changed(JobId(operation.path.rpartition("/")[2]), operation)

    def _pointer_changed(self, job: JobId, operation: Operation) -> None:
        match operation:
            case Create(data=data) | SetData(data=data):
                pointer = decode_pointer(data)
                if isinstance(operation, Create) and job in self.over:
                    raise BrokenInvariantError(f"job {job[:4]} has ended, and runs again")
                self.pointers[job] = pointer
                if not pointer.deleting:
                    self._stored(pointer.nonce)
            case Delete():
                record = self.records.pop(job)
                if not JOB_STATES.is_final(record.state):
                    raise BrokenInvariantError(f"job {job[:4]} is forgotten while it is {record.state.name}")
                self.over[job] = record
                del self.pointers[job]
            case _:
                pass

    def _stored(self, nonce: str) -> None:
        record, writer = self.written[nonce], Epoch(int(nonce.partition("-")[0]))
        if writer != self.epoch:
            raise BrokenInvariantError(f"{self.leaders[writer]} writes in epoch {writer}, and {self.epoch} has begun")
        self._check_record(self.records.get(record.job), record)
        self.records[record.job] = record

    def is_current(self, attempt: RegionAttempt) -> bool:
        """By the stored record."""
        record = self.records.get(attempt.job)
        return record is not None and attempt in {region.attempt for region in record.regions}

    def check_removed(self, path: str) -> None:
        """A file of the job store is about to go."""
        name = path.rpartition("/")[2]
        if any(pointer.file == name and not pointer.deleting for pointer in self.pointers.values()):
            raise BrokenInvariantError(f"{path} is deleted while its pointer names it")

    # ------------------------------------------------------------ jobs

    def commit(self, job: JobId, name: Committable, records: tuple[Record, ...], told: CheckpointId) -> None:
        """A sink publishes; doing it twice is fine, publishing something else under the same name is not."""
        if told not in self.stored.get(job, set()):
            raise BrokenInvariantError(f"{name} was committed for checkpoint {told}, whose pointer isn't stored")
        known = self.published.setdefault(job, {}).setdefault(name, records)
        if known != records:
            raise BrokenInvariantError(f"{name} was committed twice with different records")

    def _check_record(self, before: JobRecord | None, after: JobRecord) -> None:
        if before is not None and JOB_STATES.is_final(before.state) and after.state is not before.state:
            raise BrokenInvariantError(f"the job was {before.state.name} and is {after.state.name}")
        metadata = self.metadata
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

    def check_discard(self, path: str) -> None:
        """A directory is about to be deleted; a running job's checkpoints stay."""
        for record in self.records.values():
            if not JOB_STATES.is_final(record.state) and path in {point.path for point in record.checkpoints}:
                raise BrokenInvariantError(f"{path} is deleted while the record of its job points to it")

    def committed(self, job: JobId) -> list[Record]:
        """Everything that was committed."""
        return [record for records in self.published.get(job, {}).values() for record in records]

    def check_exactly_once(self, job: JobId, keys: int) -> None:
        """Nothing doubled, and the counts of each key without a gap: state and output agree."""
        records = self.committed(job)
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
        there = {(source, number) for source, number, _ in self.committed(job)}
        lost = {(source, number) for source in sources for number in range(numbers)} - there
        if lost:
            raise BrokenInvariantError(
                f"{len(lost)} of {len(sources) * numbers} records were lost, such as {min(lost)}"
            )
