"""Writes one part file from each barrier to the next: at the barrier it is closed, durable, and pending (law 6.2)."""

from collections.abc import Sequence

from millstream.connectors.files.directories import Directory, PartFile
from millstream.connectors.files.names import PartName
from millstream.formats.encoding import Encoder
from millstream_dataflow.connectors import SinkWriter
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Batch

FileCommittable = tuple[str, str, int]
"""A pending file: its name, the name it is to get, its bytes. A plain tuple, since a savepoint outlives our classes."""


class FileWriter(SinkWriter[FileCommittable]):
    """See the module. A file is made when its first record comes, so none is empty."""

    def __init__(self, directory: Directory, encoder: Encoder, part: PartName) -> None:
        self._directory = directory
        self._encoder = encoder
        self._part = part
        self._file: PartFile | None = None

    def write(self, batch: Batch) -> None:
        """See SinkWriter."""
        data = self._encoder.encode(batch)
        if not data:
            return
        if self._file is None:
            self._file = self._directory.create(self._part.in_progress)
            self._file.write(self._encoder.header())
        self._file.write(data)

    def prepare_commit(self, checkpoint: CheckpointId, *, end_of_input: bool) -> Sequence[FileCommittable]:
        """The file since the last barrier, if there was a record."""
        if self._file is None:
            return ()
        size = self._file.finish()
        self._file = None
        part, self._part = self._part, self._part.following()
        closed = part.closed(checkpoint)
        self._directory.rename(part.in_progress, closed.pending)
        self._directory.sync()  # or a power cut takes away the file that the checkpoint names
        return [(closed.pending, closed.visible, size)]

    def close(self) -> None:
        """What was written since the last barrier is dropped."""
        if self._file is not None:
            self._file.abandon()
            self._file = None
            self._directory.delete(self._part.in_progress)
