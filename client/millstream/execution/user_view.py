"""Errors as they leave a call of the user's: Python shows the line of the call, not where we waited or refused."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Final

from millstream.errors import MillstreamError
from millstream_runtime.user_frames import is_ours, leave_to_caller, stands_alone

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


class _WithoutOurFrames:
    """Around all that a public call does. Python adds no frame where an error leaves a `with`, so the call's own is
    gone as well. The error is the same object for whoever catches it, with its attributes and its cause.
    """

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None or trace is None or is_ours(trace.tb_frame.f_back):
            return  # the outermost call of ours sees to it
        leave_to_caller(error, MillstreamError)
        if isinstance(error, MillstreamError) and not isinstance(sys.excepthook, _Uncaught):
            sys.excepthook = _Uncaught(sys.excepthook)


class _Uncaught:
    """Python's hook for what nobody has caught, before the one that was there: an error of ours is shown without what
    it came from, which its words repeat, when that is ours as well. Nothing else keeps Python from showing a cause.
    """

    def __init__(self, former: Hook) -> None:
        self._former = former

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, MillstreamError) and stands_alone(error):
            error.__cause__ = None  # nobody is left to read it
        self._former(kind, error, trace)


WITHOUT_OUR_FRAMES: Final = _WithoutOurFrames()
