"""Our side of a round: one job on a real cluster of two worker processes, checkpoints every second."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measuring import Seen, seen
from millstream import StreamExecutionEnvironment

PARALLELISM = 2

Build = Callable[[StreamExecutionEnvironment, str], None]
"""Writes a program down; the text is the directory of its `ReadySource` and `CountingSink`."""


def run_job(build: Build) -> Seen:
    """The embedded cluster stays up between rounds, so a round is a job and not a start."""
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark-") as directory:
        env = StreamExecutionEnvironment.get_execution_environment(
            {"parallelism.default": PARALLELISM, "execution.checkpointing.interval": "1 s"}
        )
        build(env, directory)
        env.execute("benchmark")
        return seen(Path(directory))
