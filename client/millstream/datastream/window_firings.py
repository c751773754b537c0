"""Windows whose results say which of the window's they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from millstream.datastream.aggregates import aggregation_of, is_built_in
from millstream.datastream.arguments import accepted
from millstream.datastream.by_field import ByField
from millstream.datastream.call_site import call_site
from millstream.datastream.data_stream import DataStream
from millstream.datastream.operator_settings import stays_in_program
from millstream.datastream.unfinished import Unfinished
from millstream.datastream.window_settings import WindowSettings
from millstream.errors import ArgumentError
from millstream_dataflow.aggregates import Aggregate
from millstream_dataflow.functions import AggregateFunction, ReduceFunction, resolve_aggregate, resolve_reduce
from millstream_dataflow.types import Row
from millstream_dataflow.windows import Window, WindowResult

if TYPE_CHECKING:
    from millstream.datastream.environment import StreamExecutionEnvironment

T = TypeVar("T")
K = TypeVar("K")
A = TypeVar("A")
R = TypeVar("R")
W = TypeVar("W", bound=Window)


class FiringsOfWindows(Unfinished, ByField[WindowResult[K, W, T]], Generic[T, K, W]):
    """Records of type T in windows, whose results become `WindowResult`s of key, window, value, firing and number."""

    _next = "say what each window gives by reduce or aggregate"

    def __init__(self, windows: WindowSettings[T, W], environment: StreamExecutionEnvironment) -> None:
        self._windows = windows
        self._environment = environment

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    def reduce(self, reduce_function: ReduceFunction[T] | Callable[[T, T], T]) -> DataStream[WindowResult[K, W, T]]:
        """The reduction of a window's records, whenever it fires."""
        accepted(resolve_reduce, reduce_function)
        return self._operate(reduce=reduce_function)

    @overload
    def aggregate(self, aggregate_function: AggregateFunction[T, A, R]) -> DataStream[WindowResult[K, W, R]]: ...
    @overload
    def aggregate(
        self, first: Aggregate[Any, Any], second: Aggregate[Any, Any], /, *more: Aggregate[Any, Any]
    ) -> DataStream[WindowResult[K, W, Row]]: ...
    def aggregate(self, aggregate_function: Any, *more: Any) -> DataStream[Any]:
        """What the function makes of a window's records, whenever it fires. Several built-in aggregates make a Row."""
        if not more:
            accepted(resolve_aggregate, aggregate_function)
            return self._operate(aggregate=aggregate_function)
        windows, given = self._windows, (aggregate_function, *more)
        made = aggregation_of(given, windows._key, windows._origin.type)  # noqa: SLF001  # a part of it
        if made.process is not None or not is_built_in(aggregate_function):
            what = f"aggregate of windows with_firings takes aggregates alone, but got {given!r:.80}"
            mend = "a WindowResult has key and window by itself; a window function asks context.firing() instead"
            raise ArgumentError(what, mend, defined_at=call_site())
        return self._operate(aggregate=made.aggregate)

    def _operate(self, *, reduce: object = None, aggregate: object = None) -> DataStream[Any]:
        operator = self._windows._add(None, reduce=reduce, aggregate=aggregate, with_firings=True)  # noqa: SLF001  # a part of it
        return DataStream(self._environment, operator)
