"""Errors as they leave a call of the user's: Python shows the line of the call, not where we waited or refused."""

from types import TracebackType
from typing import Final

from millstream.errors import MillstreamError
from millstream_runtime.user_frames import leave_to_caller


class _WithoutOurFrames:
    """Around all that a public call does. Python adds no frame where an error leaves a `with`, so the call's own is
    gone as well. The error is the same object for whoever catches it, with its attributes; a cause that isn't shown is
    still its context.
    """

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        if error is not None:
            leave_to_caller(error, MillstreamError)


WITHOUT_OUR_FRAMES: Final = _WithoutOurFrames()
