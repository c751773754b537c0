"""What is asked of a value beyond its type, as values that can print themselves.

A check is a test with its own words, so that the same object refuses a value and tells the reader of the
documentation what is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class Check:
    """``test`` says whether a value passes; ``words`` completes "accepted is ...".

    The words follow those of the type, or stand ``alone`` where the check leaves little of it.
    """

    words: str
    test: Callable[[Any], bool]
    alone: bool = False


def at_least(low: float | timedelta, words: str = "") -> Check:
    """Values of ``low`` or more; ``words`` spells ``low`` where its own text would not do."""
    return Check(f"{words or low} or more", lambda value: bool(value >= low))


def between(low: float, high: float, words: str = "") -> Check:
    """Values from ``low`` to ``high``, both included; ``words`` spells the pair where their own text would not do."""
    return Check(words or f"from {low} to {high}", lambda value: bool(low <= value <= high))


def only(value: object, words: str) -> Check:
    """One value alone, with the reason in ``words``; for keys of Flink of which Millstream can do one thing."""
    return Check(words, lambda other: bool(other == value), alone=True)
