"""PyFlink's `WatermarkStrategy`: one call changes the strategy itself, where each of ours gives a new one."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar, overload

from millstream_dataflow.expressions import Expression
from millstream_dataflow.time import TimestampAssigner
from millstream_dataflow.time import WatermarkStrategy as Strategy

T = TypeVar("T")
AnyT = TypeVar("AnyT")


class WatermarkStrategy(Strategy[T]):
    """The same but for `with_timestamp_assigner`, which programs call as a statement."""

    @overload
    def with_timestamp_assigner(self, timestamp_assigner: Expression) -> "WatermarkStrategy[Any]": ...
    @overload
    def with_timestamp_assigner(
        self, timestamp_assigner: TimestampAssigner[AnyT] | Callable[[AnyT, int], int] | Callable[[AnyT], int]
    ) -> "WatermarkStrategy[AnyT]": ...
    def with_timestamp_assigner(
        self,
        timestamp_assigner: TimestampAssigner[AnyT] | Callable[[AnyT, int], int] | Callable[[AnyT], int] | Expression,
    ) -> "WatermarkStrategy[Any]":
        """Event times from a TimestampAssigner, or a function; in this strategy, which is given as well."""
        made = super().with_timestamp_assigner(timestamp_assigner)
        object.__setattr__(self, "timestamp_assigner", made.timestamp_assigner)  # it is frozen
        return self

    def __reduce__(self) -> tuple[type[Strategy[Any]], tuple[Any, ...]]:
        """It travels as one of ours: workers need nothing of the facade."""
        return Strategy, tuple(getattr(self, field.name) for field in fields(self))
