"""A process that user code forks from a worker is no worker: `os.fork()` in a function of the user's gives a second
process with the task's sockets, its files and its records.

It may do what it likes as long as it is in the user's code: compute, exec, be a process of a `multiprocessing` pool.
Where control would come back to ours, `leave_if_forked` ends it without a word: at every boundary with user code
(`errors`), in front of a task's outputs, in the loop. The rest of the batch that its parent is at work on is none of
its business either, so the batch is emptied in the child.
"""

import inspect
import os
from collections.abc import Callable
from types import FrameType

from millstream_dataflow.records import RowBatch


class _Process:
    """What this process knows of itself."""

    forked = False


_process = _Process()


def watch_forks(in_child: Callable[[], None]) -> None:
    """For a worker, once and for its life: its children are marked. `in_child` is called in each, by the thread that
    has forked, which is the only one there.
    """

    def become_child() -> None:
        _process.forked = True
        in_child()
        _empty_batches(inspect.currentframe())

    os.register_at_fork(after_in_child=become_child)


def leave_if_forked(error: BaseException | None = None) -> None:
    """User code is over, with or without an error. Comes back in a worker, and wherever there is none."""
    if _process.forked:
        os._exit(_status(error))


def _status(error: BaseException | None) -> int:
    """As the process would have ended with, had it been Python's own."""
    if error is None:
        return 0
    code = error.code if isinstance(error, SystemExit) else 1
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


def _empty_batches(frame: FrameType | None) -> None:
    """A loop over a list that is emptied ends at its next turn."""
    while frame is not None:
        for value in tuple(frame.f_locals.values()):
            if type(value) is RowBatch:
                value.values.clear()
        frame = frame.f_back
