"""Writes one part file from each barrier to the next, or several where they have a size or buckets. At the barrier they
are closed to records, and the pool makes them durable and pending before the checkpoint may name them (law 6.2).
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from millstream.connectors.files.directories import Directory, Leftover, LostWritesError, PartFile
from millstream.connectors.files.names import PartName
from millstream.formats.encoding import Encoder
from millstream_dataflow.connectors import SinkWriter
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Batch

FileCommittable = tuple[str, str, int]
"""A pending file: its name, the name it is to get, its bytes. A plain tuple, since a savepoint outlives our classes."""

MOST_FILES: Final = 64
"""Of a writer between two barriers that a size closes; another bucket is always another file. They stay open until the
next barrier, since closing them durably may block; a process may have 1,024 descriptors by default, and has sockets and
other sinks as well.
"""


def _the_directory() -> str:
    """No folder of it."""
    return ""


class FileWriter(SinkWriter[FileCommittable]):
    """See the module. A file is made when its first record comes, so none is empty."""

    def __init__(
        self,
        directory: Directory,
        encoder: Encoder,
        part: PartName,
        part_size: int | None = None,
        folder: Callable[[], str] = _the_directory,
    ) -> None:
        """A file of `part_size` bytes or more gets no more batches, and the next one goes to another file; the last of
        MOST_FILES takes all that is left. `folder` tells for each batch in which one its file is to become visible.
        """
        self._directory = directory
        self._encoder = encoder
        self._part = part
        self._part_size = part_size
        self._folder = folder
        self._full: list[tuple[PartFile, PartName]] = []
        self._file: PartFile | None = None
        self._closed = deque[_ClosedPart]()  # not durable yet; the task appends, the pool takes from the other end
        self._lost: OSError | None = None

    def write(self, batch: Batch) -> None:
        """See SinkWriter."""
        data = self._encoder.encode(batch)
        if not data:
            return
        self._begin_bucket(self._folder())
        if self._file is None:
            self._file = self._directory.create(self._part.in_progress)
            self._file.write(self._encoder.header())
        self._file.write(data)
        is_full = self._part_size is not None and self._file.size >= self._part_size
        if is_full and len(self._full) < MOST_FILES - 1:
            self._put_aside(self._file)

    def _begin_bucket(self, folder: str) -> None:
        """What is written from here on becomes visible in that folder."""
        if folder == self._part.folder:
            return
        if self._file is not None:
            self._put_aside(self._file)
        self._part = self._part.within(folder)

    def _put_aside(self, file: PartFile) -> None:
        """It is full, and waits for the barrier."""
        self._full.append((file, self._part))
        self._file, self._part = None, self._part.following()

    def prepare_commit(self, checkpoint: CheckpointId, *, end_of_input: bool) -> Sequence[FileCommittable]:
        """The files since the last barrier, if there was a record. LostWritesError when an older one is lost: only a
        restart from the last checkpoint can bring its records again.
        """
        if self._lost is not None:
            raise self._lost
        if self._file is not None:
            self._put_aside(self._file)
        files = [(file, part.closed(checkpoint)) for file, part in self._full]
        self._full.clear()
        self._closed.extend(_ClosedPart(self._directory, file, part) for file, part in files)
        return [(part.pending, part.visible, file.size) for file, part in files]

    def make_durable(self) -> Callable[[], None] | None:
        """The files that earlier barriers have closed, oldest first."""
        return self._make_durable if self._closed else None

    def _make_durable(self) -> None:
        while self._closed:
            if self._lost is not None:  # asked for before that was known
                raise self._lost
            try:
                self._closed[0].make_durable()
            except (LostWritesError, FileNotFoundError) as error:
                self._lost = error
                raise
            self._closed.popleft()

    def close(self) -> None:
        """What isn't durable is dropped: no checkpoint names it."""
        leftovers = [part.leftover() for part in self._closed]
        if self._file is not None:
            self._put_aside(self._file)
        leftovers += [Leftover(file, (part.in_progress,)) for file, part in self._full]
        self._full.clear()
        self._closed.clear()
        self._directory.discard(leftovers)


class _ClosedPart:
    """A file on its way from the name under which it is written to the one under which it waits for its commit."""

    def __init__(self, directory: Directory, file: PartFile, part: PartName) -> None:
        self._directory = directory
        self._file: PartFile | None = file
        self._part = part

    def make_durable(self) -> None:
        """May be repeated when it has raised, unless by LostWritesError, or FileNotFoundError: somebody has deleted
        the file, or the directory.
        """
        if self._file is not None:
            self._file.finish()
            self._file = None
        with self._directory.durable_names():  # or a power cut takes away the file that the checkpoint names
            try:
                self._directory.rename(self._part.in_progress, self._part.pending)
            except FileNotFoundError:
                if self._directory.size(self._part.pending) is None:
                    raise

    def leftover(self) -> Leftover:
        """When no checkpoint will name it."""
        return Leftover(self._file, (self._part.in_progress, self._part.pending))
