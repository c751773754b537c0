"""What tasks print, on streams that don't take everything."""

import io
import os
import sys
from pathlib import Path

import pytest

from millstream.submission.brief import OutputClosedError, OutputLostError
from millstream.submission.program_streams import ProgramStreams
from millstream.submission.standard_streams import let_go, tell


def test_a_program_without_a_stderr_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    ProgramStreams().write("x", error_stream=True)
    tell("x")


@pytest.mark.parametrize(("name", "error_stream"), [("stdout", False), ("stderr", True)])
def test_a_program_sees_nothing_on_a_stream_that_it_has_closed_or_taken_away(
    monkeypatch: pytest.MonkeyPatch, name: str, *, error_stream: bool
) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, name, stream)
        ProgramStreams().write("x", error_stream=error_stream)
        tell("x")


def test_a_program_without_a_stdout_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "__stdout__", None)
    streams = ProgramStreams()
    with pytest.raises(OutputLostError, match=r"can't be written to stdout: Bad file descriptor$"):
        streams.write("x", error_stream=False)
    streams.write("y", error_stream=False)


def test_what_can_t_be_encoded_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    ProgramStreams().write("Wörld\n", error_stream=False)
    assert written.getvalue() == b"W?rld\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_a_full_disk_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        streams = ProgramStreams()
        with pytest.raises(OutputLostError, match=r"can't be written to stdout: No space left on device$"):
            streams.write("x", error_stream=False)
        streams.write("y", error_stream=False)
        let_go(full)  # or its end would be an error as well


def test_a_pipe_that_nobody_reads_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        streams = ProgramStreams()
        with pytest.raises(OutputClosedError):
            streams.write("x", error_stream=False)
        streams.write("y", error_stream=False)
        let_go(pipe)
