"""A folder for each hour, as Flink's file sink has it."""

import sys

from pyflink.common import Encoder, Types
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import BucketAssigner, FileSink, OutputFileConfig

env = StreamExecutionEnvironment.get_execution_environment()
env.set_parallelism(1)
names = OutputFileConfig.builder().with_part_prefix("prefix").with_part_suffix(".ext").build()
sink = (
    FileSink.for_row_format(sys.argv[1], Encoder.simple_string_encoder())
    .with_bucket_assigner(BucketAssigner.date_time_bucket_assigner())
    .with_output_file_config(names)
    .build()
)
env.from_collection(["to", "be"], Types.STRING()).sink_to(sink)
env.execute("buckets")
