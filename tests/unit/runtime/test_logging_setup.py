"""Where a process of the cluster logs."""

import errno
import logging
import os
import select
import subprocess
import sys
import threading
import weakref
from collections.abc import Generator
from pathlib import Path

import pytest

from millstream_dataflow.configuration import Configuration
from millstream_runtime import logging_setup
from millstream_runtime.logging_setup import LogDirectoryError, set_up_logging
from tests.support.full_disk import files_of_at_most


@pytest.fixture(autouse=True)
def root_as_before() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers.clear()  # pytest's own are closed by nobody
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def configuration(**settings: object) -> Configuration:
    return Configuration.from_strings({f"env.log.{key}": str(value) for key, value in settings.items()})


def test_without_a_directory_it_is_stderr_with_time_level_and_name(capfd: pytest.CaptureFixture[str]) -> None:
    assert set_up_logging(configuration(level="WARN"), "jobmanager") is None
    logging.getLogger("a.b").info("not shown")
    logging.getLogger("a.b").warning("shown %d", 5)
    logging.getLogger().handlers[0].close()
    [line] = capfd.readouterr().err.splitlines()
    time, level, name, *words = line.split()
    assert time.endswith("Z")
    assert (level, name, " ".join(words)) == ("WARNING", "a.b:", "shown 5")


def test_on_stdout_a_record_is_a_line_whatever_the_directory(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert set_up_logging(configuration(target="stdout", dir=tmp_path / "logs"), "jobmanager") is None
    assert logging_setup.stdout_is_log()
    try:
        raise ValueError("a stranger's text\r\n2026-01-01T00:00:00.000Z INFO forged: a line")
    except ValueError:
        logging.getLogger("a.b").exception("it failed")
    logging.getLogger("a.b").info("next")
    logging.getLogger().handlers[0].close()
    captured = capfd.readouterr()
    failed, following = captured.out.splitlines()
    assert "a.b: it failed\\nTraceback (most recent call last):\\n" in failed
    assert failed.endswith("a stranger's text\\r\\n2026-01-01T00:00:00.000Z INFO forged: a line")
    assert following.endswith(" INFO    a.b: next")
    assert captured.err == ""
    assert not (tmp_path / "logs").exists()


def test_stderr_can_be_wanted_though_there_is_a_directory(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert set_up_logging(configuration(target="stderr", dir=tmp_path / "logs"), "jobmanager") is None
    assert not logging_setup.stdout_is_log()
    logging.getLogger("a.b").info("here")
    logging.getLogger().handlers[0].close()
    assert capfd.readouterr().err.endswith("a.b: here\n")


@pytest.mark.parametrize("target", ["stderr", "stdout"])
def test_a_reader_that_takes_nothing_holds_up_neither_who_logs_nor_the_end(target: str) -> None:
    other = {"stderr": "stdout", "stdout": "stderr"}[target]
    code = f"logging_setup._END_S = 0.01; [log('.' * 1000) for _ in range(2000)]; print('logged', file=sys.{other})"
    process = subprocess.Popen(logging_script(code, target), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    streams = {"stdout": process.stdout, "stderr": process.stderr}
    said = streams[other]
    assert said is not None
    try:
        assert process.wait(20) == 0  # and its pipe holds no more than 64 KiB
        assert said.read() == b"logged\n"
    finally:
        process.kill()
        process.communicate()


def logging_script(lines: str, target: str = "stderr") -> list[str]:
    """The command of a process that logs to a stream."""
    head = (
        "import logging, os, sys; from millstream_dataflow.configuration import Configuration; "
        "from millstream_runtime import logging_setup; "
        f"settings = Configuration.from_strings({{'env.log.target': {target!r}}}); "
        "logging_setup.set_up_logging(settings, 'jobmanager'); log = logging.getLogger('x').info; "
    )
    return [sys.executable, "-c", head + lines]


def test_a_stderr_that_does_not_block_loses_no_line() -> None:
    command = logging_script("os.set_blocking(2, False); [log('%d %s', n, '.' * 5000) for n in range(200)]")
    there, here = os.pipe()
    with os.fdopen(there, encoding="utf-8") as reader, os.fdopen(here, "wb") as writer:
        process = subprocess.Popen(command, stderr=writer)
        while select.select([], [writer], [], 0)[1]:  # until it is full
            assert process.poll() is None
        writer.close()
        numbers = [int(line.split(": ")[1].split()[0]) for line in reader]
        assert process.wait(20) == 0
    assert numbers == list(range(200))


def test_a_line_that_was_cut_off_ends_before_the_next() -> None:
    code = (
        "import resource; write = os.write; cut = iter([9, None]); "
        "logging_setup.os.write = lambda fd, data: write(fd, data[:9]) if next(cut) else write(-1, data); log('lost'); "
        "handler = logging.getLogger().handlers[0]; handler._thread.submit(int).result(); "
        "logging_setup.os.write = write; log('next')"
    )
    said = subprocess.run(logging_script(code), capture_output=True, text=True, check=True).stderr.splitlines()
    assert len(said[0]) == 9
    assert said[1].endswith("took nothing (Bad file descriptor): 1 line lost here")
    assert said[2].endswith("next")


def test_a_process_without_stderr_writes_into_no_other_file(tmp_path: Path) -> None:
    file = tmp_path / "data"
    code = f"stream = open({str(file)!r}, 'wb'); log('a line'); logging.shutdown(); stream.write(b'data')"
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *logging_script(code)]
    subprocess.run(command, check=True)
    assert file.read_bytes() == b"data"


def test_files_are_closed_when_they_are_full_and_the_oldest_go(tmp_path: Path) -> None:
    settings = Configuration.from_strings(
        {"env.log.dir": str(tmp_path / "logs"), "env.log.max-size": "64kb", "env.log.max": "2"}
    )
    path = set_up_logging(settings, "jobmanager")
    assert path is not None
    for number in range(300):
        logging.getLogger("x").info("%d %s", number, "." * 1000)
    logging.getLogger().handlers[0].close()
    names = sorted(file.name for file in path.parent.glob("*.log*"))
    assert names == [path.name, f"{path.name}.1", f"{path.name}.2"]
    assert all(file.stat().st_size <= 64 << 10 for file in path.parent.glob("*.log*"))
    assert path.read_text(encoding="utf-8").splitlines()[-1].endswith(f"299 {'.' * 1000}")


def test_closed_files_stay_where_no_other_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without descriptors, say, which is when a process has much to say."""
    settings = Configuration.from_strings(
        {"env.log.dir": str(tmp_path), "env.log.max-size": "64kb", "env.log.max": "3"}
    )
    path = set_up_logging(settings, "jobmanager")
    assert path is not None
    [handler] = logging.getLogger().handlers
    assert isinstance(handler, logging_setup._ThreadHandler)
    for number in range(200):
        logging.getLogger("x").info("%d %s", number, "." * 1000)
    handler._thread.submit(lambda: None).result(20)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.log*")}
    assert len(before) == 4

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refused)
        for _ in range(100):
            logging.getLogger("x").info("." * 1000)
        handler._thread.submit(lambda: None).result(20)
    after = {file.name: file.read_bytes() for file in tmp_path.glob("*.log*")}
    assert after.pop(path.name).startswith(before.pop(path.name))
    assert after == before


@pytest.mark.parametrize("back", [True, False], ids=["and another line comes", "and the process ends"])
def test_lines_that_a_full_disk_does_not_take_are_counted_when_it_has_room_again(tmp_path: Path, *, back: bool) -> None:
    path = set_up_logging(configuration(dir=tmp_path), "jobmanager")
    assert path is not None
    [handler] = logging.getLogger().handlers
    assert isinstance(handler, logging_setup._ThreadHandler)
    with files_of_at_most(10_000):
        for number in range(30):
            logging.getLogger("x").info("line %d %s", number, "." * 1_000)
        handler._thread.submit(lambda: None).result(20)
    if back:
        logging.getLogger("x").info("again")
    handler.close()
    lines = [line.split(": ", 1)[1].partition(" .")[0] for line in path.read_text(encoding="utf-8").splitlines()]
    kept = [f"line {number}" for number in range(9)]
    note = "the disk under this log took nothing (File too large): 21 lines lost here"
    assert lines == [*kept, note, *(["again"] if back else [])]


class TestHangingDisk:
    @pytest.fixture
    def free(self, monkeypatch: pytest.MonkeyPatch) -> Generator[threading.Event]:
        """Set: writes go through."""
        free, write = threading.Event(), logging_setup._LockedFile.write
        before = set(threading.enumerate())  # another test's handler may live on

        def hanging(file: logging_setup._LockedFile, line: bytes) -> None:
            assert free.wait(20), "whoever logs was held up"
            write(file, line)

        monkeypatch.setattr(logging_setup._LockedFile, "write", hanging)
        yield free
        free.set()
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("millstream-log"):
                thread.join(20)

    def test_nobody_who_logs_waits_and_what_is_too_much_is_counted(self, tmp_path: Path, free: threading.Event) -> None:
        path = set_up_logging(configuration(dir=tmp_path), "jobmanager")
        assert path is not None
        for number in range(1_500):
            logging.getLogger("x").info("line %d", number)
        assert path.read_bytes() == b""
        free.set()
        [handler] = logging.getLogger().handlers
        assert isinstance(handler, logging_setup._ThreadHandler)
        handler._thread.submit(lambda: None).result(20)
        logging.getLogger("x").info("again")
        handler.close()
        *lines, note, last = [line.split(": ", 1)[1] for line in path.read_text(encoding="utf-8").splitlines()]
        assert lines == [f"line {number}" for number in range(len(lines))]
        assert note == f"the disk under this log was behind: {1_500 - len(lines)} lines lost here"
        assert last == "again"
        assert len(lines) in (1_000, 1_001)

    def test_what_was_lost_at_the_end_is_counted_as_well(self, tmp_path: Path, free: threading.Event) -> None:
        path = set_up_logging(configuration(dir=tmp_path), "jobmanager")
        assert path is not None
        for number in range(1_500):
            logging.getLogger("x").info("line %d", number)
        free.set()
        logging.getLogger().handlers[0].close()
        *lines, note = path.read_text(encoding="utf-8").splitlines()
        assert note.endswith(f"the disk under this log was behind: {1_500 - len(lines)} lines lost here")

    def test_an_end_waits_for_a_while_only(
        self, tmp_path: Path, free: threading.Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging_setup, "_END_S", 0.01)
        set_up_logging(configuration(dir=tmp_path), "jobmanager")
        logging.getLogger("x").info("line")
        logging.shutdown([weakref.ref(handler) for handler in logging.getLogger().handlers])
        assert not free.is_set()


def test_two_processes_of_one_kind_have_files_of_their_own(tmp_path: Path) -> None:
    mine = set_up_logging(configuration(dir=tmp_path), "taskmanager")
    code = (
        "import sys; from millstream_dataflow.configuration import Configuration; "
        "from millstream_runtime.logging_setup import set_up_logging; "
        "print(set_up_logging(Configuration.from_strings({'env.log.dir': sys.argv[1]}), 'taskmanager').name)"
    )
    other = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert mine is not None
    assert mine.name.startswith("millstream-taskmanager-0-")
    assert other.stdout.startswith("millstream-taskmanager-1-")


def test_a_directory_that_can_t_be_written_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(LogDirectoryError, match=r"env.log.dir = '.*file/logs' .*name a directory that can be written"):
        set_up_logging(configuration(dir=tmp_path / "file" / "logs"), "jobmanager")


def test_what_is_above_a_directory_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(LogDirectoryError, match=f"there is no {tmp_path}/mistyped;"):
        set_up_logging(configuration(dir=tmp_path / "mistyped" / "logs"), "jobmanager")
    assert list(tmp_path.iterdir()) == []


def test_another_directory_serves_where_none_is_set(tmp_path: Path) -> None:
    path = set_up_logging(Configuration(), "embedded", directory=str(tmp_path / "logs"))
    assert path is not None
    assert path.parent == tmp_path / "logs"
