"""The embedded cluster's outside: how it starts, what it is told. Whole programs are in tests/integration."""

import os
import shutil
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from millstream.embedded import process
from millstream.embedded.clusters import cluster_settings
from millstream.embedded.orders import Orders, Report, encode, orders_of, report_of
from millstream.embedded.process import ChildProcess
from millstream.errors import ExecutionError
from millstream_dataflow.configuration import Configuration, ConfigurationError
from tests.support.clusters import until


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """Everything of a cluster goes below `tmp_path`."""
    return Configuration.from_strings({"io.tmp.dirs": str(tmp_path)})


class TestStart:
    """A child that doesn't start."""

    def test_what_it_says_is_passed_on(self, configuration: Configuration, tmp_path: Path) -> None:
        child = ChildProcess(configuration)
        with pytest.raises(
            ExecutionError, match=r"didn't start: ConfigurationError: no.such.key .*there is no such key"
        ):
            child.start({"no.such.key": "1"}, 50)
        child.kill()
        assert list(tmp_path.iterdir()) == []

    def test_one_that_ends_without_a_word_is_told_by_its_code(
        self, configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", shutil.which("false"))
        child = ChildProcess(configuration)
        with pytest.raises(ExecutionError, match=r"the embedded cluster didn't start"):
            child.start({}, 50)
        child.stop()
        assert "was stopped by this program" in child.why_gone()
        assert list(tmp_path.iterdir()) == []

    def test_its_last_words_are_shown(
        self, configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = tmp_path / "python"
        script.write_text("#!/bin/sh\necho no such module >&2\nexit 5\n", encoding="utf-8")
        script.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(script))
        child = ChildProcess(configuration)
        with pytest.raises(ExecutionError, match=r"didn't start .*; its last words:\nno such module"):
            child.start({}, 50)
        assert "ended with code 5, and its jobs with it; its last words:\nno such module" in _until_gone(child)
        child.kill()

    def test_one_that_says_nothing_is_given_up(
        self, configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = tmp_path / "python"
        script.write_text("#!/bin/sh\nexec sleep 100\n", encoding="utf-8")
        script.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(script))
        child = ChildProcess(configuration)
        with pytest.raises(ExecutionError, match=r"didn't start within 0.1 s"):
            child.start({}, 0.1)
        child.kill()

    def test_no_interpreter_leaves_nothing(
        self, configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
        with pytest.raises(ExecutionError, match=r"process can't be started"):
            ChildProcess(configuration)
        assert list(tmp_path.iterdir()) == []

    def test_no_place_is_said_with_the_key(self, tmp_path: Path) -> None:
        settings = Configuration.from_strings({"io.tmp.dirs": str(tmp_path / "missing")})
        with pytest.raises(ConfigurationError, match=r"^io\.tmp\.dirs = .* has no place for its files"):
            ChildProcess(settings)

    @pytest.mark.parametrize("limit", [16, 31])
    def test_too_few_open_files_are_said_at_once(
        self, configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
    ) -> None:
        monkeypatch.setattr("resource.getrlimit", lambda _: (limit, 1024))
        with pytest.raises(ExecutionError, match=rf"needs 32 open files .* may have {limit}; raise .*ulimit -n"):
            ChildProcess(configuration)
        assert list(tmp_path.iterdir()) == []

    def test_a_long_temporary_directory_leaves_no_room_for_sockets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", "/tmp/" + "x" * 40)
        assert process._short_place() == "/tmp"
        monkeypatch.setattr("tempfile.tempdir", "/tmp/x")
        assert process._short_place() == "/tmp/x"


class TestEnd:
    """Nothing is left."""

    def test_a_process_that_outlives_a_killed_child_for_a_moment_makes_no_directory_again(
        self, configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As forkserver and workers do, in a session of their own."""
        monkeypatch.setattr(sys, "executable", str(_script(tmp_path, WRITES_LATE)))
        child = ChildProcess(configuration)
        until(lambda: any(tmp_path.glob("ms-*/late/file")), 20, "it writes")
        child.kill()
        until((tmp_path / "gone").exists, 20, "it has gone")
        assert not list(tmp_path.glob("ms-*"))

    def test_a_process_that_never_goes_holds_the_end_up_for_a_while_only(
        self, configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process, "_LINGERING_S", 0.1)
        monkeypatch.setattr(sys, "executable", str(_script(tmp_path, STAYS)))
        child = ChildProcess(configuration)
        until((tmp_path / "pid").exists, 20, "it runs")
        child.kill()
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert not list(tmp_path.glob("ms-*"))


WRITES_LATE = """
write() {
    while [ $# -lt 30 ]; do mkdir -p "$1/late"; echo x > "$1/late/file"; sleep 0.02; set -- "$@" x; done
    touch "$(dirname "$1")/gone"
}
if [ "$1" = late ]; then write "$2"; exit; fi
setsid "$0" late "$4" &
exec sleep 100
"""
STAYS = """
if [ "$1" = stay ]; then echo $$ > "$2/new"; mv "$2/new" "$2/pid"; exec sleep 100; fi
setsid "$0" stay "$(dirname "$4")" &
exec sleep 100
"""


def _script(directory: Path, text: str) -> Path:
    """In place of the interpreter; its fourth argument is the child's directory."""
    script = directory / "python"
    script.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    script.chmod(0o700)
    return script


def _until_gone(child: ChildProcess) -> str:
    child._process.wait(20)
    return child.why_gone()


def test_orders_and_reports_are_a_line_each() -> None:
    orders = Orders({"a": "b\nc"})
    assert orders_of(encode(orders)) == orders
    assert report_of(encode(Report(target="unix:/x"))) == Report(target="unix:/x")
    assert encode(orders).count(b"\n") == 1
    with pytest.raises(msgspec.DecodeError):
        report_of(b"")


def test_a_cluster_is_told_its_own_settings_and_neither_the_job_s_nor_where_others_keep_their_jobs() -> None:
    settings = Configuration.from_strings(
        {
            "heartbeat.interval": "1s",
            "execution.checkpointing.interval": "1s",
            "client.timeout": "1s",
            "high-availability.storageDir": "/var/lib/millstream",
        }
    )
    assert cluster_settings(settings) == {"heartbeat.interval": "1 s"}
