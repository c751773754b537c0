"""A child that is started before its job: whoever needs it first gets it, and nobody else hears of it."""

import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from millstream import StreamExecutionEnvironment
from millstream.embedded.ahead import AHEAD, Ahead
from millstream.embedded.process import ChildProcess
from millstream.execution.context import ProgramContext
from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.options import taskmanager


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Configuration]:
    """Children that wait, in a folder by name."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 100\n", encoding="utf-8")
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))

    def place(name: str) -> Configuration:
        (tmp_path / name).mkdir(exist_ok=True)
        return Configuration.from_strings({"io.tmp.dirs": str(tmp_path / name)})

    return place


def children(configuration: Configuration) -> int:
    """Directories that are there."""
    places = configuration.get(taskmanager.TMP_DIRS) or ()
    return sum(len(list(Path(place).iterdir())) for place in places)


def test_the_first_job_finds_it_started(waiting: Callable[[str], Configuration]) -> None:
    ahead, here = Ahead(), waiting("here")
    with ahead.started(here):
        assert children(here) == 1
        child = ahead.child(here)
        assert children(here) == 1
    assert child.why_gone() == ""
    child.kill()
    with ahead.started(here):
        assert children(here) == 0, "later jobs find a cluster"


def test_a_program_that_is_no_job_leaves_nothing_and_may_try_again(waiting: Callable[[str], Configuration]) -> None:
    ahead, here = Ahead(), waiting("here")
    for _ in range(2):
        with suppress(ZeroDivisionError), ahead.started(here):
            assert children(here) == 1
            raise ZeroDivisionError
        assert children(here) == 0


def test_one_that_works_elsewhere_is_of_no_use(waiting: Callable[[str], Configuration]) -> None:
    ahead, here, there = Ahead(), waiting("here"), waiting("there")
    with ahead.started(here):
        child = ahead.child(there)
        assert (children(here), children(there)) == (0, 1)
    child.kill()


def test_without_one_a_job_starts_its_own(waiting: Callable[[str], Configuration]) -> None:
    here = waiting("here")
    child = Ahead().child(here)
    assert children(here) == 1
    child.kill()


def test_why_there_is_none_is_heard_by_the_job(tmp_path: Path) -> None:
    ahead, nowhere = Ahead(), Configuration.from_strings({"io.tmp.dirs": str(tmp_path / "missing")})
    with ahead.started(nowhere), pytest.raises(ConfigurationError, match=r"has no place for its files"):
        ahead.child(nowhere)


def test_a_child_without_orders_ends_with_its_program(tmp_path: Path) -> None:
    child = ChildProcess(Configuration.from_strings({"io.tmp.dirs": str(tmp_path)}))
    child._close_pipes()
    assert child._process.wait(50) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_child_without_orders_ends_in_order_when_the_kernel_tells_of_the_program_s_end(tmp_path: Path) -> None:
    child = ChildProcess(Configuration.from_strings({"io.tmp.dirs": str(tmp_path)}))
    for _ in range(500):  # until it has a handler
        if _caught(child._process.pid) & 1 << (signal.SIGTERM - 1):
            break
        assert child._process.poll() is None
        time.sleep(0.01)
    child._process.terminate()
    assert child._process.wait(50) == 0
    assert list(tmp_path.iterdir()) == []
    child._close_pipes()


def _caught(pid: int) -> int:
    """The signals that a process has handlers for, as a mask."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:")]
    return int(line.split()[1], 16)


def test_a_program_that_can_t_be_compiled_has_no_child_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[ChildProcess] = []

    def seen(configuration: Configuration) -> ChildProcess:
        started.append(ChildProcess(configuration))
        return started[-1]

    monkeypatch.setattr("millstream.embedded.ahead.ChildProcess", seen)
    monkeypatch.setattr(AHEAD, "_used", False)
    settings = {"io.tmp.dirs": str(tmp_path), "execution.target": "embedded"}
    env = StreamExecutionEnvironment(ProgramContext(Configuration.from_strings(settings)))
    lock = sys._getframe()  # what can't be pickled
    env.from_collection([1]).map(lambda value: (value, lock)).print()
    with pytest.raises(Exception, match="pickle"):
        env.execute()
    assert [child._process.returncode for child in started] == [-9]
    assert list(tmp_path.iterdir()) == []
