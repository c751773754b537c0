"""What can be wrong with a checkpoint's files. Each error names the file."""

import errno
from collections.abc import Generator
from contextlib import contextmanager

from millstream_runtime.file_systems import UncertainWriteError, is_refusal

_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class CheckpointFileError(Exception):
    """The base of all of them."""


class CorruptCheckpointError(CheckpointFileError):
    """Missing, truncated or altered: it will not get better (law 4.6)."""


class MissingFileError(CorruptCheckpointError):
    """There is no such file."""


class CheckpointConflictError(CheckpointFileError):
    """The place is taken by another checkpoint of the same job: another leads, or has led."""


class StorageUnreachableError(CheckpointFileError):
    """The storage doesn't answer, or nobody knows what came of a write; trying again makes sense."""


class StorageRefusedError(CheckpointFileError):
    """Not written, and it won't be: no room, no permission, no such file system."""


@contextmanager
def reading(path: str) -> Generator[None]:
    """Sorts what goes wrong while a file that ought to be there is read."""
    try:
        yield
    except _NOT_THERE as error:
        raise MissingFileError(f"{path} is missing: {error}") from error
    except OSError as error:
        raise StorageUnreachableError(f"{path} could not be read: {error}") from error


@contextmanager
def changing(path: str, doing: str) -> Generator[None]:
    """Sorts what goes wrong while something is written or deleted; `doing` says what, as in `written`."""
    try:
        yield
    except OSError as error:
        if is_refusal(error):
            room = "; make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            raise StorageRefusedError(f"{path} could not be {doing}: {error}{room}") from error
        doubt = "; perhaps it was all the same" if isinstance(error, UncertainWriteError) else ""
        raise StorageUnreachableError(f"{path} could not be {doing}: {error}{doubt}") from error
