"""What tasks print: whose it is, how much is kept, and what a listener hears."""

import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId, SubtaskId, TaskId, VertexId
from millstream_taskmanager.worker.output import (
    GATHERED_LIMIT,
    MESSAGE_CHARACTERS,
    PATIENCE_MS,
    WINDOW,
    TaskOutputs,
    install,
)
from millstream_taskmanager.worker.task_log import RotatingFile, TaskLog, last_lines, rotated

LIMIT = 4_000


def task(name: str) -> TaskId:
    return TaskId(RegionAttempt(JobId("job"), RegionId(0), 1), SubtaskId(VertexId(name), 0))


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[tuple[TaskLog, TaskLog]]:
    one, two = TaskLog(task("one"), tmp_path, LIMIT), TaskLog(task("two"), tmp_path, LIMIT)
    yield one, two
    one.close()
    two.close()


@pytest.fixture
def outputs() -> TaskOutputs:
    return TaskOutputs()


@contextmanager
def installed(outputs: TaskOutputs) -> Generator[None]:
    """Not a fixture: between fixtures and tests pytest puts streams of its own there."""
    restore = install(outputs)
    try:
        yield
    finally:
        restore()


def test_what_is_printed_goes_to_the_task_whose_code_runs(
    outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one, two = logs
    with installed(outputs):
        outputs.speaks(one)
        print("first", 1)  # noqa: T201  # printing is what is tested
        with outputs.speaking(two):
            sys.stderr.write("oh\n")
            sys.stdout.buffer.write("bytes é\n".encode())
        print("second", flush=True)  # noqa: T201  # as above
        outputs.speaks(None)
        sys.stdout.write("nobody's\n")
    assert (tmp_path / "one-0.out").read_text() == "first 1\nsecond\n"
    assert (tmp_path / "two-0.err").read_text() == "oh\n"
    assert (tmp_path / "two-0.out").read_text() == "bytes é\n"
    assert not (tmp_path / "one-0.err").exists()
    assert capfd.readouterr().out == "nobody's\n"


def test_another_thread_speaks_for_itself(
    outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with installed(outputs):
        outputs.speaks(logs[0])
        thread = threading.Thread(target=lambda: sys.stdout.write("from a thread\n"))
        thread.start()
        thread.join()
    assert not (tmp_path / "one-0.out").exists()
    assert capfd.readouterr().out == "from a thread\n"


def test_a_child_process_can_be_given_the_stream(
    outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog], capfd: pytest.CaptureFixture[str]
) -> None:
    with installed(outputs):
        outputs.speaks(logs[0])
        subprocess.run(["echo", "child"], stdout=sys.stdout, check=True)
    assert capfd.readouterr().out == "child\n"


def test_text_that_is_no_text_is_refused_as_by_every_stream(outputs: TaskOutputs) -> None:
    stream, _ = outputs.streams()
    with pytest.raises(TypeError, match="must be str, not bytes"):
        stream.write(b"x")  # type: ignore[arg-type]  # it is what is tested
    stream.close()
    assert not stream.closed


def test_a_lone_surrogate_is_shown_and_not_raised(outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog]) -> None:
    outputs.write(logs[0], "\ud800\n", error=False)
    assert last_lines(Path(logs[0].out._path.parent), 5) == ["\\ud800"]


def test_files_are_bounded_and_the_oldest_goes_first(logs: tuple[TaskLog, TaskLog], tmp_path: Path) -> None:
    log = logs[0]
    for number in range(1_000):
        log.out.write(f"out {number}\n".encode())
        log.err.write(f"err {number}\n".encode())
    files = [tmp_path / "one-0.out", rotated(tmp_path / "one-0.out"), tmp_path / "one-0.err"]
    assert all(0 < file.stat().st_size <= LIMIT // 4 for file in files)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= LIMIT
    assert files[0].read_text().endswith("out 999\n")
    assert set(last_lines(tmp_path, 2 * LIMIT)) >= {"out 999", "err 999"}
    assert last_lines(tmp_path, 1)[0].endswith(" 999")


def test_one_text_larger_than_a_file_keeps_its_end(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "x.out", 100)
    file.write(b"a" * 1_000 + b"end\n")
    file.write(b"more\n")
    file.close()
    assert rotated(tmp_path / "x.out").read_text().endswith("aend\n")
    assert (tmp_path / "x.out").read_text() == "more\n"


def test_a_folder_that_is_gone_costs_lines_and_no_task(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("")
    file = RotatingFile(tmp_path / "in-the-way" / "x.out", 100)
    file.write(b"lost\n")
    file.close()
    assert last_lines(tmp_path / "in-the-way", 3) == []


def test_nobody_listens_at_first(outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog]) -> None:
    outputs.write(logs[0], "before\n", error=False)
    outputs.listen(listening=True)
    outputs.write(logs[0], "now\n", error=False)
    outputs.write(logs[1], "other\n", error=True)
    outputs.write(logs[0], "too\n", error=False)
    heard = [(message.task.subtask.vertex, message.error_stream, message.text) for message in outputs.take()]
    assert heard == [("one", False, "now\ntoo\n"), ("two", True, "other\n")]
    assert outputs.take() == []
    assert outputs.gathered == 0


def texts(outputs: TaskOutputs) -> list[str]:
    return [message.text for message in outputs.take()]


def test_a_listener_hears_whole_lines(outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog]) -> None:
    outputs.listen(listening=True)
    lines = [f"line {number}\n" for number in range(10_000)]
    outputs.write(logs[0], "".join(lines) + "begun", error=False)
    parts = texts(outputs)
    assert "".join(parts) == "".join(lines) + "begun"
    assert all(len(part) <= MESSAGE_CHARACTERS for part in parts)
    assert all(part.endswith("\n") for part in parts[:-1])


def test_a_line_longer_than_a_message_comes_in_pieces(outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog]) -> None:
    outputs.listen(listening=True)
    text = "é" * (2 * MESSAGE_CHARACTERS + 1)
    outputs.write(logs[0], text, error=False)
    parts = texts(outputs)
    assert "".join(parts) == text
    assert len(parts) == 3


def test_a_listener_hears_of_a_lone_surrogate(outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog]) -> None:
    outputs.listen(listening=True)
    outputs.write(logs[0], "é\ud800\n", error=False)
    assert texts(outputs) == ["é\\ud800\n"]


def test_what_is_too_much_is_counted(outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog]) -> None:
    outputs.listen(listening=True)
    outputs.write(logs[0], "x" * GATHERED_LIMIT, error=False)
    outputs.write(logs[0], "yy\n" * 1_234, error=False)
    last = outputs.take()[-1]
    assert (last.error_stream, last.dropped) == (True, 1_234)
    assert last.text == "[1,234 lines missing here: printed faster than taken]\n"


def test_a_task_waits_until_what_it_printed_is_taken(outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog]) -> None:
    one, two = logs
    outputs.write(one, "x" * 2 * WINDOW, error=False)
    assert not outputs.is_full(one), "nobody listens"
    outputs.listen(listening=True)
    outputs.write(one, "x" * WINDOW, error=False)
    assert not outputs.is_full(one)
    outputs.write(one, "yy", error=True)
    assert outputs.is_full(one)
    assert not outputs.is_full(two)
    outputs.take()
    assert outputs.is_full(one), "on its way isn't taken"
    outputs.taken(one, 1)
    assert outputs.is_full(one)
    outputs.taken(one, 1)
    assert not outputs.is_full(one)


@pytest.mark.parametrize("end", ["nobody listens any more", "the way is cut", "nothing is taken"])
def test_no_task_waits_for_a_listener_that_is_gone(
    outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog], end: str
) -> None:
    log = logs[0]
    outputs.listen(listening=True)
    outputs.write(log, "x" * 2 * WINDOW, error=False)
    outputs.take()
    assert not outputs.lose_patience(1_000)
    match end:
        case "nobody listens any more":
            outputs.listen(listening=False)
        case "the way is cut":
            outputs.interrupt()
        case _:
            assert not outputs.lose_patience(1_000 + PATIENCE_MS - 1)
            assert outputs.lose_patience(1_000 + PATIENCE_MS)
    outputs.write(log, "x\n" * 2 * WINDOW, error=False)
    assert not outputs.is_full(log)
    lost = [message.dropped for message in outputs.take()]
    assert lost == ([] if end == "nobody listens any more" else [2 * WINDOW])
    # It is back: the task waits for it again.
    outputs.listen(listening=True)
    outputs.write(log, "x" * 2 * WINDOW, error=False)
    assert outputs.is_full(log)


def test_who_takes_slowly_isn_t_gone(outputs: TaskOutputs, logs: tuple[TaskLog, TaskLog]) -> None:
    outputs.listen(listening=True)
    outputs.write(logs[0], "x" * 2 * WINDOW, error=False)
    for time in range(0, 10 * PATIENCE_MS, PATIENCE_MS // 2):
        assert not outputs.lose_patience(time)
        outputs.taken(logs[0], 100)
    assert outputs.is_full(logs[0])


def test_it_is_no_terminal(outputs: TaskOutputs) -> None:
    out, err = outputs.streams()
    assert not out.isatty()
    assert (out.fileno(), err.fileno()) == (1, 2)
    assert out.encoding == "utf-8"
