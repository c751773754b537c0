"""Pending files become visible, as often as it is asked (law 6.1); what former attempts left is deleted (law 6.2)."""

from collections.abc import Sequence

from millstream.connectors.files.directories import Directory
from millstream.connectors.files.names import hidden_part
from millstream.connectors.files.writer import FileCommittable
from millstream_dataflow.connectors import Committer, SinkContext
from millstream_dataflow.identity import CheckpointId

_MEND = "if somebody moved it on purpose, start from a checkpoint that was taken after its commit"


class LostFileError(Exception):
    """A file that a checkpoint names is gone, or isn't what it was: records would be lost silently."""


class FileCommitter(Committer[FileCommittable]):
    """See the module."""

    def __init__(self, directory: Directory, path: str, prefix: str, suffix: str) -> None:
        """`path` is how the user named the directory."""
        self._directory = directory
        self._path = path
        self._prefix = prefix
        self._suffix = suffix

    def commit(self, committables: Sequence[FileCommittable]) -> None:
        """Also when some of them, or all, have been committed before, by this attempt or by a former one. Those are
        synced too: who renamed them may have died before its sync.
        """
        if not committables:
            return
        try:
            for folder, files in _by_folder(committables).items():
                with self._directory.durable_names(folder):
                    for pending, visible, size in files:
                        self._publish(pending, visible, size)
        except FileNotFoundError:
            what = f"{self._path} is not there, though a checkpoint names files in it"
            raise LostFileError(f"{what}; {_MEND}") from None

    def _publish(self, pending: str, visible: str, size: int) -> None:
        found = self._directory.size(pending)
        if found is not None and found != size:
            what = f"{pending} in {self._path} has {found} bytes, but the checkpoint says {size}"
            raise LostFileError(f"{what}; somebody else writes to this directory, or its disk lost data")
        try:
            self._directory.rename(pending, visible)
        except FileNotFoundError:
            if self._directory.size(visible) is None:
                what = f"neither {pending} nor {visible} is in {self._path}, though a checkpoint names them"
                raise LostFileError(f"{what}; {_MEND}") from None

    def drop_leftovers(self, context: SinkContext, spared: Sequence[CheckpointId]) -> None:
        """Hidden files of lower attempts, except those closed at or before a checkpoint that may be restored."""
        newest = max(spared, default=-1)
        for name in self._directory.names():
            found = hidden_part(context, self._prefix, self._suffix, name)
            if found is None:
                continue
            attempt, closing = found
            if attempt < context.attempt and (closing is None or closing > newest):
                self._directory.delete(name)


def _by_folder(committables: Sequence[FileCommittable]) -> dict[str, list[FileCommittable]]:
    """By the bucket in which they are to be visible; empty: the directory itself."""
    found: dict[str, list[FileCommittable]] = {}
    for committable in committables:
        found.setdefault(committable[1].rpartition("/")[0], []).append(committable)
    return found
