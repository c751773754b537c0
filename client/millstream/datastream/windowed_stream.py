"""A keyed stream in windows of time, until it is said what happens to each window."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeAlias, TypeVar, overload

from millstream.datastream.absent import OF_WINDOWED_STREAMS, refuse
from millstream.datastream.aggregates import BuiltIn, aggregation_of, is_built_in
from millstream.datastream.arguments import accepted, accepted_instance
from millstream.datastream.call_site import call_site
from millstream.datastream.data_stream import DataStream
from millstream.datastream.declared_types import AnyType, returned_items_type, returned_type
from millstream.datastream.operator_settings import stays_in_program
from millstream.datastream.recording import add_operator
from millstream.errors import ProgramError
from millstream_dataflow.functions import (
    AggregateFunction,
    ProcessWindowFunction,
    ReduceFunction,
    resolve_aggregate,
    resolve_process_window,
    resolve_reduce,
)
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.operators.specifications import Function, KeySelection, WindowSpecification
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import Span, to_milliseconds
from millstream_dataflow.transformations import Transformation
from millstream_dataflow.types import Row, TypeInformation
from millstream_dataflow.windows import TimeWindow, WindowAssigner

if TYPE_CHECKING:
    from millstream.datastream.environment import StreamExecutionEnvironment

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
A = TypeVar("A")
R = TypeVar("R")

WindowContext: TypeAlias = ProcessWindowFunction.Context[TimeWindow]


class WindowedStream(Generic[T, K]):
    """Records of type T with keys of type K, in windows, which fire when event time (or the clock) has passed them."""

    def __init__(
        self,
        environment: StreamExecutionEnvironment,
        origin: Transformation,
        key: KeySelection,
        assigner: WindowAssigner,
    ) -> None:
        self._environment = environment
        self._origin = origin
        self._key = key
        self._assigner = assigner
        self._allowed_lateness = 0
        self._late: OutputTag[Any] | None = None

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    def get_execution_environment(self) -> StreamExecutionEnvironment:
        """The environment of the program that the stream belongs to."""
        return self._environment

    def get_input_type(self) -> AnyType:
        """The declared type of the records; None when there is none."""
        return self._origin.type

    def allowed_lateness(self, time_ms: Span) -> Self:
        """Keep a window that has fired for this long (milliseconds), and fire it again at each late record."""
        lateness = to_milliseconds(time_ms)
        if lateness < 0 or not self._assigner.is_event_time():
            what = (
                f"allowed_lateness of {lateness} ms" if lateness < 0 else "allowed_lateness on processing-time windows"
            )
            mend = "give it 0 or more" if lateness < 0 else "nothing is late by the clock; leave it out"
            raise ProgramError(what, mend, defined_at=call_site())
        self._allowed_lateness = lateness
        return self

    def side_output_late_data(self, output_tag: OutputTag[T]) -> Self:
        """Give records that come too late for their window to a side output instead of dropping them."""
        accepted_instance("side_output_late_data", output_tag, OutputTag, "an OutputTag")
        self._late = output_tag
        return self

    @overload
    def reduce(self, reduce_function: ReduceFunction[T] | Callable[[T, T], T]) -> DataStream[T]: ...
    @overload
    def reduce(
        self,
        reduce_function: ReduceFunction[T] | Callable[[T, T], T],
        window_function: ProcessWindowFunction[T, U, K, TimeWindow]
        | Callable[[K, WindowContext, Iterable[T]], Emitted[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]: ...
    def reduce(
        self,
        reduce_function: ReduceFunction[T] | Callable[[T, T], T],
        window_function: Function = None,
        output_type: TypeInformation[Any] | None = None,
    ) -> DataStream[Any]:
        """One record a window and key: the reduction of its records. State is one record a window and key.

        A window function gets that record, with key and window, and gives any number of others.
        """
        accepted(resolve_reduce, reduce_function)
        type_ = output_type
        if window_function is None:
            type_ = output_type or self._origin.type
        return self._operate(type_, window_function, reduce=reduce_function)

    @overload
    def aggregate(self, aggregate_function: AggregateFunction[T, A, R]) -> DataStream[R]: ...
    @overload
    def aggregate(
        self,
        aggregate_function: BuiltIn,
        window_function: BuiltIn,
        accumulator_type: BuiltIn | None = None,
        output_type: BuiltIn | None = None,
        *more: BuiltIn,
    ) -> DataStream[Row]: ...
    @overload
    def aggregate(
        self,
        aggregate_function: AggregateFunction[T, A, R],
        window_function: ProcessWindowFunction[R, U, K, TimeWindow]
        | Callable[[K, WindowContext, Iterable[R]], Emitted[U]],
        accumulator_type: TypeInformation[A] | None = None,
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]: ...
    def aggregate(
        self,
        aggregate_function: Any,
        window_function: Function = None,
        accumulator_type: Any = None,
        output_type: Any = None,
        *more: BuiltIn,
    ) -> DataStream[Any]:
        """One result a window and key: what the function makes of its records. State is one accumulator each.

        A window function gets that result, with key and window, and gives any number of records. `accumulator_type` is
        accepted as PyFlink's; accumulators are stored as they are.

        Several built-in aggregates give one Row: `aggregate(Count(), Sum("x").alias("total"))`. `Key()`,
        `WindowStart()` and `WindowEnd()` among them are columns of that Row.
        """
        if is_built_in(aggregate_function):
            given = (aggregate_function, window_function, accumulator_type, output_type, *more)
            made = aggregation_of(given, self._key, self._origin.type)
            return self._operate(made.type, made.process, aggregate=made.aggregate)
        accepted(resolve_aggregate, aggregate_function)
        type_ = output_type
        if window_function is None:
            type_ = output_type or returned_type(aggregate_function, "get_result")
        return self._operate(type_, window_function, aggregate=aggregate_function)

    def process(
        self,
        process_window_function: ProcessWindowFunction[T, U, K, TimeWindow]
        | Callable[[K, WindowContext, Iterable[T]], Emitted[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """Any number of records a window and key, from all of its records, which are kept until it fires."""
        return self._operate(output_type, process_window_function)

    def _operate(
        self,
        type_: AnyType,
        process: Function,
        *,
        reduce: Function = None,
        aggregate: Function = None,
    ) -> DataStream[Any]:
        if process is not None:
            accepted(resolve_process_window, process)
            type_ = type_ or returned_items_type(process, "process")
        specification = WindowSpecification(
            self._key, self._assigner, reduce, aggregate, process, self._allowed_lateness, self._late
        )
        return DataStream(
            self._environment, add_operator(self._environment.program, self._origin, specification, type_)
        )

    if not TYPE_CHECKING:  # a type checker knows which names are there

        def __getattr__(self, name: str) -> NoReturn:
            refuse(self, name, OF_WINDOWED_STREAMS)
