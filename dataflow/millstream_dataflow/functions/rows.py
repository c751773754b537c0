"""Functions of one record, or of two: classes for those who need `open` or state; a plain callable does otherwise.

Where a method may be an `async def` its annotation says so.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Iterable
from typing import Generic, TypeAlias, TypeVar

from millstream_dataflow.functions.function import Function

In = TypeVar("In")
Out = TypeVar("Out")
T = TypeVar("T")
K = TypeVar("K")

Several: TypeAlias = Iterable[Out] | Awaitable[Iterable[Out] | None] | AsyncIterator[Out] | None
"""Any number of records, at once or of an `async def`; None is none."""


class MapFunction(Function, Generic[In, Out]):
    """One record out for each in."""

    @abstractmethod
    def map(self, value: In) -> Out | Awaitable[Out]:
        """The record for this one."""


class FlatMapFunction(Function, Generic[In, Out]):
    """Any number of records out for each in."""

    @abstractmethod
    def flat_map(self, value: In) -> Several[Out]:
        """The records for this one: `yield` them, or return a list. None is none."""


class FilterFunction(Function, Generic[T]):
    """Keeps some of the records. It must not change them."""

    @abstractmethod
    def filter(self, value: T) -> bool | Awaitable[bool]:
        """Whether to keep the record."""


class ReduceFunction(Function, Generic[T]):
    """Folds many values into one of the same kind. Associative, for parts of a window may be folded first."""

    @abstractmethod
    def reduce(self, value1: T, value2: T) -> T | Awaitable[T]:
        """Both in one; `value1` is what was folded before."""


class KeySelector(Function, Generic[T, K]):
    """Finds a record's key: the same one at every call, since each task that needs it asks again.

    None of them opens or closes it, as in Flink's Java API: one with an `open` or a `close` of its own is refused.
    (PyFlink opens it.)
    """

    @abstractmethod
    def get_key(self, value: T) -> K:
        """The key (law 11 says what can be one)."""


class Partitioner(Function, Generic[K]):
    """Decides which subtask a key goes to (`partition_custom`). Not opened or closed, as a KeySelector."""

    @abstractmethod
    def partition(self, key: K, num_partitions: int) -> int:
        """The subtask's index, at least 0 and below `num_partitions`."""
