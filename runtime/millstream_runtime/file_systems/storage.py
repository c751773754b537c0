"""What checkpoints ask of a file system. Paths are the file system's own, without a scheme."""

from collections.abc import Sequence
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

    def write(self, path: str, chunks: Sequence[bytes]) -> None:
        """A whole file, durable when this returns; it takes the place of an older one at once or not at all. Its
        directory is made. UncertainWriteError when nobody knows whether it is there.
        """
        ...

    def confirm(self, path: str, chunks: Sequence[bytes]) -> None:
        """A file that is seen with just these bytes is durable when this returns, whoever wrote it and whatever they
        heard; else as `write`.
        """
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
