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


class UncertainWriteError(OSError):
    """The write failed at a point where its bytes may have become visible, or may yet."""


def is_refusal(error: OSError) -> bool:
    """Nothing was written, and nothing will be until somebody makes room, gives permission or mends the path: there is
    no such directory, and none can be made.

    Everything else (a broken disk, a server that doesn't answer) leaves it open.
    """
    return not isinstance(error, UncertainWriteError) and error.errno in _REFUSALS
