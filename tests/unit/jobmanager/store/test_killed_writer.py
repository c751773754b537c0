"""SIGKILL at any moment leaves the state before a write or the one after it, never a mixture (laws 1.2, 2.1, 4.3)."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from millstream_dataflow.identity import Epoch
from millstream_jobmanager.store import LocalJobStore
from millstream_runtime.checkpoint_files import highest_epoch, latest_checkpoints, verify_checkpoint
from tests.unit.jobmanager.store.samples import JOB, digest, found, record

SEED = 81_723


@pytest.fixture
def kill_writer(tmp_path: Path) -> Iterator[Callable[[int, int], int]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "tests.unit.jobmanager.store.killed_writer", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        stdin, stdout = writer.stdin, writer.stdout

        def kill(count: int, microseconds: int) -> int:
            stdin.write(f"{count} {microseconds}\n")
            stdin.flush()
            return int(stdout.readline())

        yield kill
        stdin.close()
        assert writer.wait() == 0


def test_what_was_done_before_the_kill_is_there_after_it(
    tmp_path: Path, kill_writer: Callable[[int, int], int]
) -> None:
    rounds = hypothesis.settings().max_examples
    chance = random.Random(SEED)
    last = epoch = 0
    for _ in range(rounds):
        done = kill_writer(chance.randrange(3), chance.randrange(15_000))
        assert done >= 0, "the writer ended by itself: a put was not done"
        store = LocalJobStore(tmp_path / "store")
        taken = store.open(Epoch(0))
        assert taken > epoch
        epoch = taken
        records = store.recover()
        version = records[0].version if records else 0
        assert max(done, last) <= version <= max(done, last) + 1
        assert records == ([record(version)] if version else [])
        for number in range(1, version + 1):
            assert found(store, digest(b"%d" % number * 1_000)) == b"%d" % number * 1_000
        store.close()
        points = latest_checkpoints(str(tmp_path / "checkpoints"), JOB)
        assert len(points) >= version
        for path_of_checkpoint in points[:5]:
            verify_checkpoint(path_of_checkpoint)
        assert highest_epoch(str(tmp_path / "checkpoints")) < epoch
        last = version
    assert last >= rounds // 2, "it was killed before it wrote"
