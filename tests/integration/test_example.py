"""The flight program on its embedded cluster equals plain Python, whatever is killed meanwhile."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from examples import flight_delays
from tests.support.clusters import alive, children, descendants, until
from tests.support.flights import Lines, assert_found, lines_of

YEAR = "FLIGHTS_2013"
"""Names the year's file, which is too large for the repository. (Names with MILLSTREAM_ are configuration keys.)"""

GET_YEAR = (
    f"set {YEAR} to the path of a file with all 336,776 flights of the nycflights13 data set, gzip or not "
    "(in R: readr::write_csv(nycflights13::flights, PATH)), in the order that examples/data/README.md tells of"
)


@pytest.fixture(scope="module")
def july() -> Lines:
    return lines_of(flight_delays.JULY)


@contextmanager
def program(output: Path, *arguments: str, **settings: str) -> Generator[subprocess.Popen[str]]:
    """The example as a person runs it; no process of it is left afterwards."""
    command = [sys.executable, flight_delays.__file__, "--output", str(output), *arguments]
    environment = {**os.environ, **settings}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    below: list[int] = []
    try:
        yield process
    finally:
        below = descendants(process.pid)
        process.kill()
        process.communicate()
        until(lambda: not any(map(alive, below)), 10, "its processes are gone")


def finish(process: subprocess.Popen[str], timeout_s: float = 50) -> str:
    """What it printed."""
    printed, _ = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, printed
    return printed


def workers(process: subprocess.Popen[str]) -> list[int]:
    """The program's child is the cluster, whose child is the forkserver."""
    return [
        worker
        for cluster in children(process.pid)
        for forkserver in children(cluster)
        for worker in children(forkserver)
    ]


def committed(output: Path) -> int:
    """Files that a checkpoint has committed."""
    return len(list(output.glob("part-*.csv")))


def more_is_committed(output: Path, before: int) -> bool:
    return committed(output) > before


@pytest.mark.parametrize(("hours", "late"), [(2, 863), pytest.param(24, 0, marks=pytest.mark.nightly)])
def test_july_equals_plain_python(tmp_path: Path, july: Lines, hours: int, late: int) -> None:
    with program(tmp_path / "out", "--out-of-orderness", f"{hours}h") as process:
        printed = finish(process)
    assert assert_found(tmp_path / "out", july, hours) == late
    assert "Do the totals balance? Yes:" in printed
    assert f"read 29,425 = in windows {29_425 - late:,} + late {late}" in printed


def test_workers_that_are_killed_change_nothing(tmp_path: Path, july: Lines) -> None:
    """Two of them, each after another file was committed, so that there is something to go on from, and to double."""
    output = tmp_path / "out"
    with program(output, MILLSTREAM_EXECUTION_CHECKPOINTING_INTERVAL="50 ms") as process:
        dead: list[int] = []
        for _ in range(2):
            before = committed(output)
            until(partial(more_is_committed, output, before), 20, "another file is committed")
            victim = until(lambda: [pid for pid in workers(process) if pid not in dead], 20, "workers run")[0]
            os.kill(victim, signal.SIGKILL)
            dead.append(victim)
        printed = finish(process)
    assert "something died; attempt 3 goes on from checkpoint" in printed
    assert assert_found(output, july, hours=2) == 863


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("hours", "late"), [(2, 5_586), (24, 0)])
def test_the_year_equals_plain_sql(tmp_path: Path, hours: int, late: int) -> None:
    if not os.environ.get(YEAR):
        pytest.fail(f"the year's flights are too many for the repository: {GET_YEAR}", pytrace=False)
    path = Path(os.environ[YEAR])
    lines = lines_of(path)
    assert len(lines) == 336_776
    with program(tmp_path / "out", "--input", str(path), "--out-of-orderness", f"{hours}h") as process:
        finish(process, 300)
    assert assert_found(tmp_path / "out", lines, hours) == late
