"""Refused or unknown: the two ways in which a write fails (law 2.1)."""

import errno

_REFUSALS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENODEV,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.ENXIO,
    errno.EPERM,
    errno.EPROTONOSUPPORT,
    errno.EROFS,
}

# Object stores answer with a code of their own, which pyarrow only puts into the text.
_REFUSING_WORDS = ("ACCESS_DENIED", "AccessDenied", "NO_SUCH_BUCKET", "NoSuchBucket", "PermissionDenied")


class UncertainWriteError(OSError):
    """The write failed at a point where its bytes may have become visible, or may yet."""


def is_refusal(error: OSError) -> bool:
    """Nothing was written, and nothing will be until somebody makes room, gives permission or mends the path: there is
    no such directory, and none can be made.

    Everything else (a broken disk, a server that doesn't answer) leaves it open.
    """
    if isinstance(error, UncertainWriteError):
        return False
    return error.errno in _REFUSALS or any(word in str(error) for word in _REFUSING_WORDS)
