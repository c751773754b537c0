import os
import sys
import tempfile

from pyflink.common import Encoder, Types, WatermarkStrategy
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import (
    BucketAssigner,
    FileSink,
    FileSource,
    OutputFileConfig,
    RollingPolicy,
)
from pyflink.datastream.formats.csv import CsvBulkWriters, CsvReaderFormat, CsvSchema


def files_of(folder):
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            yield name.partition("-")[0], os.path.splitext(name)[1], sorted(file.read().splitlines())


if __name__ == "__main__":
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "sales.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("ann;2;1.5\nbob;1;4.0\nann;3;0.5\n")

    schema = (
        CsvSchema.builder()
        .add_string_column("who")
        .add_number_column("pieces", number_type=Types.INT())
        .add_number_column("price", number_type=Types.DOUBLE())
        .set_column_separator(";")
        .build()
    )
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    source = FileSource.for_record_stream_format(CsvReaderFormat.for_schema(schema), path).build()
    sales = env.from_source(source, WatermarkStrategy.no_watermarks(), "csv-source")
    totals = (
        sales.map(
            lambda row: (row["who"], row["pieces"] * row["price"]),
            output_type=Types.TUPLE([Types.STRING(), Types.DOUBLE()]),
        )
        .key_by(lambda total: total[0], key_type=Types.STRING())
        .sum(1)
    )
    totals.map(lambda total: "{}={}".format(*total), output_type=Types.STRING()).sink_to(
        FileSink.for_row_format(os.path.join(folder, "text"), Encoder.simple_string_encoder("UTF-8"))
        .with_bucket_assigner(BucketAssigner.base_path_bucket_assigner())
        .with_output_file_config(
            OutputFileConfig.builder().with_part_prefix("totals").with_part_suffix(".txt").build()
        )
        .with_rolling_policy(RollingPolicy.on_checkpoint_rolling_policy())
        .build()
    ).name("text-sink").uid("text-sink")

    written = CsvSchema.builder().add_string_column("who").add_number_column("pieces").build()
    sales.map(
        lambda row: row,
        output_type=Types.ROW_NAMED(["who", "pieces", "price"], [Types.STRING(), Types.INT(), Types.DOUBLE()]),
    ).sink_to(
        FileSink.for_bulk_format(os.path.join(folder, "csv"), CsvBulkWriters.for_schema(written))
        .with_output_file_config(OutputFileConfig.builder().with_part_prefix("sales").with_part_suffix(".csv").build())
        .with_rolling_policy(RollingPolicy.on_checkpoint_rolling_policy())
        .build()
    )
    env.execute("files")

    for folder_name in ("text", "csv"):
        for found in files_of(os.path.join(folder, folder_name)):
            print(*found)
    sys.stdout.flush()
