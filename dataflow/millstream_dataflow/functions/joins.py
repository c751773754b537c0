"""Functions of joins: what two records, or two groups of records, with one key come to (Flink, "Joining").

Records may be kept for further partners, so a function must not change what it is given.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable
from typing import Generic, TypeVar

from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.process import SIDE_OUTPUT, Given
from millstream_dataflow.functions.rows import Several
from millstream_dataflow.not_there import NotThere

In1 = TypeVar("In1")
In2 = TypeVar("In2")
Out = TypeVar("Out")


class JoinFunction(Function, Generic[In1, In2, Out]):
    """One record out for each pair: an inner join, so a record without a partner gives none."""

    @abstractmethod
    def join(self, first: In1, second: In2) -> Out | Awaitable[Out]:
        """The record for this pair."""


class FlatJoinFunction(Function, Generic[In1, In2, Out]):
    """Any number of records out for each pair, so it may choose among them."""

    @abstractmethod
    def join(self, first: In1, second: In2) -> Several[Out]:
        """The records for this pair: `yield` them, or return a list. None is none."""


class CoGroupFunction(Function, Generic[In1, In2, Out]):
    """Sees all records of both streams with one key in one window; either side may be empty, as outer joins need."""

    @abstractmethod
    def co_group(self, first: Iterable[In1], second: Iterable[In2]) -> Several[Out]:
        """The records for these groups: `yield` them, or return a list. None is none."""


class ProcessJoinFunction(Function, Generic[In1, In2, Out]):
    """Any number of records out for each pair of an interval join, and side outputs (Flink, "Interval Join")."""

    class Context(ABC):
        """What is around the pair. Valid during the call only."""

        output = NotThere(SIDE_OUTPUT)

        @abstractmethod
        def get_left_timestamp(self) -> int:
            """Event time of the left record, milliseconds."""

        @abstractmethod
        def get_right_timestamp(self) -> int:
            """Event time of the right record, milliseconds."""

        @abstractmethod
        def get_timestamp(self) -> int:
            """Event time of what comes of the pair: the later one of both."""

    @abstractmethod
    def process_element(self, left: In1, right: In2, ctx: "ProcessJoinFunction.Context") -> Given[Out]:
        """The records for this pair."""
