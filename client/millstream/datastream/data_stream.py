"""A stream of records, and what can be done with it. Names and meanings are PyFlink's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from millstream.compiler.naming import label
from millstream.connectors.print_sink import PrintSink
from millstream.datastream.absent import OF_STREAMS, refuse
from millstream.datastream.arguments import (
    accepted,
    accepted_count,
    accepted_instance,
    count_windows,
    key_selection,
    partitioner_function,
    refuse_mutable_keys,
)
from millstream.datastream.awaited_functions import awaited
from millstream.datastream.call_site import call_site
from millstream.datastream.closeable_iterator import CloseableIterator
from millstream.datastream.column_operations import ColumnOperations
from millstream.datastream.columns import filtered, mapped
from millstream.datastream.data_stream_sink import DataStreamSink
from millstream.datastream.declared_types import AnyType, returned_items_type, returned_type
from millstream.datastream.operator_settings import OperatorSettings
from millstream.datastream.recording import add_operator, add_partition, add_side_output, add_union
from millstream.datastream.side_outputs import refuse_no_side_output
from millstream.datastream.watermarks import accepted_strategy
from millstream.errors import ForeignStreamError, KeyedStreamRequiredError
from millstream.execution.user_view import WITHOUT_OUR_FRAMES
from millstream_dataflow.connectors import Sink
from millstream_dataflow.expressions import Expression
from millstream_dataflow.functions import (
    FilterFunction,
    FlatMapFunction,
    KeySelector,
    MapFunction,
    Partitioner,
    ProcessFunction,
    resolve_filter,
    resolve_flat_map,
    resolve_map,
    resolve_map_batches,
    resolve_process,
)
from millstream_dataflow.functions.process import Emitted, EmittedLater
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import (
    CollectSpecification,
    FilterSpecification,
    FlatMapSpecification,
    KeySelection,
    MapBatchesSpecification,
    MapSpecification,
    OperatorSpecification,
    ProcessSpecification,
    SinkSpecification,
    TimestampsSpecification,
)
from millstream_dataflow.operators.windows import NoKey
from millstream_dataflow.state import MapStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.transformations import OperatorTransformation, Transformation
from millstream_dataflow.types import TypeInformation, Types
from millstream_dataflow.windows import CountWindow, Window, WindowAssigner

if TYPE_CHECKING:
    import pyarrow as pa

    from millstream.datastream.all_windowed_stream import AllWindowedStream
    from millstream.datastream.broadcast_stream import BroadcastConnectedStream, BroadcastStream
    from millstream.datastream.co_grouped_streams import CoGroupedStreams
    from millstream.datastream.connected_streams import ConnectedStreams
    from millstream.datastream.environment import StreamExecutionEnvironment
    from millstream.datastream.execution_config import ExecutionConfig
    from millstream.datastream.joined_streams import JoinedStreams
    from millstream.datastream.keyed_stream import KeyedStream

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
W = TypeVar("W", bound=Window)

_PER_KEY = frozenset({"count_window", "interval_join", "max", "max_by", "min", "min_by", "reduce", "sum", "window"})


class DataStream(OperatorSettings, ColumnOperations, Generic[T]):
    """A stream of records of type T. Every call gives a new stream; nothing runs before `execute`.

    Where a function is taken, an object of its class (`MapFunction`) or a plain callable will do. `output_type` says
    what the function gives; without it, its annotations do; without those, records travel pickled.

    An `async def` will do as well, but for keys and partitions. In map, flat_map and filter up to 100 records of a
    subtask are under way at once, and leave in their order (`AsyncDataStream` has timeouts, retries and other
    capacities). In functions with state, timers or windows each call is awaited before the next record is looked at,
    and keeps the other tasks of its worker waiting too.
    """

    def __init__(self, environment: StreamExecutionEnvironment, transformation: Transformation) -> None:
        self._environment = environment
        self._transformation = transformation

    def get_type(self) -> TypeInformation[Any]:
        """The declared type of the records; PICKLED_BYTE_ARRAY when there is none."""
        return self._transformation.type or Types.PICKLED_BYTE_ARRAY()

    def get_execution_config(self) -> ExecutionConfig:
        """How the program runs, as the environment's `get_config()`."""
        return self._environment.get_config()

    def get_execution_environment(self) -> StreamExecutionEnvironment:
        """The environment of the program that the stream belongs to."""
        return self._environment

    # ---------------------------------------------------------------------------------------- record by record

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
    def map(
        self,
        func: MapFunction[T, Any] | Callable[[T], Any] | Expression,
        output_type: TypeInformation[Any] | None = None,
    ) -> DataStream[Any]:
        """One record out for each in: what the function returns, or the value of an expression. What a function has
        given it may keep and go on to change: whatever can be changed is copied as it is given, unless
        `pipeline.object-reuse` says that no function does so.
        """
        if isinstance(func, Expression):
            return self._operate(*mapped(func, self._transformation.type, output_type))
        callback = accepted(resolve_map, func)
        return self._operate(awaited(MapSpecification(func), callback), output_type or returned_type(func, "map"))

    def flat_map(
        self,
        func: FlatMapFunction[T, U]
        | Callable[[T], Iterable[U] | None]
        | Callable[[T], Awaitable[Iterable[U] | None]]
        | Callable[[T], AsyncIterator[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """Any number of records out for each in: what the function returns or yields, each copied as by `map`."""
        callback = accepted(resolve_flat_map, func)
        return self._operate(
            awaited(FlatMapSpecification(func), callback), output_type or returned_items_type(func, "flat_map")
        )

    def filter(self, func: FilterFunction[T] | Callable[[T], object] | Expression) -> DataStream[T]:
        """The records for which the function, or the expression, is true. A function only looks at them: it must not
        change them, nor keep one that a later function may change.
        """
        if isinstance(func, Expression):
            return self._operate(*filtered(func, self._transformation.type))
        callback = accepted(resolve_filter, func)
        return self._operate(awaited(FilterSpecification(func), callback), self._transformation.type)

    def map_batches(
        self, func: Callable[[pa.RecordBatch], pa.RecordBatch], output_type: TypeInformation[Any] | None = None
    ) -> DataStream[Any]:
        """Columns at once: a `pyarrow.RecordBatch` out for each in. Rows keep their times where their number stays."""
        accepted(resolve_map_batches, func)
        return self._operate(MapBatchesSpecification(func), output_type)

    def process(
        self,
        func: ProcessFunction[T, U]
        | Callable[[T, ProcessFunction.Context], Emitted[U]]
        | Callable[[T, ProcessFunction.Context], EmittedLater[U]],
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """Any number of records out for each in, side outputs, and the record's time; no keyed state, no timers."""
        accepted(resolve_process, func)
        return self._operate(ProcessSpecification(func), output_type or returned_items_type(func, "process_element"))

    def assign_timestamps_and_watermarks(self, watermark_strategy: WatermarkStrategy[T]) -> DataStream[T]:
        """Event times and watermarks from here on, in the place of those that the stream had."""
        accepted_strategy("assign_timestamps_and_watermarks", watermark_strategy, reads_splits=False)
        return self._operate(TimestampsSpecification(watermark_strategy), self._transformation.type)

    # -------------------------------------------------------------------------------------------- ways to travel

    @overload
    def key_by(
        self, key_selector: KeySelector[T, K] | Callable[[T], K], key_type: TypeInformation[K] | None = None
    ) -> KeyedStream[T, K]: ...
    @overload
    def key_by(self, key_selector: str | int | Expression, key_type: TypeInformation[K]) -> KeyedStream[T, K]: ...
    @overload
    def key_by(self, key_selector: str | int | Expression, key_type: None = None) -> KeyedStream[T, Any]: ...
    def key_by(
        self,
        key_selector: KeySelector[T, Any] | Callable[[T], Any] | str | int | Expression,
        key_type: TypeInformation[Any] | None = None,
    ) -> KeyedStream[T, Any]:
        """Send records with equal keys to one subtask, and give what follows state of its own for each key.

        The key is what the function gives, the field of that name or position, or the value of an expression. It must
        be the same at each call.
        """
        from millstream.datastream.keyed_stream import KeyedStream  # noqa: PLC0415  # it is a DataStream itself

        key = key_selection(key_selector, key_type, self._transformation.type)
        refuse_mutable_keys(key_selector, key_type)
        partition = add_partition(self._environment.program, self._without_key(), Partitioning.HASH, key)
        return KeyedStream(self._environment, partition, key)

    def window_all(self, window_assigner: WindowAssigner[T, W]) -> AllWindowedStream[T, W]:
        """Group all records by windows, whatever their keys: one subtask has them all. A key makes it parallel."""
        from millstream.datastream.all_windowed_stream import AllWindowedStream  # noqa: PLC0415  # gives DataStreams

        wanted = "a WindowAssigner, such as TumblingEventTimeWindows.of(...)"
        accepted_instance("window_all", window_assigner, WindowAssigner, wanted)
        key = KeySelection(NoKey())
        partition = add_partition(self._environment.program, self._without_key(), Partitioning.HASH, key)
        return AllWindowedStream(self._environment, partition, key, window_assigner)

    def count_window_all(self, size: int, slide: int = 0) -> AllWindowedStream[T, CountWindow]:
        """Windows of so many records, one after another, or one at every `slide` records; one that isn't full gives
        nothing.
        """
        return self.window_all(count_windows("count_window_all", size, slide))

    def union(self, *streams: DataStream[T]) -> DataStream[T]:
        """The records of all streams, in no particular order. ForeignStreamError for one of another environment."""
        for stream in streams:
            accepted_instance("union", stream, DataStream, "a DataStream")
            self._refuse_other_program("union", stream)
        origins = [stream._transformation for stream in (self, *streams)]  # noqa: SLF001  # of the same class
        return DataStream(self._environment, add_union(self._environment.program, *origins))

    @overload
    def connect(self, ds: DataStream[U]) -> ConnectedStreams[T, U]: ...
    @overload
    def connect(self, ds: BroadcastStream[U]) -> BroadcastConnectedStream[T, U]: ...
    def connect(
        self, ds: DataStream[U] | BroadcastStream[U]
    ) -> ConnectedStreams[T, U] | BroadcastConnectedStream[T, U]:
        """This stream and another one, of records of another type perhaps, for one operator that takes both. With a
        broadcast one: an operator that keeps what comes by it in every subtask. ForeignStreamError as for `union`.
        """
        from millstream.datastream.broadcast_stream import (  # noqa: PLC0415  # it has DataStreams itself
            BroadcastConnectedStream,
            BroadcastStream,
        )
        from millstream.datastream.connected_streams import ConnectedStreams  # noqa: PLC0415  # as above

        if isinstance(ds, BroadcastStream):
            self._refuse_other_program("connect", ds.stream)
            return BroadcastConnectedStream(self, ds, ds.states)
        accepted_instance("connect", ds, DataStream, "a DataStream or a BroadcastStream")
        self._refuse_other_program("connect", ds)
        return ConnectedStreams(self, ds)

    def join(self, other_stream: DataStream[U]) -> JoinedStreams[T, U]:
        """Join records with those of another stream that have the same key and lie in the same window: say so by
        `where(...).equal_to(...).window(...).apply(...)`. ForeignStreamError as for `union`.
        """
        from millstream.datastream.joined_streams import JoinedStreams  # noqa: PLC0415  # as above

        return JoinedStreams(*self._unkeyed_pair("join", other_stream))

    def co_group(self, other_stream: DataStream[U]) -> CoGroupedStreams[T, U]:
        """As `join`, but with all records of a key and a window at once, also where one side has none."""
        from millstream.datastream.co_grouped_streams import CoGroupedStreams  # noqa: PLC0415  # as above

        return CoGroupedStreams(*self._unkeyed_pair("co_group", other_stream))

    def rebalance(self) -> DataStream[T]:
        """Deal records out to all subtasks in turn."""
        return self._partition(Partitioning.REBALANCE)

    def rescale(self) -> DataStream[T]:
        """Deal records out in turn to a part of the subtasks, so that the fewest connections are needed."""
        return self._partition(Partitioning.RESCALE)

    def shuffle(self) -> DataStream[T]:
        """Send each record to a subtask chosen by chance."""
        return self._partition(Partitioning.SHUFFLE)

    @overload
    def broadcast(self) -> DataStream[T]: ...
    @overload
    def broadcast(
        self,
        broadcast_state_descriptor: MapStateDescriptor[Any, Any],
        *other_broadcast_state_descriptors: MapStateDescriptor[Any, Any],
    ) -> BroadcastStream[T]: ...
    def broadcast(
        self,
        broadcast_state_descriptor: MapStateDescriptor[Any, Any] | None = None,
        *other_broadcast_state_descriptors: MapStateDescriptor[Any, Any],
    ) -> DataStream[T] | BroadcastStream[T]:
        """Send each record to every subtask. With descriptors of state: to be connected with another stream, whose
        subtasks keep it as broadcast state.
        """
        stream = self._partition(Partitioning.BROADCAST)
        if broadcast_state_descriptor is None:
            return stream
        from millstream.datastream.broadcast_stream import (  # noqa: PLC0415  # it has DataStreams itself
            BroadcastStream,
            broadcast_states,
        )

        return BroadcastStream(
            stream, broadcast_states((broadcast_state_descriptor, *other_broadcast_state_descriptors))
        )

    def global_(self) -> DataStream[T]:
        """Send all records to the first subtask."""
        return self._partition(Partitioning.GLOBAL)

    def forward(self) -> DataStream[T]:
        """Keep records in their subtask; both operators must have the same parallelism."""
        return self._partition(Partitioning.FORWARD)

    def partition_custom(
        self,
        partitioner: Partitioner[K] | Callable[[K, int], int],
        key_selector: KeySelector[T, K] | Callable[[T], K] | str | int,
    ) -> DataStream[T]:
        """Send each record to the subtask that `partitioner(key, number of subtasks)` names."""
        function = partitioner_function(partitioner)
        key = key_selection(key_selector, None)
        program = self._environment.program
        return DataStream(
            self._environment, add_partition(program, self._transformation, Partitioning.CUSTOM, key, function)
        )

    # ------------------------------------------------------------------------------------------------------ ends

    def get_side_output(self, output_tag: OutputTag[U]) -> DataStream[U]:
        """What the operator gave to a tag, by `yield tag, value` or as late data.

        NotAnOperatorError on a stream whose operator never gives anything to that tag: only process functions choose
        theirs, and a window without one has the tag of its late data.
        """
        accepted_instance("get_side_output", output_tag, OutputTag, "an OutputTag")
        refuse_no_side_output(self._transformation, output_tag)
        program, type_ = self._environment.program, output_tag.type_info
        return DataStream(self._environment, add_side_output(program, self._transformation, output_tag.tag_id, type_))

    def sink_to(self, sink: Sink[Any]) -> DataStreamSink:
        """Write the records to a sink."""
        accepted_instance("sink_to", sink, Sink, "a Sink")
        return DataStreamSink(self._add(SinkSpecification(sink), None))

    def print(self, sink_identifier: str | None = None) -> DataStreamSink:
        """Write each record to standard output as a line, with the number of the subtask before it: `2> `.

        With an identifier the line begins with `identifier:2> `.
        """
        return self.sink_to(PrintSink(sink_identifier or ""))

    @overload
    def execute_and_collect(self, job_execution_name: str | None = None) -> CloseableIterator[T]: ...
    @overload
    def execute_and_collect(self, job_execution_name: str | None = None, *, limit: int) -> list[T]: ...
    @overload
    def execute_and_collect(self, job_execution_name: str | None, limit: int) -> list[T]: ...
    def execute_and_collect(
        self, job_execution_name: str | None = None, limit: int | None = None
    ) -> CloseableIterator[T] | list[T]:
        """Run the program, this stream's records coming back to it. Close the iterator to end an unbounded job.

        With a limit, a list of at most so many records; the job is cancelled when they are there.
        """
        if limit is not None:
            accepted_count("execute_and_collect", "limit", limit, 0)
        specification = CollectSpecification(self._transformation.type)
        collector = self._add(specification, None)
        collector.fixed_parallelism = 1  # one place where the client asks, and one order of the records
        with WITHOUT_OUR_FRAMES:
            records: CloseableIterator[T] = self._environment.collect(collector, job_execution_name)
            if limit is None:
                return records
            with records:
                return list(islice(records, limit))

    # ---------------------------------------------------------------------------------------------------- inside

    def _add(self, specification: OperatorSpecification, type_: AnyType) -> OperatorTransformation:
        return add_operator(self._environment.program, self._transformation, specification, type_)

    def _operate(self, specification: OperatorSpecification, type_: AnyType) -> DataStream[Any]:
        return DataStream(self._environment, self._add(specification, type_))

    def _refuse_other_program(self, call: str, other: DataStream[Any]) -> None:
        """Streams are numbered within their program, so one of another would be taken for one of this."""
        ours, theirs = self._environment, other._environment
        if theirs is not ours:
            what = f"{call} takes streams of one environment, but got {_origin_of(self)}, and {_origin_of(other)}"
            raise ForeignStreamError(what, "take both from the same environment", defined_at=call_site())

    def _unkeyed_pair(self, call: str, other: DataStream[U]) -> tuple[DataStream[T], DataStream[U]]:
        """Both streams as they were before they got keys: windows of both have a key of their own."""
        accepted_instance(call, other, DataStream, "a DataStream")
        self._refuse_other_program(call, other)
        environment = self._environment
        return DataStream(environment, self._without_key()), DataStream(environment, other._without_key())

    def _without_key(self) -> Transformation:
        """The stream as it was before it got a key; the stream itself if it has none."""
        return self._transformation

    def _partition(self, partitioning: Partitioning) -> DataStream[T]:
        partition = add_partition(self._environment.program, self._transformation, partitioning)
        return DataStream(self._environment, partition)

    if not TYPE_CHECKING:  # a type checker knows which names are there

        def __getattr__(self, name: str) -> NoReturn:
            if name in _PER_KEY:
                raise KeyedStreamRequiredError(
                    f"{name} works per key, and this stream has none", f"write stream.key_by(...).{name}(...)"
                )
            refuse(self, name, OF_STREAMS)


def _origin_of(stream: DataStream[Any]) -> str:
    """The operator that a stream comes from, and the environment that the operator belongs to."""
    step = stream._transformation  # noqa: SLF001  # this module's own class
    while not isinstance(step, OperatorTransformation):
        step = step.inputs[0]
    environment = stream.get_execution_environment()
    return f"{label(step)} ({step.defined_at}) of the environment made at {environment.made_at}"
