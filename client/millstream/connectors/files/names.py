"""What part files are called. No name is ever used twice, whoever writes when (law 6.2).

    part-3f2a9c01-77d0a1b2-0-1-4-9e8c5b7d6a21-0-17.csv           visible
    .part-3f2a9c01-77d0a1b2-0-1-4-9e8c5b7d6a21-0-17.csv.pending  closed at checkpoint 17, not committed yet
    .part-3f2a9c01-77d0a1b2-0-1-4-9e8c5b7d6a21-0.csv.inprogress  being written

The parts are: job, sink, region, subtask, attempt, the writer's start, a counter of its files, the closing checkpoint.
A directory is shared by what is visible and what isn't, since a rename must not cross file systems; readers skip names
that begin with a dot, as `FileSource` does. With buckets what is visible lies in folders of the directory, and what is
hidden doesn't: so one listing finds all that former attempts left.
"""

import re
from dataclasses import dataclass, replace

from millstream_dataflow.connectors import SinkContext

_SHORT = 8  # hexadecimal digits of job and sink: names stay readable, and a directory has few of either

IN_PROGRESS = ".inprogress"
PENDING = ".pending"


@dataclass(frozen=True, slots=True)
class PartName:
    """The name of a part file. `closing`: the checkpoint that closed it, None while it is written."""

    prefix: str
    suffix: str
    job: str
    sink: str
    region: int
    subtask: int
    attempt: int
    start: str
    counter: int = 0
    closing: int | None = None
    folder: str = ""
    """In which it becomes visible, below the directory. While it is hidden it lies in the directory itself."""

    @property
    def in_progress(self) -> str:
        """While it is written."""
        return f".{self._name(None)}{IN_PROGRESS}"

    @property
    def pending(self) -> str:
        """Once it is closed."""
        return f".{self._name(self.closing)}{PENDING}"

    @property
    def visible(self) -> str:
        """Once it is committed."""
        name = self._name(self.closing)
        return f"{self.folder}/{name}" if self.folder else name

    def _name(self, closing: int | None) -> str:
        end = "" if closing is None else f"-{closing}"
        place = f"{self.job}-{self.sink}-{self.region}-{self.subtask}-{self.attempt}"
        return f"{self.prefix}-{place}-{self.start}-{self.counter}{end}{self.suffix}"

    def closed(self, checkpoint: int) -> "PartName":
        """The same, once a checkpoint has closed it."""
        return replace(self, closing=checkpoint)

    def following(self) -> "PartName":
        """The next file of the same writer."""
        return replace(self, counter=self.counter + 1, closing=None)

    def within(self, folder: str) -> "PartName":
        """The same in another folder."""
        return replace(self, folder=folder)


def first_part(context: SinkContext, prefix: str, suffix: str, start: str) -> PartName:
    """The first file of a writer. `start` is by chance, and new whenever a writer begins."""
    place = (context.job[:_SHORT], context.operator[:_SHORT], context.region, context.subtask_index, context.attempt)
    return PartName(prefix, suffix, *place, start)


def hidden_part(context: SinkContext, prefix: str, suffix: str, name: str) -> tuple[int, int | None] | None:
    """Attempt and closing checkpoint, if that is a hidden file of this job, sink and region."""
    head = f".{prefix}-{context.job[:_SHORT]}-{context.operator[:_SHORT]}-{context.region}-"
    tail = rf"{re.escape(suffix)}(?:{re.escape(IN_PROGRESS)}|{re.escape(PENDING)})"
    found = re.fullmatch(rf"{re.escape(head)}\d+-(\d+)-[0-9a-f]+-\d+(?:-(\d+))?{tail}", name)
    return None if found is None else (int(found[1]), None if found[2] is None else int(found[2]))
