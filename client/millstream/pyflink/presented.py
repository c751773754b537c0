"""PyFlink 2.3's public modules and what each makes public: facts, as tests/data/pyflink_names.txt has them too, where a
test compares both.
"""

from collections.abc import Mapping
from typing import Final

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    module: tuple(names.split())
    for module, names in {
        "pyflink": "",
        "pyflink.common": """
            AssignerWithPeriodicWatermarksWrapper AvroRowDeserializationSchema AvroRowSerializationSchema
            ByteArraySchema CompletableFuture ConfigOption ConfigOptions Configuration CsvRowDeserializationSchema
            CsvRowSerializationSchema DeserializationSchema Duration Encoder ExecutionConfig
            InputDependencyConstraint Instant JobClient JobExecutionResult JobID JobStatus
            JsonRowDeserializationSchema JsonRowSerializationSchema RestartStrategies RestartStrategyConfiguration
            Row RowKind SerializationSchema SimpleStringSchema Time TypeInformation TypeSerializer Types
            WatermarkStrategy
        """,
        "pyflink.common.completable_future": "CompletableFuture",
        "pyflink.common.config_options": "ConfigOption ConfigOptions",
        "pyflink.common.configuration": "Configuration",
        "pyflink.common.execution_config": "ExecutionConfig",
        "pyflink.common.input_dependency_constraint": "InputDependencyConstraint",
        "pyflink.common.io": "InputFormat",
        "pyflink.common.job_client": "JobClient",
        "pyflink.common.job_execution_result": "JobExecutionResult",
        "pyflink.common.job_id": "JobID",
        "pyflink.common.job_status": "JobStatus",
        "pyflink.common.restart_strategy": "RestartStrategies RestartStrategyConfiguration",
        "pyflink.common.serialization": """
            BulkWriterFactory ByteArraySchema DeserializationSchema Encoder RowFieldExtractorSchema
            SerializationSchema SimpleStringSchema
        """,
        "pyflink.common.serializer": "TypeSerializer",
        "pyflink.common.time": "Duration Instant Time",
        "pyflink.common.typeinfo": "TypeInformation Types",
        "pyflink.common.types": "Row RowKind",
        "pyflink.common.watermark_strategy": """
            AssignerWithPeriodicWatermarksWrapper TimestampAssigner WatermarkStrategy
        """,
        "pyflink.datastream": """
            AggregateFunction AsyncDataStream AsyncFunction AsyncRetryPredicate AsyncRetryStrategy
            BroadcastConnectedStream BroadcastProcessFunction BroadcastStream CheckpointConfig CheckpointStorage
            CheckpointingMode CoFlatMapFunction CoMapFunction CoProcessFunction ConnectedStreams CountWindow
            CustomCheckpointStorage CustomStateBackend DataStream DataStreamSink EmbeddedRocksDBStateBackend
            ExternalizedCheckpointRetention FileSystemCheckpointStorage FilterFunction FlatMapFunction GlobalWindow
            HashMapStateBackend JobManagerCheckpointStorage KeySelector KeyedBroadcastProcessFunction
            KeyedCoProcessFunction KeyedProcessFunction KeyedStream MapFunction MemorySize MergingWindowAssigner
            OutputTag Partitioner PredefinedOptions ProcessFunction ProcessWindowFunction ReduceFunction
            RuntimeContext RuntimeExecutionMode SinkFunction SlotSharingGroup SourceFunction StateBackend
            StreamExecutionEnvironment TimeDomain TimeWindow TimerService Trigger TriggerResult Window
            WindowAssigner WindowFunction WindowedStream
        """,
        "pyflink.datastream.async_data_stream": "AsyncDataStream",
        "pyflink.datastream.async_retry_predicates": """
            empty_result_predicate exception_type_predicate has_exception_predicate
        """,
        "pyflink.datastream.async_retry_strategies": """
            ExponentialBackoffDelayRetryStrategy FixedDelayRetryStrategy NoRetryStrategy RetryPredicate
        """,
        "pyflink.datastream.checkpoint_config": "CheckpointConfig",
        "pyflink.datastream.checkpoint_storage": """
            CheckpointStorage CustomCheckpointStorage FileSystemCheckpointStorage JobManagerCheckpointStorage
        """,
        "pyflink.datastream.checkpointing_mode": "CheckpointingMode",
        "pyflink.datastream.connectors": """
            BucketAssigner DeliveryGuarantee DynamicKafkaSource DynamicKafkaSourceBuilder FileEnumeratorProvider
            FileSink FileSource FileSourceBuilder FileSplitAssignerProvider FlinkKafkaConsumer FlinkKafkaProducer
            JdbcConnectionOptions JdbcExecutionOptions JdbcSink KafkaMetadataService
            KafkaRecordDeserializationSchema KafkaSource KafkaStreamSetSubscriber KafkaStreamSubscriber
            NumberSequenceSource OutputFileConfig PulsarSource PulsarSourceBuilder RMQConnectionConfig RMQSink
            RMQSource RollingPolicy Semantic SingleClusterTopicMetadataService Sink Source StartCursor StopCursor
            StreamFormat StreamPatternSubscriber StreamingFileSink
        """,
        "pyflink.datastream.connectors.base": "DeliveryGuarantee Sink Source StreamTransformer SupportsPreprocessing",
        "pyflink.datastream.connectors.cassandra": """
            CassandraCommitter CassandraFailureHandler CassandraSink ClusterBuilder ConsistencyLevel MapperOptions
        """,
        "pyflink.datastream.connectors.dynamic_kafka": """
            DynamicKafkaSource DynamicKafkaSourceBuilder KafkaMetadataService KafkaRecordDeserializationSchema
            KafkaStreamSetSubscriber KafkaStreamSubscriber SingleClusterTopicMetadataService StreamPatternSubscriber
        """,
        "pyflink.datastream.connectors.elasticsearch": """
            Elasticsearch6SinkBuilder Elasticsearch7SinkBuilder ElasticsearchEmitter ElasticsearchSink
            FlushBackoffType
        """,
        "pyflink.datastream.connectors.file_system": """
            BucketAssigner BulkFormat FileCompactStrategy FileCompactor FileEnumeratorProvider FileSink FileSource
            FileSourceBuilder FileSplitAssignerProvider OutputFileConfig RollingPolicy StreamFormat
            StreamingFileSink
        """,
        "pyflink.datastream.connectors.hybrid_source": "HybridSource HybridSourceBuilder",
        "pyflink.datastream.connectors.jdbc": "JdbcConnectionOptions JdbcExecutionOptions JdbcSink",
        "pyflink.datastream.connectors.kafka": """
            FlinkKafkaConsumer FlinkKafkaProducer KafkaOffsetResetStrategy KafkaOffsetsInitializer
            KafkaRecordSerializationSchema KafkaRecordSerializationSchemaBuilder KafkaSink KafkaSinkBuilder
            KafkaSource KafkaSourceBuilder KafkaTopicPartition KafkaTopicSelector Semantic
        """,
        "pyflink.datastream.connectors.kinesis": """
            FlinkKinesisConsumer KinesisDeserializationSchema KinesisFirehoseSink KinesisFirehoseSinkBuilder
            KinesisShardAssigner KinesisStreamsSink KinesisStreamsSinkBuilder PartitionKeyGenerator WatermarkTracker
        """,
        "pyflink.datastream.connectors.number_seq": "NumberSequenceSource",
        "pyflink.datastream.connectors.pulsar": """
            MessageDelayer PulsarSink PulsarSinkBuilder PulsarSource PulsarSourceBuilder RangeGenerator StartCursor
            StopCursor TopicRoutingMode
        """,
        "pyflink.datastream.connectors.rabbitmq": "RMQConnectionConfig RMQSink RMQSource",
        "pyflink.datastream.data_stream": """
            BroadcastConnectedStream BroadcastStream CloseableIterator ConnectedStreams DataStream DataStreamSink
            KeyedStream WindowedStream
        """,
        "pyflink.datastream.execution_mode": "RuntimeExecutionMode",
        "pyflink.datastream.externalized_checkpoint_retention": "ExternalizedCheckpointRetention",
        "pyflink.datastream.formats": "",
        "pyflink.datastream.formats.avro": """
            AvroBulkWriters AvroInputFormat AvroRowDeserializationSchema AvroRowSerializationSchema AvroSchema
            GenericRecordAvroTypeInfo
        """,
        "pyflink.datastream.formats.csv": """
            CsvBulkWriters CsvReaderFormat CsvRowDeserializationSchema CsvRowSerializationSchema CsvSchema
            CsvSchemaBuilder
        """,
        "pyflink.datastream.formats.json": "JsonRowDeserializationSchema JsonRowSerializationSchema",
        "pyflink.datastream.formats.orc": "OrcBulkWriters",
        "pyflink.datastream.formats.parquet": """
            AvroParquetReaders AvroParquetWriters ParquetBulkWriters ParquetColumnarRowInputFormat
        """,
        "pyflink.datastream.functions": """
            AggregateFunction AllWindowFunction AsyncFunction AsyncFunctionDescriptor AsyncRetryPredicate
            AsyncRetryStrategy BaseBroadcastProcessFunction BroadcastProcessFunction CoFlatMapFunction CoMapFunction
            CoProcessFunction FilterFunction FlatMapFunction KeySelector KeyedBroadcastProcessFunction
            KeyedCoProcessFunction KeyedProcessFunction MapFunction Partitioner ProcessAllWindowFunction
            ProcessFunction ProcessWindowFunction ReduceFunction RuntimeContext SinkFunction SourceFunction
            TimerService WindowFunction
        """,
        "pyflink.datastream.output_tag": "OutputTag",
        "pyflink.datastream.slot_sharing_group": "MemorySize SlotSharingGroup",
        "pyflink.datastream.state": """
            AggregatingState AggregatingStateDescriptor BroadcastState ListState ListStateDescriptor MapState
            MapStateDescriptor OperatorStateStore ReadOnlyBroadcastState ReducingState ReducingStateDescriptor
            StateTtlConfig ValueState ValueStateDescriptor
        """,
        "pyflink.datastream.state_backend": """
            CustomStateBackend EmbeddedRocksDBStateBackend HashMapStateBackend PredefinedOptions StateBackend
        """,
        "pyflink.datastream.stream_execution_environment": "StreamExecutionEnvironment",
        "pyflink.datastream.time_domain": "TimeDomain",
        "pyflink.datastream.timerservice": "TimerService",
        "pyflink.datastream.window": """
            ContinuousEventTimeTrigger ContinuousProcessingTimeTrigger CountSlidingWindowAssigner CountTrigger
            CountTumblingWindowAssigner CountWindow CountWindowSerializer DynamicEventTimeSessionWindows
            DynamicProcessingTimeSessionWindows EventTimeSessionWindows EventTimeTrigger GlobalWindow
            GlobalWindowSerializer GlobalWindows MergingWindowAssigner NeverTrigger ProcessingTimeSessionWindows
            ProcessingTimeTrigger PurgingTrigger SessionWindowTimeGapExtractor SlidingEventTimeWindows
            SlidingProcessingTimeWindows TimeWindow TimeWindowSerializer Trigger TriggerResult
            TumblingEventTimeWindows TumblingProcessingTimeWindows Window WindowAssigner
        """,
        "pyflink.metrics": "Counter Distribution Meter Metric MetricGroup",
        "pyflink.metrics.metricbase": "Counter Distribution Meter Metric MetricGroup",
        "pyflink.version": "__version__",
    }.items()
}
"""By module."""

SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    module: tuple(names.split())
    for module, names in {
        "pyflink": "__version__",
        "pyflink.common.job_client": "CompletableFuture JobExecutionResult JobID JobStatus",
        "pyflink.common.job_execution_result": "JobID",
        "pyflink.common.watermark_strategy": "Duration",
        "pyflink.datastream.async_data_stream": """
            AsyncFunction AsyncFunctionDescriptor AsyncRetryStrategy DataStream Time TypeInformation
        """,
        "pyflink.datastream.async_retry_strategies": "AsyncRetryPredicate AsyncRetryStrategy",
        "pyflink.datastream.checkpoint_config": "CheckpointingMode Duration ExternalizedCheckpointRetention",
        "pyflink.datastream.connectors.file_system": "BulkWriterFactory Duration Encoder Sink Source",
        "pyflink.datastream.connectors.number_seq": "Source",
        "pyflink.datastream.data_stream": """
            AggregateFunction AggregatingStateDescriptor AllWindowFunction AsyncFunctionDescriptor
            BroadcastProcessFunction CoFlatMapFunction CoMapFunction CoProcessFunction
            CountSlidingWindowAssigner CountTumblingWindowAssigner CountWindowSerializer ExecutionConfig
            FilterFunction FlatMapFunction GlobalWindowSerializer KeySelector
            KeyedBroadcastProcessFunction KeyedCoProcessFunction KeyedProcessFunction ListStateDescriptor
            MapFunction MapStateDescriptor MergingWindowAssigner OutputTag Partitioner
            ProcessAllWindowFunction ProcessFunction ProcessWindowFunction ReduceFunction ReducingState
            ReducingStateDescriptor Row RuntimeContext Sink SlotSharingGroup TimeWindowSerializer
            TimestampAssigner Trigger TypeInformation Types WatermarkStrategy WindowAssigner
            WindowFunction
        """,
        "pyflink.datastream.formats.csv": """
            BulkWriterFactory DeserializationSchema SerializationSchema StreamFormat TypeInformation
        """,
        "pyflink.datastream.functions": """
            AggregatingState AggregatingStateDescriptor BroadcastState ListState ListStateDescriptor
            MapState MapStateDescriptor MetricGroup ReadOnlyBroadcastState ReducingState
            ReducingStateDescriptor TimeDomain ValueState ValueStateDescriptor
        """,
        "pyflink.datastream.output_tag": "TypeInformation Types",
        "pyflink.datastream.state": "Duration Time TypeInformation Types",
        "pyflink.datastream.stream_execution_environment": """
            CheckpointConfig CheckpointingMode Configuration DataStream ExecutionConfig JobClient
            JobExecutionResult RuntimeExecutionMode SlotSharingGroup Source TypeInformation Types
            WatermarkStrategy
        """,
        "pyflink.datastream.window": """
            MetricGroup OutputTag ReduceFunction ReducingState ReducingStateDescriptor RuntimeContext Time
            TypeSerializer Types ValueStateDescriptor
        """,
    }.items()
}
"""What modules of PyFlink 2.3 show besides, since they import it themselves: programs take such names from there too.
Those alone that are there, by module.
"""
