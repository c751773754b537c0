"""Millstream: Apache Flink's model for Python. This is the product's face; users import everything from here.

A name is loaded from its module when it is first asked for (PEP 562), so `import millstream` costs a program only
what it uses. To add a public name, add it to the three lists below, each in plain order: the imports that type
checkers read, `__all__`, and the table of homes.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream.connectors.collection import CollectionSource
    from millstream.connectors.files.sink import FileSink, OutputFileConfig
    from millstream.connectors.files.source import FileSource
    from millstream.connectors.print_sink import PrintSink
    from millstream.connectors.sequence import NumberSequenceSource
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
    from millstream_dataflow.functions import (
        AggregateFunction,
        BaseBroadcastProcessFunction,
        BroadcastProcessFunction,
        CoFlatMapFunction,
        CoGroupFunction,
        CoMapFunction,
        CoProcessFunction,
        FilterFunction,
        FlatJoinFunction,
        FlatMapFunction,
        JoinFunction,
        KeyedBroadcastProcessFunction,
        KeyedCoProcessFunction,
        KeyedProcessFunction,
        KeyedStateFunction,
        KeySelector,
        MapFunction,
        Partitioner,
        ProcessFunction,
        ProcessJoinFunction,
        ProcessWindowFunction,
        ReduceFunction,
        RuntimeContext,
        TimeDomain,
        TimerService,
    )
    from millstream_dataflow.records import ColumnBatch, RowBatch
    from millstream_dataflow.state import (
        AggregatingState,
        AggregatingStateDescriptor,
        BroadcastState,
        CheckpointedFunction,
        FunctionInitializationContext,
        FunctionSnapshotContext,
        ListState,
        ListStateDescriptor,
        MapState,
        MapStateDescriptor,
        ReadOnlyBroadcastState,
        ReducingState,
        ReducingStateDescriptor,
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
        TimeWindow,
        TumblingEventTimeWindows,
        TumblingProcessingTimeWindows,
        Window,
        WindowAssigner,
    )

__all__ = [
    "AggregateFunction",
    "AggregatingState",
    "AggregatingStateDescriptor",
    "BaseBroadcastProcessFunction",
    "Boundedness",
    "BroadcastConnectedStream",
    "BroadcastProcessFunction",
    "BroadcastState",
    "BroadcastStream",
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
    "CsvFormat",
    "DataStream",
    "DataStreamSink",
    "Duration",
    "Encoder",
    "ExecutionConfig",
    "ExecutionError",
    "ExternalizedCheckpointRetention",
    "FileSink",
    "FileSource",
    "FilterFunction",
    "FlatJoinFunction",
    "FlatMapFunction",
    "FunctionInitializationContext",
    "FunctionSnapshotContext",
    "IntervalJoin",
    "JobCanceledError",
    "JobClient",
    "JobExecutionResult",
    "JobFailedError",
    "JobRefusedError",
    "JobStatus",
    "JoinFunction",
    "JoinedStreams",
    "KeySelector",
    "KeyedBroadcastProcessFunction",
    "KeyedCoProcessFunction",
    "KeyedProcessFunction",
    "KeyedStateFunction",
    "KeyedStream",
    "ListState",
    "ListStateDescriptor",
    "MapFunction",
    "MapState",
    "MapStateDescriptor",
    "MillstreamError",
    "NonRecoverableError",
    "NumberSequenceSource",
    "OutputFileConfig",
    "OutputTag",
    "Partitioner",
    "PrintSink",
    "ProcessFunction",
    "ProcessJoinFunction",
    "ProcessWindowFunction",
    "ProgramError",
    "Read",
    "ReadOnlyBroadcastState",
    "ReduceFunction",
    "ReducingState",
    "ReducingStateDescriptor",
    "Row",
    "RowBatch",
    "RowKind",
    "RuntimeContext",
    "RuntimeExecutionMode",
    "Sink",
    "SinkContext",
    "SinkWriter",
    "Source",
    "SourceContext",
    "SplitEnumerator",
    "SplitReader",
    "StreamExecutionEnvironment",
    "StreamFormat",
    "Time",
    "TimeDomain",
    "TimeWindow",
    "TimerService",
    "TimestampAssigner",
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
    "WindowedStream",
    "__version__",
]

_HOMES = {
    "AggregateFunction": "millstream_dataflow.functions",
    "AggregatingState": "millstream_dataflow.state",
    "AggregatingStateDescriptor": "millstream_dataflow.state",
    "BaseBroadcastProcessFunction": "millstream_dataflow.functions",
    "Boundedness": "millstream_dataflow.connectors",
    "BroadcastConnectedStream": "millstream.datastream.broadcast_stream",
    "BroadcastProcessFunction": "millstream_dataflow.functions",
    "BroadcastState": "millstream_dataflow.state",
    "BroadcastStream": "millstream.datastream.broadcast_stream",
    "CheckpointConfig": "millstream.datastream.checkpoint_config",
    "CheckpointedFunction": "millstream_dataflow.state",
    "CheckpointingMode": "millstream_dataflow.configuration.enums",
    "CloseableIterator": "millstream.datastream.closeable_iterator",
    "ClusterUnreachableError": "millstream.errors",
    "CoFlatMapFunction": "millstream_dataflow.functions",
    "CoGroupFunction": "millstream_dataflow.functions",
    "CoGroupedStreams": "millstream.datastream.co_grouped_streams",
    "CoMapFunction": "millstream_dataflow.functions",
    "CoProcessFunction": "millstream_dataflow.functions",
    "CollectionSource": "millstream.connectors.collection",
    "ColumnBatch": "millstream_dataflow.records",
    "Committer": "millstream_dataflow.connectors",
    "Configuration": "millstream.datastream.configuration",
    "ConfigurationError": "millstream_dataflow.configuration",
    "ConnectedStreams": "millstream.datastream.connected_streams",
    "CsvFormat": "millstream.formats.csv",
    "DataStream": "millstream.datastream.data_stream",
    "DataStreamSink": "millstream.datastream.data_stream_sink",
    "Duration": "millstream_dataflow.time",
    "Encoder": "millstream.formats.encoding",
    "ExecutionConfig": "millstream.datastream.execution_config",
    "ExecutionError": "millstream.errors",
    "ExternalizedCheckpointRetention": "millstream_dataflow.configuration.enums",
    "FileSink": "millstream.connectors.files.sink",
    "FileSource": "millstream.connectors.files.source",
    "FilterFunction": "millstream_dataflow.functions",
    "FlatJoinFunction": "millstream_dataflow.functions",
    "FlatMapFunction": "millstream_dataflow.functions",
    "FunctionInitializationContext": "millstream_dataflow.state",
    "FunctionSnapshotContext": "millstream_dataflow.state",
    "IntervalJoin": "millstream.datastream.interval_join",
    "JobCanceledError": "millstream.errors",
    "JobClient": "millstream.execution.job_client",
    "JobExecutionResult": "millstream.execution.job_execution_result",
    "JobFailedError": "millstream.errors",
    "JobRefusedError": "millstream.errors",
    "JobStatus": "millstream.execution.job_status",
    "JoinFunction": "millstream_dataflow.functions",
    "JoinedStreams": "millstream.datastream.joined_streams",
    "KeySelector": "millstream_dataflow.functions",
    "KeyedBroadcastProcessFunction": "millstream_dataflow.functions",
    "KeyedCoProcessFunction": "millstream_dataflow.functions",
    "KeyedProcessFunction": "millstream_dataflow.functions",
    "KeyedStateFunction": "millstream_dataflow.functions",
    "KeyedStream": "millstream.datastream.keyed_stream",
    "ListState": "millstream_dataflow.state",
    "ListStateDescriptor": "millstream_dataflow.state",
    "MapFunction": "millstream_dataflow.functions",
    "MapState": "millstream_dataflow.state",
    "MapStateDescriptor": "millstream_dataflow.state",
    "MillstreamError": "millstream.errors",
    "NonRecoverableError": "millstream_dataflow.errors",
    "NumberSequenceSource": "millstream.connectors.sequence",
    "OutputFileConfig": "millstream.connectors.files.sink",
    "OutputTag": "millstream_dataflow.tags",
    "Partitioner": "millstream_dataflow.functions",
    "PrintSink": "millstream.connectors.print_sink",
    "ProcessFunction": "millstream_dataflow.functions",
    "ProcessJoinFunction": "millstream_dataflow.functions",
    "ProcessWindowFunction": "millstream_dataflow.functions",
    "ProgramError": "millstream.errors",
    "Read": "millstream_dataflow.connectors",
    "ReadOnlyBroadcastState": "millstream_dataflow.state",
    "ReduceFunction": "millstream_dataflow.functions",
    "ReducingState": "millstream_dataflow.state",
    "ReducingStateDescriptor": "millstream_dataflow.state",
    "Row": "millstream_dataflow.types",
    "RowBatch": "millstream_dataflow.records",
    "RowKind": "millstream_dataflow.types",
    "RuntimeContext": "millstream_dataflow.functions",
    "RuntimeExecutionMode": "millstream_dataflow.configuration.enums",
    "Sink": "millstream_dataflow.connectors",
    "SinkContext": "millstream_dataflow.connectors",
    "SinkWriter": "millstream_dataflow.connectors",
    "Source": "millstream_dataflow.connectors",
    "SourceContext": "millstream_dataflow.connectors",
    "SplitEnumerator": "millstream_dataflow.connectors",
    "SplitReader": "millstream_dataflow.connectors",
    "StreamExecutionEnvironment": "millstream.datastream.environment",
    "StreamFormat": "millstream.formats.stream_format",
    "Time": "millstream_dataflow.time",
    "TimeDomain": "millstream_dataflow.functions",
    "TimeWindow": "millstream_dataflow.windows",
    "TimerService": "millstream_dataflow.functions",
    "TimestampAssigner": "millstream_dataflow.time",
    "TumblingEventTimeWindows": "millstream_dataflow.windows",
    "TumblingProcessingTimeWindows": "millstream_dataflow.windows",
    "TypeInformation": "millstream_dataflow.types",
    "Types": "millstream_dataflow.types",
    "ValueState": "millstream_dataflow.state",
    "ValueStateDescriptor": "millstream_dataflow.state",
    "WatermarkGenerator": "millstream_dataflow.time",
    "WatermarkOutput": "millstream_dataflow.time",
    "WatermarkStrategy": "millstream_dataflow.time",
    "Window": "millstream_dataflow.windows",
    "WindowAssigner": "millstream_dataflow.windows",
    "WindowedStream": "millstream.datastream.windowed_stream",
    "__version__": "millstream.version",
}


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
