"""A directory that a person has named for a process.

Its last part is made where it is missing. What is above must be there, for a mistyped path would be made silently, at
the root of the disk where the process may do so.
"""

import errno
import os
from pathlib import Path


def make_named_directory(directory: Path, mode: int = 0o777) -> None:
    """OSError when it can't be made; its words say what is missing above it."""
    if (missing := missing_above(directory)) is None:
        directory.mkdir(mode, exist_ok=True)
    elif missing.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no {missing}", str(directory))
    else:
        raise NotADirectoryError(errno.ENOTDIR, f"{missing.parent} is no directory", str(directory))


def missing_above(directory: Path) -> Path | None:
    """The topmost directory above it that isn't there."""
    return next((above for above in reversed(directory.absolute().parents) if is_missing(above)), None)


def is_missing(place: Path) -> bool:
    """Whether nothing is there. Where one may not look, something may be."""
    try:
        os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
