"""How much is done, by a measure that a busy machine leaves alone."""

import sys
from collections.abc import Callable
from types import FrameType


def work(action: Callable[[], object]) -> int:
    """How many Python functions are called, generators resumed too: a measure that no other process disturbs."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(before)
    return calls
