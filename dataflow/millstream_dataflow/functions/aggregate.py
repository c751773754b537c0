"""Aggregation: values go into an accumulator, a result comes out of it."""

from abc import abstractmethod
from collections.abc import Awaitable
from typing import Generic, TypeVar

from millstream_dataflow.functions.function import Function

In = TypeVar("In")
Acc = TypeVar("Acc")
Out = TypeVar("Out")


class AggregateFunction(Function, Generic[In, Acc, Out]):
    """Computes something of many values while keeping only an accumulator, such as a mean from a count and a sum.

    The function itself remembers nothing: it serves all keys and windows, each of which has an accumulator of its own.
    """

    @abstractmethod
    def create_accumulator(self) -> Acc:
        """A new accumulator, of no values."""

    @abstractmethod
    def add(self, value: In, accumulator: Acc) -> Acc | Awaitable[Acc]:
        """The accumulator with the value in it; it may be the same object, changed."""

    @abstractmethod
    def get_result(self, accumulator: Acc) -> Out | Awaitable[Out]:
        """What has come of the values so far. It may be asked for again after more values."""

    @abstractmethod
    def merge(self, acc_a: Acc, acc_b: Acc) -> Acc | Awaitable[Acc]:
        """One accumulator of the values of both; either may be changed, and neither is used any more."""
