"""A call whose result nobody takes: `strategy.with_idleness(...)` as a statement, where that gives a new strategy.

Who is used to PyFlink, where `with_timestamp_assigner` changes the strategy itself, would lose the assigner without a
word. Python doesn't tell a callee what becomes of its result, but the caller's code does: a statement's is popped.
"""

import dis
import sys
from types import FrameType


def refuse_dropped(name: str, method: str) -> None:
    """For a method that was called on what users name `name`: ValueError when its result is dropped."""
    frame = sys._getframe(2)  # noqa: SLF001  # public in all but its name; there is no other way to the caller
    if is_dropped(frame):
        what = f"{method} gives a new {name} and leaves this one as it is, but nobody takes the new one"
        raise ValueError(f"{what}; write: {name} = {name}.{method}(...)")


def is_dropped(frame: FrameType) -> bool:
    """Whether the call that a frame is at is a statement by itself."""
    following = (one for one in dis.get_instructions(frame.f_code) if one.offset > frame.f_lasti)
    return next(following).opname == "POP_TOP"
