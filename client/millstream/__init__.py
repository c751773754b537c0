"""Millstream: Apache Flink's model for Python. This is the product's face; users import everything from here.

A name is loaded from its module when it is first asked for (PEP 562), so `import millstream` costs a program only
what it uses. To add a public name, add it to the three lists below, each in plain order: the imports that type
checkers read, `__all__`, and the table of modules.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream.connectors.collection import CollectionSource
    from millstream.connectors.files.buckets import BucketAssigner
    from millstream.connectors.files.policies import RollingPolicy
    from millstream.connectors.files.sink import FileSink, OutputFileConfig
    from millstream.connectors.files.source import FileSource
    from millstream.connectors.print_sink import PrintSink
    from millstream.connectors.sequence import NumberSequenceSource
    from millstream.datastream.all_windowed_stream import AllWindowedStream
    from millstream.datastream.async_data_stream import AsyncDataStream
    from millstream.datastream.broadcast_stream import BroadcastConnectedStream, BroadcastStream
    from millstream.datastream.checkpoint_config import CheckpointConfig
    from millstream.datastream.closeable_iterator import CloseableIterator
    from millstream.datastream.co_grouped_streams import CoGroupedStreams
    from millstream.datastream.configuration import Configuration
    from millstream.datastream.connected_streams import ConnectedStreams
    from millstream.datastream.data_stream import DataStream
    from millstream.datastream.data_stream_sink import DataStreamSink
    from millstream.datastream.environment import StreamExecutionEnvironment
    from millstream.datastream.execution_config import ExecutionConfig
    from millstream.datastream.interval_join import IntervalJoin
    from millstream.datastream.joined_streams import JoinedStreams
    from millstream.datastream.keyed_stream import KeyedStream
    from millstream.datastream.windowed_stream import WindowedStream
    from millstream.errors import (
        ClusterUnreachableError,
        ExecutionError,
        JobCanceledError,
        JobFailedError,
        JobRefusedError,
        MillstreamError,
        ProgramError,
    )
    from millstream.execution.job_client import JobClient
    from millstream.execution.job_execution_result import JobExecutionResult
    from millstream.execution.job_status import JobStatus
    from millstream.formats.csv import CsvFormat
    from millstream.formats.encoding import Encoder
    from millstream.formats.stream_format import StreamFormat
    from millstream.version import __version__
    from millstream_dataflow.aggregates import Count, Key, Max, Mean, Min, Sum, WindowEnd, WindowStart
    from millstream_dataflow.configuration import ConfigurationError
    from millstream_dataflow.configuration.enums import (
        CheckpointingMode,
        ExternalizedCheckpointRetention,
        RuntimeExecutionMode,
    )
    from millstream_dataflow.connectors import (
        Boundedness,
        Committer,
        Read,
        Sink,
        SinkContext,
        SinkWriter,
        Source,
        SourceContext,
        SplitEnumerator,
        SplitReader,
    )
    from millstream_dataflow.errors import NonRecoverableError
    from millstream_dataflow.expressions import Expression, col, if_else, lit
    from millstream_dataflow.functions import (
        NO_RETRY_STRATEGY,
        AggregateFunction,
        AllWindowFunction,
        AsyncFunction,
        AsyncRetryPredicate,
        AsyncRetryStrategy,
        BaseBroadcastProcessFunction,
        BroadcastProcessFunction,
        CoFlatMapFunction,
        CoGroupFunction,
        CoMapFunction,
        CoProcessFunction,
        ExponentialBackoffDelayRetryStrategy,
        FilterFunction,
        FixedDelayRetryStrategy,
        FlatJoinFunction,
        FlatMapFunction,
        JoinFunction,
        KeyedBroadcastProcessFunction,
        KeyedCoProcessFunction,
        KeyedProcessFunction,
        KeyedStateFunction,
        KeySelector,
        MapFunction,
        NoRetryStrategy,
        Partitioner,
        ProcessAllWindowFunction,
        ProcessFunction,
        ProcessJoinFunction,
        ProcessWindowFunction,
        ReduceFunction,
        RetryPredicate,
        RuntimeContext,
        TimeDomain,
        TimerService,
        WindowFunction,
        empty_result_predicate,
        exception_type_predicate,
        has_exception_predicate,
    )
    from millstream_dataflow.metrics import Counter, Distribution, Meter, Metric, MetricGroup
    from millstream_dataflow.records import ColumnBatch, RowBatch
    from millstream_dataflow.state import (
        AggregatingState,
        AggregatingStateDescriptor,
        BroadcastState,
        CheckpointedFunction,
        FunctionInitializationContext,
        FunctionSnapshotContext,
        KeyedStateStore,
        ListState,
        ListStateDescriptor,
        MapState,
        MapStateDescriptor,
        OperatorStateStore,
        ReadOnlyBroadcastState,
        ReducingState,
        ReducingStateDescriptor,
        StateTtlConfig,
        ValueState,
        ValueStateDescriptor,
    )
    from millstream_dataflow.tags import OutputTag
    from millstream_dataflow.time import (
        Duration,
        Time,
        TimestampAssigner,
        WatermarkGenerator,
        WatermarkOutput,
        WatermarkStrategy,
    )
    from millstream_dataflow.types import Row, RowKind, TypeInformation, Types
    from millstream_dataflow.windows import (
        ContinuousEventTimeTrigger,
        ContinuousProcessingTimeTrigger,
        CountEvictor,
        CountSlidingWindowAssigner,
        CountTrigger,
        CountTumblingWindowAssigner,
        CountWindow,
        DeltaEvictor,
        DeltaTrigger,
        DynamicEventTimeSessionWindows,
        DynamicProcessingTimeSessionWindows,
        EventTimeSessionWindows,
        EventTimeTrigger,
        Evictor,
        Firing,
        GlobalWindow,
        GlobalWindows,
        MergingWindowAssigner,
        NeverTrigger,
        ProcessingTimeSessionWindows,
        ProcessingTimeTrigger,
        PurgingTrigger,
        SessionWindowTimeGapExtractor,
        SlidingEventTimeWindows,
        SlidingProcessingTimeWindows,
        TimeEvictor,
        TimestampedValue,
        TimeWindow,
        Trigger,
        TriggerResult,
        TumblingEventTimeWindows,
        TumblingProcessingTimeWindows,
        Window,
        WindowAssigner,
        WindowResult,
    )


__all__ = [
    "AggregateFunction",
    "AggregatingState",
    "AggregatingStateDescriptor",
    "AllWindowFunction",
    "AllWindowedStream",
    "AsyncDataStream",
    "AsyncFunction",
    "AsyncRetryPredicate",
    "AsyncRetryStrategy",
    "BaseBroadcastProcessFunction",
    "Boundedness",
    "BroadcastConnectedStream",
    "BroadcastProcessFunction",
    "BroadcastState",
    "BroadcastStream",
    "BucketAssigner",
    "CheckpointConfig",
    "CheckpointedFunction",
    "CheckpointingMode",
    "CloseableIterator",
    "ClusterUnreachableError",
    "CoFlatMapFunction",
    "CoGroupFunction",
    "CoGroupedStreams",
    "CoMapFunction",
    "CoProcessFunction",
    "CollectionSource",
    "ColumnBatch",
    "Committer",
    "Configuration",
    "ConfigurationError",
    "ConnectedStreams",
    "ContinuousEventTimeTrigger",
    "ContinuousProcessingTimeTrigger",
    "Count",
    "CountEvictor",
    "CountSlidingWindowAssigner",
    "CountTrigger",
    "CountTumblingWindowAssigner",
    "CountWindow",
    "Counter",
    "CsvFormat",
    "DataStream",
    "DataStreamSink",
    "DeltaEvictor",
    "DeltaTrigger",
    "Distribution",
    "Duration",
    "DynamicEventTimeSessionWindows",
    "DynamicProcessingTimeSessionWindows",
    "Encoder",
    "EventTimeSessionWindows",
    "EventTimeTrigger",
    "Evictor",
    "ExecutionConfig",
    "ExecutionError",
    "ExponentialBackoffDelayRetryStrategy",
    "Expression",
    "ExternalizedCheckpointRetention",
    "FileSink",
    "FileSource",
    "FilterFunction",
    "Firing",
    "FixedDelayRetryStrategy",
    "FlatJoinFunction",
    "FlatMapFunction",
    "FunctionInitializationContext",
    "FunctionSnapshotContext",
    "GlobalWindow",
    "GlobalWindows",
    "IntervalJoin",
    "JobCanceledError",
    "JobClient",
    "JobExecutionResult",
    "JobFailedError",
    "JobRefusedError",
    "JobStatus",
    "JoinFunction",
    "JoinedStreams",
    "Key",
    "KeySelector",
    "KeyedBroadcastProcessFunction",
    "KeyedCoProcessFunction",
    "KeyedProcessFunction",
    "KeyedStateFunction",
    "KeyedStateStore",
    "KeyedStream",
    "ListState",
    "ListStateDescriptor",
    "MapFunction",
    "MapState",
    "MapStateDescriptor",
    "Max",
    "Mean",
    "MergingWindowAssigner",
    "Meter",
    "Metric",
    "MetricGroup",
    "MillstreamError",
    "Min",
    "NO_RETRY_STRATEGY",
    "NeverTrigger",
    "NoRetryStrategy",
    "NonRecoverableError",
    "NumberSequenceSource",
    "OperatorStateStore",
    "OutputFileConfig",
    "OutputTag",
    "Partitioner",
    "PrintSink",
    "ProcessAllWindowFunction",
    "ProcessFunction",
    "ProcessJoinFunction",
    "ProcessWindowFunction",
    "ProcessingTimeSessionWindows",
    "ProcessingTimeTrigger",
    "ProgramError",
    "PurgingTrigger",
    "Read",
    "ReadOnlyBroadcastState",
    "ReduceFunction",
    "ReducingState",
    "ReducingStateDescriptor",
    "RetryPredicate",
    "RollingPolicy",
    "Row",
    "RowBatch",
    "RowKind",
    "RuntimeContext",
    "RuntimeExecutionMode",
    "SessionWindowTimeGapExtractor",
    "Sink",
    "SinkContext",
    "SinkWriter",
    "SlidingEventTimeWindows",
    "SlidingProcessingTimeWindows",
    "Source",
    "SourceContext",
    "SplitEnumerator",
    "SplitReader",
    "StateTtlConfig",
    "StreamExecutionEnvironment",
    "StreamFormat",
    "Sum",
    "Time",
    "TimeDomain",
    "TimeEvictor",
    "TimeWindow",
    "TimerService",
    "TimestampAssigner",
    "TimestampedValue",
    "Trigger",
    "TriggerResult",
    "TumblingEventTimeWindows",
    "TumblingProcessingTimeWindows",
    "TypeInformation",
    "Types",
    "ValueState",
    "ValueStateDescriptor",
    "WatermarkGenerator",
    "WatermarkOutput",
    "WatermarkStrategy",
    "Window",
    "WindowAssigner",
    "WindowEnd",
    "WindowFunction",
    "WindowResult",
    "WindowStart",
    "WindowedStream",
    "__version__",
    "col",
    "empty_result_predicate",
    "exception_type_predicate",
    "has_exception_predicate",
    "if_else",
    "lit",
]

_MODULES = {
    "millstream.connectors.collection": "CollectionSource",
    "millstream.connectors.files.buckets": "BucketAssigner",
    "millstream.connectors.files.policies": "RollingPolicy",
    "millstream.connectors.files.sink": "FileSink OutputFileConfig",
    "millstream.connectors.files.source": "FileSource",
    "millstream.connectors.print_sink": "PrintSink",
    "millstream.connectors.sequence": "NumberSequenceSource",
    "millstream.datastream.all_windowed_stream": "AllWindowedStream",
    "millstream.datastream.async_data_stream": "AsyncDataStream",
    "millstream.datastream.broadcast_stream": "BroadcastConnectedStream BroadcastStream",
    "millstream.datastream.checkpoint_config": "CheckpointConfig",
    "millstream.datastream.closeable_iterator": "CloseableIterator",
    "millstream.datastream.co_grouped_streams": "CoGroupedStreams",
    "millstream.datastream.configuration": "Configuration",
    "millstream.datastream.connected_streams": "ConnectedStreams",
    "millstream.datastream.data_stream": "DataStream",
    "millstream.datastream.data_stream_sink": "DataStreamSink",
    "millstream.datastream.environment": "StreamExecutionEnvironment",
    "millstream.datastream.execution_config": "ExecutionConfig",
    "millstream.datastream.interval_join": "IntervalJoin",
    "millstream.datastream.joined_streams": "JoinedStreams",
    "millstream.datastream.keyed_stream": "KeyedStream",
    "millstream.datastream.windowed_stream": "WindowedStream",
    "millstream.errors": (
        "ClusterUnreachableError ExecutionError JobCanceledError JobFailedError JobRefusedError MillstreamError "
        "ProgramError"
    ),
    "millstream.execution.job_client": "JobClient",
    "millstream.execution.job_execution_result": "JobExecutionResult",
    "millstream.execution.job_status": "JobStatus",
    "millstream.formats.csv": "CsvFormat",
    "millstream.formats.encoding": "Encoder",
    "millstream.formats.stream_format": "StreamFormat",
    "millstream.version": "__version__",
    "millstream_dataflow.aggregates": "Count Key Max Mean Min Sum WindowEnd WindowStart",
    "millstream_dataflow.configuration": "ConfigurationError",
    "millstream_dataflow.configuration.enums": "CheckpointingMode ExternalizedCheckpointRetention RuntimeExecutionMode",
    "millstream_dataflow.connectors": (
        "Boundedness Committer Read Sink SinkContext SinkWriter Source SourceContext SplitEnumerator SplitReader"
    ),
    "millstream_dataflow.errors": "NonRecoverableError",
    "millstream_dataflow.expressions": "Expression col if_else lit",
    "millstream_dataflow.functions": (
        "AggregateFunction AllWindowFunction AsyncFunction AsyncRetryPredicate AsyncRetryStrategy "
        "BaseBroadcastProcessFunction BroadcastProcessFunction CoFlatMapFunction CoGroupFunction CoMapFunction "
        "CoProcessFunction ExponentialBackoffDelayRetryStrategy FilterFunction FixedDelayRetryStrategy "
        "FlatJoinFunction FlatMapFunction JoinFunction KeySelector KeyedBroadcastProcessFunction "
        "KeyedCoProcessFunction KeyedProcessFunction KeyedStateFunction MapFunction NO_RETRY_STRATEGY "
        "NoRetryStrategy Partitioner ProcessAllWindowFunction ProcessFunction ProcessJoinFunction "
        "ProcessWindowFunction ReduceFunction RetryPredicate RuntimeContext TimeDomain TimerService WindowFunction "
        "empty_result_predicate exception_type_predicate has_exception_predicate"
    ),
    "millstream_dataflow.metrics": "Counter Distribution Meter Metric MetricGroup",
    "millstream_dataflow.records": "ColumnBatch RowBatch",
    "millstream_dataflow.state": (
        "AggregatingState AggregatingStateDescriptor BroadcastState CheckpointedFunction "
        "FunctionInitializationContext FunctionSnapshotContext KeyedStateStore ListState ListStateDescriptor "
        "MapState MapStateDescriptor OperatorStateStore ReadOnlyBroadcastState ReducingState "
        "ReducingStateDescriptor StateTtlConfig ValueState ValueStateDescriptor"
    ),
    "millstream_dataflow.tags": "OutputTag",
    "millstream_dataflow.time": "Duration Time TimestampAssigner WatermarkGenerator WatermarkOutput WatermarkStrategy",
    "millstream_dataflow.types": "Row RowKind TypeInformation Types",
    "millstream_dataflow.windows": (
        "ContinuousEventTimeTrigger ContinuousProcessingTimeTrigger CountEvictor CountSlidingWindowAssigner "
        "CountTrigger CountTumblingWindowAssigner CountWindow DeltaEvictor DeltaTrigger "
        "DynamicEventTimeSessionWindows DynamicProcessingTimeSessionWindows EventTimeSessionWindows "
        "EventTimeTrigger Evictor Firing GlobalWindow GlobalWindows MergingWindowAssigner NeverTrigger "
        "ProcessingTimeSessionWindows ProcessingTimeTrigger PurgingTrigger SessionWindowTimeGapExtractor "
        "SlidingEventTimeWindows SlidingProcessingTimeWindows TimeEvictor TimeWindow TimestampedValue Trigger "
        "TriggerResult TumblingEventTimeWindows TumblingProcessingTimeWindows Window WindowAssigner WindowResult"
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'millstream' has no attribute {name!r}"
        raise AttributeError(message, name=name, obj=import_module(__name__))
    value: object = getattr(import_module(home), name)
    globals()[name] = value  # the next look-up doesn't come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
