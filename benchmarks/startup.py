"""How long a person waits for the smallest program: `millstream run` against a cluster that stands."""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import ROUNDS, Measured, Report, WrongResultError

MILLSTREAM = str(Path(sys.executable).with_name("millstream"))
PROGRAM = """
from millstream import StreamExecutionEnvironment
env = StreamExecutionEnvironment.get_execution_environment()
env.from_collection(["Hello", "World"]).map(str.upper).print()
env.execute("startup")
"""


@contextmanager
def cluster(directory: Path) -> Generator[Sequence[str]]:
    """A JobManager and a TaskManager as processes; gives the options that lead a client to them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["-D", f"jobmanager.rpc.port={port}", "-D", f"high-availability.storageDir={directory / 'store'}"]
    verbs = (["jobmanager"], ["taskmanager", "--slots", "2"])
    processes = [
        subprocess.Popen([MILLSTREAM, *verb, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for verb in verbs
    ]
    try:
        yield options
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()


def measured(command: Sequence[str], *expected: str) -> Measured:
    """A command from its start to its end; WrongResultError when it fails or doesn't print each of `expected`."""
    started = time.monotonic()
    environment = {**os.environ, "NO_COLOR": "1"}
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        text = printed.read()
    if process.returncode or any(word not in text for word in expected):
        raise WrongResultError(f"{command[:3]} ended with {process.returncode}, and printed {text[-1000:]}")
    return Measured(len(expected), seconds, usage.ru_maxrss / 1_024, usage.ru_utime + usage.ru_stime)


def run() -> Report:
    """The benchmark; the time of the embedded program is told beside it."""
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark-") as name:
        directory = Path(name)
        program = directory / "program.py"
        program.write_text(PROGRAM)
        imports = [sys.executable, "-c", "import pyarrow, grpc"]
        with cluster(directory) as options:
            command = [MILLSTREAM, "run", *options, str(program)]
            measured(command, "FINISHED")
            measured(imports)
            triples = [
                (
                    measured(imports),
                    measured(command, "FINISHED"),
                    measured([sys.executable, str(program)], "HELLO", "WORLD"),
                )
                for _ in range(ROUNDS)
            ]
    other, mine, embedded = (statistics.median([one.seconds for one in side]) for side in zip(*triples, strict=True))
    sys.stderr.write(
        f"startup: the embedded program takes {embedded:.2f} s, {embedded / other:.1f} times the imports\n"
    )
    return Report(
        "startup",
        2,
        mine,
        "python -c 'import pyarrow, grpc'",
        other,
        other / mine,
        statistics.median([command.rss_mb for _, command, _ in triples]),
        statistics.median([command.cpu_s for _, command, _ in triples]),
        "s",
    )
