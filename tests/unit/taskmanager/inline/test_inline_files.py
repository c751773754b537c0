"""Inline execution of the file connectors: there is no pool, and what may block is done at once."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream import FileSink, FileSource, StreamExecutionEnvironment, WatermarkStrategy
from millstream.execution.context import ProgramContext, program_context
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client


@pytest.fixture
def env(tmp_path: Path) -> Iterator[StreamExecutionEnvironment]:
    """A program that copies a file of three lines."""
    (tmp_path / "in").write_text("a\nb\nc\n")
    with program_context(ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE))):
        env = StreamExecutionEnvironment.get_execution_environment()
        source = FileSource.text(tmp_path / "in")
        lines = env.from_source(source, WatermarkStrategy.no_watermarks(), "lines")
        lines.sink_to(FileSink.text(tmp_path / "out"))
        yield env


def test_files_are_whole_and_nothing_is_hidden(env: StreamExecutionEnvironment, tmp_path: Path) -> None:
    env.execute()
    assert [path.read_text() for path in (tmp_path / "out").glob("part-*")] == ["a\nb\nc\n"]
    assert list((tmp_path / "out").glob(".*")) == []


def test_a_disk_that_fails_fails_the_job_and_nothing_is_left(
    env: StreamExecutionEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        env.execute()
    assert list((tmp_path / "out").iterdir()) == []
