"""All records of a stream in windows, without a key, until it is said what happens to each window."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, overload

from millstream.datastream.aggregates import BuiltIn, aggregation_of, is_built_in
from millstream.datastream.arguments import accepted
from millstream.datastream.by_field import ByField
from millstream.datastream.data_stream import DataStream
from millstream.datastream.declared_types import AnyType, returned_items_type, returned_type
from millstream.datastream.window_firings import FiringsOfWindows
from millstream.datastream.window_settings import WindowSettings
from millstream_dataflow.aggregates import WithWindow
from millstream_dataflow.functions import (
    AggregateFunction,
    AllWindowFunction,
    ProcessAllWindowFunction,
    ReduceFunction,
    as_all_window_function,
    as_process_all_function,
    resolve_aggregate,
    resolve_reduce,
)
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.operators.base import Function
from millstream_dataflow.types import Row, TypeInformation
from millstream_dataflow.windows import Window

T = TypeVar("T")
U = TypeVar("U")
A = TypeVar("A")
R = TypeVar("R")
W = TypeVar("W", bound=Window)


class AllWindowedStream(WindowSettings[T, W], ByField[T], Generic[T, W]):
    """Records of type T in windows of type W. One subtask has them all, so its parallelism is 1."""

    @overload
    def reduce(self, reduce_function: ReduceFunction[T] | Callable[[T, T], T]) -> DataStream[T]: ...
    @overload
    def reduce(
        self,
        reduce_function: ReduceFunction[T] | Callable[[T, T], T],
        window_function: ProcessAllWindowFunction[T, U, W]
        | AllWindowFunction[T, U, W]
        | Callable[[ProcessAllWindowFunction.Context[W], Iterable[T]], Emitted[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]: ...
    def reduce(
        self,
        reduce_function: ReduceFunction[T] | Callable[[T, T], T],
        window_function: Function = None,
        output_type: TypeInformation[Any] | None = None,
    ) -> DataStream[Any]:
        """One record a window: the reduction of its records; see WindowedStream."""
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
        window_function: ProcessAllWindowFunction[R, U, W]
        | AllWindowFunction[R, U, W]
        | Callable[[ProcessAllWindowFunction.Context[W], Iterable[R]], Emitted[U]],
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
        """One result a window: what the function makes of its records; see WindowedStream."""
        if is_built_in(aggregate_function):
            given = (aggregate_function, window_function, accumulator_type, output_type, *more)
            made = aggregation_of(given, self._key, self._origin.type)
            if isinstance(made.process, WithWindow):  # takes the one key that all records have
                return DataStream(self._environment, self._add(made.type, made.process, aggregate=made.aggregate))
            return self._operate(made.type, made.process, aggregate=made.aggregate)
        accepted(resolve_aggregate, aggregate_function)
        type_ = output_type
        if window_function is None:
            type_ = output_type or returned_type(aggregate_function, "get_result")
        return self._operate(type_, window_function, aggregate=aggregate_function)

    def process(
        self,
        process_window_function: ProcessAllWindowFunction[T, U, W]
        | Callable[[ProcessAllWindowFunction.Context[W], Iterable[T]], Emitted[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """Any number of records a window, from all of its records, which are kept until it fires."""
        function = accepted(as_process_all_function, process_window_function)
        type_ = output_type or returned_items_type(process_window_function, "process")
        return DataStream(self._environment, self._add(type_, function))

    def apply(
        self,
        window_function: AllWindowFunction[T, U, W] | Callable[[W, Iterable[T]], Emitted[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """As `process`, with a function that gets the window and its records."""
        function = accepted(as_all_window_function, window_function)
        type_ = output_type or returned_items_type(window_function, "apply")
        return DataStream(self._environment, self._add(type_, function))

    def with_firings(self) -> FiringsOfWindows[T, None, W]:
        """Let the results of `reduce` or `aggregate`, to be called next, say which of the window's they are; see
        WindowedStream. Their key is None.
        """
        return FiringsOfWindows(self, self._environment)

    # ---------------------------------------------------------------------------------------------------- inside

    def _operate(
        self, type_: AnyType, window_function: Function, *, reduce: Function = None, aggregate: Function = None
    ) -> DataStream[Any]:
        function: object = window_function
        if window_function is not None and not isinstance(window_function, AllWindowFunction):
            function = accepted(as_process_all_function, window_function)
        operator = self._add(type_, function, reduce=reduce, aggregate=aggregate)
        return DataStream(self._environment, operator)
