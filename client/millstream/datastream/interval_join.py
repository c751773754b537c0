"""Two streams with keys whose records are joined where their times are near each other (Flink, "Interval Join").

clicks.interval_join(views).between(timedelta(minutes=-5), timedelta(0)).process(f)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NoReturn, Self, TypeVar

from millstream.datastream.arguments import accepted, accepted_instance
from millstream.datastream.call_site import call_site
from millstream.datastream.data_stream import DataStream
from millstream.datastream.inputs import key_of, operator_of_two, refuse_unequal_keys
from millstream.datastream.keyed_stream import KeyedStream
from millstream.datastream.operator_settings import stays_in_program
from millstream.datastream.unfinished import Unfinished
from millstream.errors import ArgumentError, KeyedStreamRequiredError, NotSupportedError, ProgramError
from millstream_dataflow.functions import ProcessJoinFunction, resolve_process_join
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.operators.two_inputs import IntervalJoinSpecification
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import Span, to_milliseconds
from millstream_dataflow.types import TypeInformation

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
R = TypeVar("R")


class IntervalJoin(Unfinished, Generic[T, U]):
    """A left and a right stream with keys; `between` says how far apart the times of two records may be."""

    _next = "say how near records must be by between(lower, upper)"

    def __init__(self, left: KeyedStream[T, Any], right: KeyedStream[U, Any]) -> None:
        keys = key_of(left), key_of(right)
        if keys[0] is not None and keys[1] is not None:
            refuse_unequal_keys("interval_join", keys[0], keys[1])
        self._left = left
        self._right = right

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    def in_event_time(self) -> Self:
        """By the records' event times: the only way, as in Flink."""
        return self

    def in_processing_time(self) -> NoReturn:
        """Refused, as in Flink: by the clock, nothing would be joined the same way twice."""
        what = "an interval join by processing time was asked for, and there is none"
        raise NotSupportedError(what, "assign timestamps to both streams, and leave it out", defined_at=call_site())

    def between(self, lower_bound: Span, upper_bound: Span) -> IntervalJoined[T, U]:
        """Join a left record of time t with right ones from t + lower_bound to t + upper_bound, both included unless it
        is said otherwise. Either may be negative: `between(timedelta(minutes=-5), timedelta(0))` looks back.
        """
        return IntervalJoined(self._left, self._right, to_milliseconds(lower_bound), to_milliseconds(upper_bound))


class IntervalJoined(Unfinished, Generic[T, U]):
    """Pairs of records with one key, of which the right one lies within bounds of the left one."""

    _next = "say what a pair of records gives by process(function)"

    def __init__(
        self, left: KeyedStream[T, Any], right: KeyedStream[U, Any], lower_bound: int, upper_bound: int
    ) -> None:
        """Bounds are milliseconds."""
        self._left = left
        self._right = right
        self._lower = lower_bound
        self._upper = upper_bound
        self._is_lower_exclusive = self._is_upper_exclusive = False
        self._late: tuple[OutputTag[T] | None, OutputTag[U] | None] = (None, None)

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    def lower_bound_exclusive(self) -> Self:
        """A right record at exactly the lower bound is not joined."""
        self._is_lower_exclusive = True
        return self

    def upper_bound_exclusive(self) -> Self:
        """A right record at exactly the upper bound is not joined."""
        self._is_upper_exclusive = True
        return self

    def side_output_left_late_data(self, output_tag: OutputTag[T]) -> Self:
        """Give left records that lie before the watermark to a side output instead of dropping them."""
        accepted_instance("side_output_left_late_data", output_tag, OutputTag, "an OutputTag")
        self._late = (output_tag, self._late[1])
        return self

    def side_output_right_late_data(self, output_tag: OutputTag[U]) -> Self:
        """Give right records that lie before the watermark to a side output instead of dropping them."""
        accepted_instance("side_output_right_late_data", output_tag, OutputTag, "an OutputTag")
        self._late = (self._late[0], output_tag)
        return self

    def process(
        self,
        process_join_function: ProcessJoinFunction[T, U, R] | Callable[[T, U, ProcessJoinFunction.Context], Emitted[R]],
        output_type: TypeInformation[R] | None = None,
    ) -> DataStream[R]:
        """Any number of records for each pair, and side outputs. They carry the later time of both records.

        ProgramError where no time lies within the bounds.
        """
        accepted(resolve_process_join, process_join_function)
        lower, upper = self._lower + self._is_lower_exclusive, self._upper - self._is_upper_exclusive
        if lower > upper:
            what = f"an interval join between {self._lower} and {self._upper} ms{self._exclusions} joins nothing"
            raise ProgramError(what, "give the lower bound first, and let a time lie between", defined_at=call_site())
        left, right = key_of(self._left), key_of(self._right)
        if left is None or right is None:
            what = "an interval join works per key, and one of its streams has none"
            raise KeyedStreamRequiredError(what, "call key_by on both", defined_at=call_site())
        specification = IntervalJoinSpecification(process_join_function, (left, right), lower, upper, self._late)
        return operator_of_two(self._left, self._right, specification, output_type)

    @property
    def _exclusions(self) -> str:
        ends = [("lower", self._is_lower_exclusive), ("upper", self._is_upper_exclusive)]
        excluded = " and ".join(f"the {name} bound" for name, is_excluded in ends if is_excluded)
        return f", {excluded} excluded," if excluded else ""


def joined_by_interval(left: KeyedStream[T, K], right: object) -> IntervalJoin[T, Any]:
    """What `interval_join` accepts."""
    if not isinstance(right, KeyedStream):
        what = f"interval_join takes a stream with keys, but got {right!r:.80}"
        if isinstance(right, DataStream):
            what = "interval_join takes a stream with keys, and the other one has none"
            raise KeyedStreamRequiredError(what, "call key_by on both", defined_at=call_site())
        raise ArgumentError(what, "", defined_at=call_site())
    return IntervalJoin(left, right)
