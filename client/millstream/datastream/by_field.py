"""Results of windows by one field of their records, alike for windows of every kind."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from millstream.datastream.extremes import MaxBy, MinBy
from millstream.datastream.fields import FieldMax, FieldMin, FieldSum

if TYPE_CHECKING:
    from millstream.datastream.data_stream import DataStream

R = TypeVar("R")


class ByField(Generic[R]):
    """What windows give by one field, named or by position: results of type R."""

    @abstractmethod
    def reduce(self, reduce_function: Callable[[Any, Any], Any]) -> DataStream[R]:
        """One result a window: the reduction of its records."""

    def sum(self, position_to_sum: int | str = 0) -> DataStream[R]:
        """The window's first record with the sum of all in that field; of records without fields, the sum."""
        return self.reduce(FieldSum(position_to_sum))

    def min(self, position_to_min: int | str = 0) -> DataStream[R]:
        """The window's first record with the least of all in that field."""
        return self.reduce(FieldMin(position_to_min))

    def max(self, position_to_max: int | str = 0) -> DataStream[R]:
        """The window's first record with the greatest of all in that field."""
        return self.reduce(FieldMax(position_to_max))

    def min_by(self, position_to_min_by: int | str = 0, first: bool = True) -> DataStream[R]:  # noqa: FBT001, FBT002  # Flink's signature
        """The window's record with the least in that field; of equal ones the first, or the last."""
        return self.reduce(MinBy(position_to_min_by, first))

    def max_by(self, position_to_max_by: int | str = 0, first: bool = True) -> DataStream[R]:  # noqa: FBT001, FBT002  # as above
        """The window's record with the greatest in that field; of equal ones the first, or the last."""
        return self.reduce(MaxBy(position_to_max_by, first))
