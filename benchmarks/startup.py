"""How long a person waits for the smallest program: `millstream run` against a cluster that stands."""

import os
import resource
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

from benchmarks.harness import ROUNDS, Report, WrongResultError

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


def seconds_of(command: Sequence[str]) -> float:
    """Of a command from start to end; WrongResultError when it fails."""
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, check=False, text=True, env={**os.environ, "NO_COLOR": "1"})
    if done.returncode:
        raise WrongResultError(f"{command[:3]} ended with {done.returncode}: {done.stderr[-1000:]}")
    return time.monotonic() - started


def run() -> Report:
    """The benchmark; the time of the embedded program is told beside it."""
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark-") as name:
        directory = Path(name)
        program = directory / "program.py"
        program.write_text(PROGRAM)
        imports = [sys.executable, "-c", "import pyarrow, grpc"]
        with cluster(directory) as options:
            command = [MILLSTREAM, "run", *options, str(program)]
            seconds_of(command)
            seconds_of(imports)
            triples = [
                (seconds_of(imports), seconds_of(command), seconds_of([sys.executable, str(program)]))
                for _ in range(ROUNDS)
            ]
    other, mine, embedded = (statistics.median(side) for side in zip(*triples, strict=True))
    sys.stderr.write(
        f"startup: the embedded program takes {embedded:.2f} s, {embedded / other:.1f} times the imports\n"
    )
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Report(
        "startup",
        2,
        mine,
        "python -c 'import pyarrow, grpc'",
        other,
        other / mine,
        usage.ru_maxrss / 1_024,
        usage.ru_utime + usage.ru_stime,
        "s",
    )
