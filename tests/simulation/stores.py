"""The job store and the storage of checkpoints. Writes take time and end as done, refused or unknown; an unknown one
has taken effect, takes effect later, or never does (law 2.1 plays all truths). What a dead JobManager had under
way may still land.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from millstream_dataflow.identity import Epoch, JobId
from millstream_dataflow.job_graph import JobGraph
from millstream_jobmanager.core.events import LoadProblem, Outcome
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.snapshots import CheckpointMetadata
from tests.simulation.outside import Outside
from tests.simulation.world import World

Answer = Callable[[Outcome], None]


@dataclass(slots=True)
class Faults:
    """How often a write goes wrong."""

    refused: float = 0.0
    unknown: float = 0.0


@dataclass
class Stores:
    """What outlives every process."""

    world: World
    outside: Outside
    epoch: Epoch = field(default_factory=lambda: Epoch(0))
    records: dict[JobId, JobRecord] = field(default_factory=dict[JobId, JobRecord])
    graphs: dict[JobId, JobGraph] = field(default_factory=dict[JobId, JobGraph])
    metadata: dict[str, CheckpointMetadata] = field(default_factory=dict[str, CheckpointMetadata])
    files: dict[str, object] = field(default_factory=dict[str, object])
    faults: Faults = field(default_factory=Faults)

    # ------------------------------------------------------------ records

    def put(self, epoch: Epoch, record: JobRecord, answer: Answer) -> None:
        """Replace a record if its version is one below."""
        self._write(lambda: self._put(epoch, record), answer)

    def _put(self, epoch: Epoch, record: JobRecord) -> Outcome:
        known = self.records.get(record.job)
        if known is not None and (known.version, known.nonce) == (record.version, record.nonce):
            return Outcome.DONE
        if epoch < self.epoch or (known.version if known else 0) != record.version - 1:
            return Outcome.CONFLICT
        self.outside.check_record(known, record, self.metadata)
        self.records[record.job] = record
        return Outcome.DONE

    # ------------------------------------------------------------ checkpoints

    def publish(self, path: str, metadata: CheckpointMetadata, answer: Answer) -> None:
        """Write a checkpoint's metadata."""

        def write() -> Outcome:
            self.metadata[path] = metadata
            return Outcome.DONE

        self._write(write, answer)

    def load(self, path: str, answer: Callable[[CheckpointMetadata | None, LoadProblem | None], None]) -> None:
        """Read a checkpoint's metadata."""

        def read() -> None:
            if self.world.chance(self.faults.unknown):
                answer(None, LoadProblem.UNREACHABLE)
            else:
                found = self.metadata.get(path)
                answer(found, None if found else LoadProblem.CORRUPT)

        self.world.after(1, 20, read)

    def discard(self, path: str) -> None:
        """Delete a checkpoint's directory."""

        def delete() -> None:
            self.outside.check_discard(path, self.records.values())
            self.metadata.pop(path, None)
            for name in [name for name in self.files if name.startswith(f"{path}/")]:
                del self.files[name]

        self.world.after(1, 50, delete)

    # ------------------------------------------------------------ how writes go wrong

    def _write(self, effect: Callable[[], Outcome], answer: Answer) -> None:
        world = self.world
        if world.chance(self.faults.refused):
            world.after(1, 30, lambda: answer(Outcome.REFUSED))
        elif not world.chance(self.faults.unknown):
            world.after(1, 20, lambda: answer(effect()))
        else:
            if world.chance(0.7):
                world.after(1, 400, lambda: _ignore(effect()))
            world.after(5, 100, lambda: answer(Outcome.UNKNOWN))


def _ignore(_: Outcome) -> None:
    """Nobody hears of it."""
