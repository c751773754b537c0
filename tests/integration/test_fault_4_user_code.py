"""Fault 4: a function raises. The error names job, operator, record and line; the job restarts by its strategy."""

import re
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.clusters import MILLSTREAM, Cluster, running_cluster

RAISES = """
from pathlib import Path
from millstream import StreamExecutionEnvironment

def parse(text):
    return int(text)  # the guilty line

env = StreamExecutionEnvironment.get_execution_environment()
env.from_collection(["1", "2", "three"]).map(parse).name("parse numbers").print()
env.execute("guilty")
"""

RECOVERS = """
import sys
from pathlib import Path
from millstream import StreamExecutionEnvironment

def fail_once(value, marker=Path(sys.argv[1])):
    if not marker.exists():
        marker.touch()
        raise ValueError("only the first time")
    return value

env = StreamExecutionEnvironment.get_execution_environment()
env.from_collection([1, 2, 3]).map(fail_once).print()
env.execute("recovers")
"""

RECOVERS_ON_THE_WAY = """
import sys
from pathlib import Path
from millstream import StreamExecutionEnvironment

class Reading:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        if not Path(self.marker).exists():
            Path(self.marker).touch()
            raise OSError("the file is away")  # the guilty line
        return Reading, (self.marker,)

env = StreamExecutionEnvironment.get_execution_environment()
records = env.from_collection([1, 2]).map(lambda _, marker=sys.argv[1]: Reading(marker)).name("read")
records.rebalance().map(lambda _: "arrived").set_parallelism(2).print()
env.execute("recovers")
"""

HOPELESS = """
import os
from threading import Lock
from millstream import FileSource, NonRecoverableError, StreamExecutionEnvironment, WatermarkStrategy

NO_TIMES = WatermarkStrategy.no_watermarks()

def fatal(value):
    raise NonRecoverableError("never again")

env = StreamExecutionEnvironment.get_execution_environment()
env.{stream}.print()
env.execute("hopeless")
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("user-code"), taskmanagers=1, slots=2) as running:
        yield running


def run(
    cluster: Cluster, directory: Path, program: str, *options: str, arguments: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Exit code and everything that `millstream run` said."""
    script = directory / "job.py"
    script.write_text(program, encoding="utf-8")
    command = [MILLSTREAM, "run", "-D", f"jobmanager.rpc.port={cluster.port}", *options, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50, cwd=directory)
    return done.returncode, done.stdout + done.stderr


def test_the_message_names_everything_and_the_exit_code_is_1(cluster: Cluster, tmp_path: Path) -> None:
    code, said = run(cluster, tmp_path, RAISES, "-D", "restart-strategy.type=none")
    assert code == 1
    for part in ("guilty", "parse numbers", "'three'", "job.py:6", "invalid literal for int()"):
        assert part in said, said


def test_a_job_restarts_by_its_strategy_and_says_why(cluster: Cluster, tmp_path: Path) -> None:
    options = ("-D", "restart-strategy.type=fixed-delay", "-D", "restart-strategy.fixed-delay.delay=10 ms")
    code, said = run(cluster, tmp_path, RECOVERS, *options, arguments=(str(tmp_path / "marker"),))
    assert code == 0, said
    [told] = [line for line in said.splitlines() if line.startswith("restarting")]
    assert told.startswith("restarting (attempt 2): ValueError: only the first time (operator Map")


def test_an_error_while_a_record_is_serialised_is_tried_again_if_it_may_go_away(
    cluster: Cluster, tmp_path: Path
) -> None:
    options = (
        *("-D", "restart-strategy.type=fixed-delay"),
        *("-D", "restart-strategy.fixed-delay.delay=10 ms"),
        *("-D", "pipeline.object-reuse=true"),  # or it would be the copy behind the map
    )
    code, said = run(cluster, tmp_path, RECOVERS_ON_THE_WAY, *options, arguments=(str(tmp_path / "marker"),))
    assert code == 0, said
    [told] = [line for line in said.splitlines() if line.startswith("restarting")]
    assert "can't be pickled: OSError: the file is away (operator read" in told
    assert told.endswith('raise OSError("the file is away")  # the guilty line)')


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ("from_source(FileSource.text('/not/there'), NO_TIMES, 'lines')", "no such file or directory to read"),
        ("from_collection([1]).map(lambda x: [x]).key_by(lambda x: x).reduce(max)", "list can't be a key"),
        ("from_collection([1, 2]).map(lambda x: Lock()).rebalance().map(str).set_parallelism(2)", "can't be pickled"),
        ("from_collection([1]).map(fatal)", "never again"),
    ],
)
def test_what_trying_again_cannot_heal_ends_the_job_at_once(
    cluster: Cluster, tmp_path: Path, stream: str, words: str
) -> None:
    options = ("-D", "execution.checkpointing.interval=1 s", "-D", "pipeline.object-reuse=true")
    code, said = run(cluster, tmp_path, HOPELESS.format(stream=stream), *options)
    assert code == 1
    assert words in said
    assert "restarting" not in said


def test_the_end_of_a_process_names_what_ran_in_it(cluster: Cluster, tmp_path: Path) -> None:
    text = HOPELESS.format(stream="from_collection([1]).map(lambda x: os._exit(7)).name('leave').set_parallelism(2)")
    code, said = run(cluster, tmp_path, text, "-D", "restart-strategy.type=none")
    assert code == 1
    names = r"the process of Source: Collection \(1/1\), leave \(1/2\), Sink: Print \(1/1\): it ended with exit code 7"
    assert re.search(names, said), said


def test_a_job_that_fails_too_often_carries_the_root_cause(cluster: Cluster, tmp_path: Path) -> None:
    options = (
        *("-D", "restart-strategy.type=fixed-delay"),
        *("-D", "restart-strategy.fixed-delay.delay=10 ms"),
        *("-D", "restart-strategy.fixed-delay.attempts=2"),
    )
    code, said = run(cluster, tmp_path, RAISES, *options)
    assert code == 1
    assert "invalid literal for int()" in said
