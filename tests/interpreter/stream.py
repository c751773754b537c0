"""Records, and what an operator does with them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from millstream_dataflow.functions.process import Emitted, Given
from millstream_dataflow.tags import OutputTag

BEGINNING, END = -(2**63), 2**63 - 1
"""Watermarks before the first, and at the end of bounded input; milliseconds."""


@dataclass(frozen=True)
class Record:
    """A value with its event time, in the main output or in the side output of a tag."""

    value: Any
    time: int
    tag: str = ""


class Rule(ABC):
    """One operator of a program, all of its subtasks at once."""

    @abstractmethod
    def element(self, number: int, record: Record) -> Iterable[Record]:
        """What comes of a record of an input."""

    def advance(self, time: int) -> Iterable[Record]:
        """What comes of a watermark, which all inputs have reached."""
        return ()

    def passed_on(self, time: int) -> int:
        """The watermark that goes on, where that is the one of all inputs."""
        return time

    def clock(self, now: int) -> Iterable[Record]:
        """What comes of the clock, which shows that many milliseconds."""
        return ()


def emitted(given: Given[Any], time: int) -> Iterator[Record]:
    """What a user's function has given, as records of that time; none of these is `async def`."""
    for item in cast("Emitted[Any]", given) or ():
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], OutputTag):
            yield Record(item[1], time, item[0].tag_id)
        else:
            yield Record(item, time)
