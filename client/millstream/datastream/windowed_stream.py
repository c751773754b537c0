"""A keyed stream in windows, until it is said what happens to each window."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeAlias, TypeVar, overload

from millstream.datastream.aggregates import BuiltIn, aggregation_of, is_built_in
from millstream.datastream.arguments import accepted
from millstream.datastream.by_field import ByField
from millstream.datastream.data_stream import DataStream
from millstream.datastream.declared_types import AnyType, returned_items_type, returned_type
from millstream.datastream.window_firings import FiringsOfWindows
from millstream.datastream.window_settings import WindowSettings
from millstream_dataflow.functions import (
    AggregateFunction,
    ProcessWindowFunction,
    ReduceFunction,
    WindowFunction,
    as_window_function,
    resolve_aggregate,
    resolve_process_window,
    resolve_reduce,
)
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.operators.base import Function
from millstream_dataflow.types import Row, TypeInformation
from millstream_dataflow.windows import TimeWindow, Window

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
A = TypeVar("A")
R = TypeVar("R")
W = TypeVar("W", bound=Window)

WindowContext: TypeAlias = ProcessWindowFunction.Context[TimeWindow]


class WindowedStream(WindowSettings[T, W], ByField[T], Generic[T, K, W]):
    """Records of type T with keys of type K, in windows of type W. Each key has windows of its own."""

    @overload
    def reduce(self, reduce_function: ReduceFunction[T] | Callable[[T, T], T]) -> DataStream[T]: ...
    @overload
    def reduce(
        self,
        reduce_function: ReduceFunction[T] | Callable[[T, T], T],
        window_function: ProcessWindowFunction[T, U, K, W]
        | WindowFunction[T, U, K, W]
        | Callable[[K, ProcessWindowFunction.Context[W], Iterable[T]], Emitted[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]: ...
    def reduce(
        self,
        reduce_function: ReduceFunction[T] | Callable[[T, T], T],
        window_function: Function = None,
        output_type: TypeInformation[Any] | None = None,
    ) -> DataStream[Any]:
        """One record a window and key: the reduction of its records. State is one record a window and key, of sliding
        windows one a pane; there the function must be associative, since panes are reduced in the order of time.

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
        window_function: ProcessWindowFunction[R, U, K, W]
        | WindowFunction[R, U, K, W]
        | Callable[[K, ProcessWindowFunction.Context[W], Iterable[R]], Emitted[U]],
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
        """One result a window and key: what the function makes of its records. State is one accumulator each, of
        sliding windows one a pane, merged in the order of time (as are those of sessions that become one).

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
        process_window_function: ProcessWindowFunction[T, U, K, W]
        | Callable[[K, ProcessWindowFunction.Context[W], Iterable[T]], Emitted[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """Any number of records a window and key, from all of its records, which are kept until it fires. They stand in
        the order in which they came; of sliding windows the panes in the order of time, of sessions the parts.
        """
        accepted(resolve_process_window, process_window_function)
        type_ = output_type or returned_items_type(process_window_function, "process")
        return DataStream(self._environment, self._add(type_, process_window_function))

    def apply(
        self,
        window_function: WindowFunction[T, U, K, W] | Callable[[K, W, Iterable[T]], Emitted[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """As `process`, with a function that gets the key, the window and its records."""
        function = accepted(as_window_function, window_function)
        type_ = output_type or returned_items_type(window_function, "apply")
        return DataStream(self._environment, self._add(type_, function))

    def with_firings(self) -> FiringsOfWindows[T, K, W]:
        """Let the results of `reduce` or `aggregate`, to be called next, say which of the window's they are: early, on
        time or late. Each becomes a WindowResult of key, window, value, firing and number. Flink has no such thing. A
        window function has `context.firing()` for it.
        """
        return FiringsOfWindows(self, self._environment)

    # ---------------------------------------------------------------------------------------------------- inside

    def _operate(
        self, type_: AnyType, window_function: Function, *, reduce: Function = None, aggregate: Function = None
    ) -> DataStream[Any]:
        if window_function is not None and not isinstance(window_function, WindowFunction):
            accepted(resolve_process_window, window_function)
            type_ = type_ or returned_items_type(window_function, "process")
        operator = self._add(type_, window_function, reduce=reduce, aggregate=aggregate)
        return DataStream(self._environment, operator)
