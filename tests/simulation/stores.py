"""The storage of checkpoints. Writes take time and end as done, refused or unknown; an unknown one has taken effect,
takes effect later, or never does (law 2.1 plays all truths). What a dead JobManager had under way may still land.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millstream_dataflow.identity import Epoch, JobId
from millstream_dataflow.job_graph import JobGraph
from millstream_jobmanager.core.events import LoadProblem, Outcome
from millstream_runtime.messages.snapshots import CheckpointMetadata
from tests.simulation.storage import Disk
from tests.simulation.world import Action, World

if TYPE_CHECKING:
    from tests.simulation.outside import Outside

Answer = Callable[[Outcome], None]


@dataclass
class Stores:
    """What outlives every process, but for the records."""

    world: World
    outside: Outside
    disk: Disk
    graphs: dict[JobId, JobGraph] = field(default_factory=dict[JobId, JobGraph])
    metadata: dict[str, CheckpointMetadata] = field(default_factory=dict[str, CheckpointMetadata])
    files: dict[str, object] = field(default_factory=dict[str, object])
    """Data files of tasks."""
    kept_at: dict[str, int] = field(default_factory=dict[str, int])
    """When they were written."""

    def keep(self, path: str, saved: object) -> None:
        """A task has written its part."""
        self.files[path] = saved
        self.kept_at[path] = self.world.now

    def publish(self, path: str, metadata: CheckpointMetadata, answer: Answer) -> None:
        """Write a checkpoint's metadata, where there is none yet."""

        def write() -> Outcome:
            there = self.metadata.setdefault(path, metadata)
            same = (there.epoch, there.checkpoint) == (metadata.epoch, metadata.checkpoint)
            return Outcome.DONE if same else Outcome.CONFLICT

        self._write(write, answer)

    def load(self, path: str, answer: Callable[[CheckpointMetadata | None, LoadProblem | None], None]) -> None:
        """Read a checkpoint's metadata."""

        def read() -> None:
            if self.world.chance(self.disk.faults.unknown):
                answer(None, LoadProblem.UNREACHABLE)
            else:
                found = self.metadata.get(path)
                answer(found, None if found else LoadProblem.CORRUPT)

        self.world.after(1, 20, read)

    def highest_epoch(self) -> Epoch:
        """Of all checkpoints."""
        return max((metadata.epoch for metadata in self.metadata.values()), default=Epoch(0))

    # ------------------------------------------------------------ deleting

    def discard(self, path: str) -> None:
        """Delete a checkpoint's directory; sometimes that fails."""
        if not self.world.chance(self.disk.faults.refused):
            self.world.after(1, 50, lambda: self._delete(path))

    def discard_job(self, directory: str, job: JobId, kept: Sequence[str], answer: Callable[[str], None]) -> None:
        """Delete what a job has in the directory of checkpoints, but for some; sometimes that fails, half done."""
        refused = self.world.chance(self.disk.faults.refused)
        paths = [path for path in self.left_of(directory, job) if path not in kept]
        for path in paths[1:] if refused else paths:
            self.world.after(1, 50, lambda path=path: self._delete(path))  # type: ignore[misc]  # bound at once
        self.world.after(50, 60, lambda: answer("refused, as played" if refused else ""))

    def left_of(self, directory: str, job: JobId, until: int | None = None) -> list[str]:
        """Directories of a job's checkpoints that hold something, which tasks have written by then."""
        place = f"{directory}/{job}/"
        files = [name for name in self.files if until is None or self.kept_at[name] <= until]
        names = {name.rpartition("/")[0] for name in files if name.startswith(place)}
        return sorted(names | {path for path in self.metadata if path.startswith(place)})

    def _delete(self, path: str) -> None:
        self.world.guard(lambda: self.outside.check_discard(path))
        self.metadata.pop(path, None)
        for name in [name for name in self.files if name.startswith(f"{path}/")]:
            del self.files[name]

    # ------------------------------------------------------------ how writes go wrong

    def _write(self, effect: Callable[[], Outcome], answer: Answer) -> None:
        world, faults = self.world, self.disk.faults
        if world.chance(faults.refused):
            world.after(1, 30, lambda: answer(Outcome.REFUSED))
        elif not world.chance(faults.unknown):
            world.after(1, 20, lambda: answer(effect()))
        else:
            if world.chance(0.7):
                world.after(1, 400, _unheard(effect))
            world.after(5, 100, lambda: answer(Outcome.UNKNOWN))


def _unheard(effect: Callable[[], Outcome]) -> Action:
    def act() -> None:
        effect()

    return act
