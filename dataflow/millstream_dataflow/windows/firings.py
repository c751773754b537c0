"""Which of a window's results one is: early, on time or late."""

from enum import Enum
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K")
W = TypeVar("W")
V = TypeVar("V")


class Firing(Enum):
    """Why a window has fired, judged by its end: windows that no time completes fire early, but count windows."""

    EARLY = "early"
    """Before the window's end: more may come."""
    ON_TIME = "on time"
    """At the window's end: all is there that wasn't late; or, of count windows, it is full."""
    LATE = "late"
    """Behind the window's end, by a late record: it takes the place of the result before."""


class WindowResult(NamedTuple, Generic[K, W, V]):
    """What a window gives behind `with_firings()`: its value, and which of the window's results it is."""

    key: K
    """None for windows of all records."""
    window: W
    value: V
    firing: Firing
    number: int
    """1 for the first result of this key and window. Sessions that have become one go on from the results of both; a
    window that never ends begins anew when its trigger has purged it.
    """
