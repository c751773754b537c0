"""A stream with a key for each record: what follows has state of its own for each key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from millstream.datastream.absent import OF_KEYED_STREAMS, refuse
from millstream.datastream.arguments import accepted, accepted_instance, count_windows
from millstream.datastream.call_site import call_site
from millstream.datastream.data_stream import DataStream
from millstream.datastream.declared_types import process_type, returned_items_type, returned_type
from millstream.datastream.extremes import MaxBy, MinBy
from millstream.datastream.fields import FieldMax, FieldMin, FieldSum
from millstream.datastream.keyed_functions import KeyedFilter, KeyedFlatMap, KeyedMap
from millstream.datastream.windowed_stream import WindowedStream
from millstream.errors import NotAnOperatorError, PartitioningError
from millstream_dataflow.expressions import Expression
from millstream_dataflow.functions import (
    FilterFunction,
    FlatMapFunction,
    KeyedProcessFunction,
    KeySelector,
    MapFunction,
    Partitioner,
    ReduceFunction,
    resolve_filter,
    resolve_flat_map,
    resolve_keyed_process,
    resolve_map,
    resolve_reduce,
)
from millstream_dataflow.functions.process import Emitted, EmittedLater
from millstream_dataflow.not_there import NotThere
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    KeySelection,
)
from millstream_dataflow.state import MapStateDescriptor
from millstream_dataflow.transformations import OperatorTransformation, PartitionTransformation, Transformation
from millstream_dataflow.types import TypeInformation
from millstream_dataflow.windows import CountWindow, Window, WindowAssigner

if TYPE_CHECKING:
    from millstream.datastream.environment import StreamExecutionEnvironment
    from millstream.datastream.interval_join import IntervalJoin

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
J = TypeVar("J")
W = TypeVar("W", bound=Window)


class KeyedStream(DataStream[T], Generic[T, K]):
    """A stream of records of type T, each with a key of type K.

    Its records travel by key, so calls that would send them elsewhere are refused (PartitioningError), and it is no
    operator, so those that set something on one are too (NotAnOperatorError); both as in PyFlink.
    """

    AccumulateType = NotThere("no call takes one; min, max, min_by, max_by and sum are calls of their own")

    def __init__(
        self, environment: StreamExecutionEnvironment, partition: PartitionTransformation, key: KeySelection
    ) -> None:
        super().__init__(environment, partition)
        self._key = key

    # ----------------------------------------------------------------------------------------------- with state

    def process(  # type: ignore[override]  # as in Flink, a keyed stream takes another kind of function
        self,
        func: KeyedProcessFunction[K, T, U]  # pyright: ignore[reportIncompatibleMethodOverride]  # as above
        | Callable[[T, KeyedProcessFunction.Context], Emitted[U]]
        | Callable[[T, KeyedProcessFunction.Context], EmittedLater[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """Any number of records out for each in, with state and timers for each key, and side outputs."""
        accepted(resolve_keyed_process, func)
        type_ = output_type or process_type(func)
        return self._operate(KeyedProcessSpecification(func, self._key), type_)

    @overload
    def map(
        self, func: Callable[[T], Awaitable[U]], output_type: TypeInformation[U] | None = None
    ) -> DataStream[U]: ...
    @overload
    def map(
        self, func: MapFunction[T, U] | Callable[[T], U], output_type: TypeInformation[U] | None = None
    ) -> DataStream[U]: ...
    @overload
    def map(self, func: Expression, output_type: TypeInformation[U]) -> DataStream[U]: ...
    @overload
    def map(self, func: Expression, output_type: None = None) -> DataStream[Any]: ...
    def map(self, func: Any, output_type: TypeInformation[Any] | None = None) -> DataStream[Any]:
        """One record out for each in; the `open` of a MapFunction can ask for state of each key."""
        if not isinstance(func, MapFunction):
            return super().map(func, output_type)
        accepted(resolve_map, func)
        specification = KeyedProcessSpecification(KeyedMap(func), self._key)
        return self._operate(specification, output_type or returned_type(func, "map"))

    def flat_map(
        self,
        func: FlatMapFunction[T, U]
        | Callable[[T], Iterable[U] | None]
        | Callable[[T], Awaitable[Iterable[U] | None]]
        | Callable[[T], AsyncIterator[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """Any number of records out for each in; the `open` of a FlatMapFunction can ask for state of each key."""
        if not isinstance(func, FlatMapFunction):
            return super().flat_map(func, output_type)
        accepted(resolve_flat_map, func)
        specification = KeyedProcessSpecification(KeyedFlatMap(func), self._key)
        return self._operate(specification, output_type or returned_items_type(func, "flat_map"))

    def filter(self, func: FilterFunction[T] | Callable[[T], object] | Expression) -> DataStream[T]:
        """The records for which the function is true; the `open` of a FilterFunction can ask for state of each key."""
        if not isinstance(func, FilterFunction):
            return super().filter(func)
        accepted(resolve_filter, func)
        return self._operate(KeyedProcessSpecification(KeyedFilter(func), self._key), self._transformation.type)

    def reduce(self, func: ReduceFunction[T] | Callable[[T, T], T] | Callable[[T, T], Awaitable[T]]) -> DataStream[T]:
        """The running reduction of each key: one record out for each in, the first as it is."""
        accepted(resolve_reduce, func)
        return self._operate(KeyedReduceSpecification(func, self._key), self._transformation.type)

    def sum(self, position_to_sum: int | str = 0) -> DataStream[T]:
        """For each record in, the key's first record with the sum so far in that field; without fields, the sum."""
        return self.reduce(FieldSum(position_to_sum))

    def min(self, position_to_min: int | str = 0) -> DataStream[T]:
        """For each record in, the key's first record with the least so far in that field."""
        return self.reduce(FieldMin(position_to_min))

    def max(self, position_to_max: int | str = 0) -> DataStream[T]:
        """For each record in, the key's first record with the greatest so far in that field."""
        return self.reduce(FieldMax(position_to_max))

    def min_by(self, position_to_min_by: int | str = 0, first: bool = True) -> DataStream[T]:  # noqa: FBT001, FBT002  # Flink's signature
        """For each record in, the key's record with the least so far in that field; of equal ones the first, or the
        last.
        """
        return self.reduce(MinBy(position_to_min_by, first))

    def max_by(self, position_to_max_by: int | str = 0, first: bool = True) -> DataStream[T]:  # noqa: FBT001, FBT002  # as above
        """For each record in, the key's record with the greatest so far in that field; of equal ones the first, or the
        last.
        """
        return self.reduce(MaxBy(position_to_max_by, first))

    def window(self, window_assigner: WindowAssigner[T, W]) -> WindowedStream[T, K, W]:
        """Group the records of each key by windows; when they fire, and what happens to each, is said next."""
        wanted = "a WindowAssigner, such as TumblingEventTimeWindows.of(...)"
        accepted_instance("window", window_assigner, WindowAssigner, wanted)
        return WindowedStream(self._environment, self._transformation, self._key, window_assigner)

    def interval_join(self, other_stream: KeyedStream[U, K]) -> IntervalJoin[T, U]:
        """Join records with those of another stream that have the same key and a time near theirs: say how near by
        `between(lower, upper)`, and what comes of a pair by `process(...)`. ForeignStreamError as for `union`.
        """
        from millstream.datastream.interval_join import joined_by_interval  # noqa: PLC0415  # it has KeyedStreams

        join = joined_by_interval(self, other_stream)
        self._refuse_other_program("interval_join", other_stream)
        return join

    def count_window(self, size: int, slide: int = 0) -> WindowedStream[T, K, CountWindow]:
        """Windows of so many records of a key, one after another, or one at every `slide` records. One that isn't full
        gives nothing, also at the end of the input (as in PyFlink).
        """
        return self.window(count_windows("count_window", size, slide))

    # ------------------------------------------------------------------------------------------------- refused

    def rebalance(self) -> NoReturn:
        """Refused: the key decides."""
        self._refuse_partitioning("rebalance")

    def rescale(self) -> NoReturn:
        """Refused: the key decides."""
        self._refuse_partitioning("rescale")

    def shuffle(self) -> NoReturn:
        """Refused: the key decides."""
        self._refuse_partitioning("shuffle")

    def broadcast(
        self,
        broadcast_state_descriptor: MapStateDescriptor[Any, Any] | None = None,
        *other_broadcast_state_descriptors: MapStateDescriptor[Any, Any],
    ) -> NoReturn:
        """Refused: the key decides."""
        self._refuse_partitioning("broadcast")

    def global_(self) -> NoReturn:
        """Refused: the key decides."""
        self._refuse_partitioning("global_")

    def forward(self) -> NoReturn:
        """Refused: the key decides."""
        self._refuse_partitioning("forward")

    def partition_custom(
        self,
        partitioner: Partitioner[J] | Callable[[J, int], int],
        key_selector: KeySelector[T, J] | Callable[[T], J] | str | int,
    ) -> NoReturn:
        """Refused: the key decides."""
        self._refuse_partitioning("partition_custom")

    def _refuse_partitioning(self, call: str) -> NoReturn:
        what = f"{call} was called on a keyed stream, whose records travel by their key"
        raise PartitioningError(
            what, "call it before key_by, or on what the keyed operation gives", defined_at=call_site()
        )

    # -------------------------------------------------------------------------------------------------- inside

    def _operator(self, setting: str) -> OperatorTransformation:
        what = f"{setting} was called on a keyed stream, which is no operator"
        raise NotAnOperatorError(what, "call it on the operator before key_by, or on what the keyed operation gives")

    def _without_key(self) -> Transformation:
        return self._transformation.inputs[0]

    if not TYPE_CHECKING:  # a type checker knows which names are there

        def __getattr__(self, name: str) -> NoReturn:
            refuse(self, name, OF_KEYED_STREAMS)
