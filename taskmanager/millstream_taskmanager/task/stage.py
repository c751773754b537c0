"""What binds a task to the stages before and behind its own (law 5.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from millstream_taskmanager.results.reading import StoredInputs
from millstream_taskmanager.results.writing import ResultFile


@dataclass(frozen=True, slots=True)
class StageParts:
    """Of one task."""

    files: Sequence[ResultFile] = ()
    """What it leaves, one for each of its outputs."""
    inputs: StoredInputs | None = None
    """What it reads that others have left. None also where it has read all before a restore."""
    reads_results: bool = False
    """Whether its input lies in files: then no barrier comes with it."""
    ends_alone: bool = False
    """Whether it ends when its input has: no checkpoint is waited for but by the last stage."""

    def close(self) -> None:
        """The task is over. What it leaves stays, if it is complete."""
        if self.inputs is not None:
            self.inputs.close()
        for file in self.files:
            file.abandon()
