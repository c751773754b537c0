"""What checkpoints and the job store ask of a file system. Paths are the file system's own, without a scheme."""

from collections.abc import Iterable
from typing import Protocol


class OpenFile(Protocol):
    """A file open for reading at any place."""

    @property
    def size(self) -> int:
        """Bytes it has."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """So many bytes, or fewer when the file ends before."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Storage(Protocol):
    """One file system. FileNotFoundError where something that is read isn't there."""

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """A whole file, durable when this returns; it takes the place of an older one at once or not at all. Its
        directory is made. Chunks are taken as they are needed; nothing is written when they raise.
        UncertainWriteError when nobody knows whether it is there.
        """
        ...

    def make_private(self, directory: str) -> None:
        """Make a directory that its owner alone may read, where the file system knows owners. One that is there keeps
        the mode that somebody gave it.
        """
        ...

    def publish(self, path: str, data: bytes) -> bytes:
        """As `write`, where there is no file yet. Gives what is there then: `data`, durable whoever wrote it and
        whatever they heard; or what somebody else has published, which stays.
        """
        ...

    def read(self, path: str) -> bytes:
        """A whole file, at once."""
        ...

    def open(self, path: str) -> OpenFile:
        """For reading."""
        ...

    def entries(self, directory: str) -> list[str]:
        """The names in a directory, sorted; none when there is no such directory."""
        ...

    def find(self, directory: str, name: str) -> list[str]:
        """Paths of the files of that name, one or two levels below the directory."""
        ...

    def identity(self, path: str) -> str:
        """Equal for two paths that name the same entry of a directory, by whatever links above it."""
        ...

    def is_link(self, path: str) -> bool:
        """A link to something else."""
        ...

    def remove_file(self, path: str) -> None:
        """Durably gone when this returns. Nothing happens when it isn't there."""
        ...

    def remove_tree(self, path: str) -> None:
        """A file, or a directory with all that is in it. A link is removed, not followed."""
        ...
