"""PyFlink's names for how files are cut and laid out."""

from pathlib import Path

import pytest

from millstream import BucketAssigner, Encoder, FileSink, FileSource, OutputFileConfig, RollingPolicy, StreamFormat
from millstream.connectors.files.source import FileEnumeratorProvider, FileSplitAssignerProvider
from millstream.connectors.files.writer import MOST_FILES
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import RowBatch
from tests.unit.client.connectors.surroundings import Around


def test_a_part_size_closes_files_between_barriers(tmp_path: Path) -> None:
    builder = FileSink.for_row_format(tmp_path, Encoder.simple_string_encoder())
    sink = builder.with_rolling_policy(RollingPolicy.default_rolling_policy(part_size=4)).build()
    writer = sink.create_writer(Around(), ())
    for values in (["a"], ["b"], ["c"], ["d", "e"], ["f"]):
        writer.write(RowBatch(list(values)))
    prepared = writer.prepare_commit(CheckpointId(1), end_of_input=False)
    durable = writer.make_durable()
    assert durable is not None
    durable()
    writer.write(RowBatch(["g", "h"]))
    sink.create_committer(Around()).commit(prepared)
    texts = [(tmp_path / visible).read_text() for _, visible, _ in prepared]
    assert texts == ["a\nb\n", "c\nd\ne\n", "f\n"]
    writer.close()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(visible for _, visible, _ in prepared), "g and h are in no checkpoint"


def test_a_writer_has_no_more_files_open_than_it_may(tmp_path: Path) -> None:
    sink = FileSink.for_row_format(tmp_path, Encoder.simple_string_encoder())
    writer = sink.with_rolling_policy(RollingPolicy.default_rolling_policy(1)).build().create_writer(Around(), ())
    for number in range(MOST_FILES + 10):
        writer.write(RowBatch([number]))
    prepared = writer.prepare_commit(CheckpointId(1), end_of_input=False)
    assert len(prepared) == len(list(tmp_path.iterdir())) == MOST_FILES
    assert prepared[-1][2] == 11 * len("63\n"), "the last file has the rest"
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_writer_that_died_had_closed_at_a_size_is_deleted(tmp_path: Path) -> None:
    policy = RollingPolicy.default_rolling_policy(1)
    sink = FileSink.for_row_format(tmp_path, Encoder.simple_string_encoder()).with_rolling_policy(policy).build()
    writer = sink.create_writer(Around(attempt=1), ())
    for value in ("a", "b", "c"):
        writer.write(RowBatch([value]))
    assert len(list(tmp_path.iterdir())) == 3
    after = Around(attempt=2)
    sink.create_committer(after).drop_leftovers(after, ())
    assert list(tmp_path.iterdir()) == []
    writer.close()  # its descriptors; a process that dies has none left


def test_pyflinks_builder_says_what_it_does_anyhow(tmp_path: Path) -> None:
    builder = FileSink.for_row_format(tmp_path, Encoder.simple_string_encoder())
    plain = builder.build()
    builder.with_rolling_policy(RollingPolicy.on_checkpoint_rolling_policy()).with_bucket_check_interval(1_000)
    builder.with_bucket_assigner(BucketAssigner.base_path_bucket_assigner()).disable_compact()
    assert builder.build() == plain
    with pytest.raises(TypeError, match="takes one that RollingPolicy makes, but got 5"):
        builder.with_rolling_policy(5)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ValueError, match="a part_size above 0, but got 0"):
        RollingPolicy.default_rolling_policy(0)


def test_the_configuration_of_names_tells_them() -> None:
    config = OutputFileConfig.OutputFileConfigBuilder().with_part_suffix(".x").build()
    assert (config.get_part_prefix(), config.get_part_suffix()) == ("part", ".x")


def test_pyflinks_builder_may_keep_files_whole(tmp_path: Path) -> None:
    whole = FileEnumeratorProvider.default_non_splittable_file_enumerator()
    builder = FileSource.for_record_stream_format(StreamFormat.text_line_format(), tmp_path).set_file_enumerator(whole)
    assert builder.set_split_assigner(FileSplitAssignerProvider.locality_aware_split_assigner()) is builder
    assert builder.build() == FileSource.text(tmp_path, splits=1)
    builder.set_file_enumerator(FileEnumeratorProvider.default_splittable_file_enumerator())
    assert builder.build() == FileSource.text(tmp_path)
    with pytest.raises(TypeError, match="takes one that FileSplitAssignerProvider makes, but got 'local'"):
        builder.set_split_assigner("local")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(AttributeError, match=r"for_bulk_file_format of FileSource isn't there: lines and CSV"):
        FileSource.for_bulk_file_format()
