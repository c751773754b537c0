"""Data connections between processes: one is killed, frozen, slow."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Barrier, End, RowBatch, Watermark
from millstream_taskmanager.exchange.credits import NO_LIMIT
from millstream_taskmanager.exchange.gate import Gate
from tests.support.wire import WireLoop, WireWorker, deployment, drain, values, worker

ROOT = Path(__file__).parents[4]
Start = Callable[[int, str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker in a process of its own."""
    children: list[subprocess.Popen[bytes]] = []

    def start(ordinal: int, role: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.support.wire_child", str(tmp_path), str(ordinal), role]
        children.append(subprocess.Popen(command, cwd=ROOT))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()


def take(gate: Gate, loop: WireLoop, count: int) -> int:
    """Take so many records at least; each is as it was sent."""
    taken = 0

    def enough() -> bool:
        nonlocal taken
        for key, number, third in values(drain(gate)):
            assert (key, third) == ("key", number / 3)
            taken += 1
        return taken >= count

    loop.until(enough)
    return taken


def test_a_writer_that_is_killed_in_the_middle_is_a_loss(loop: WireLoop, start: Start, tmp_path: Path) -> None:
    me = WireWorker(loop, deployment(tmp_path), 1)
    gate = me.gate(worker(0))
    me.begin()
    child = start(0, "flood")
    take(gate, loop, 50_000)
    child.kill()
    while not me.losses:
        drain(gate)
        loop.turn()
    [loss] = me.losses
    assert loss.worker == worker(0)
    assert "closed the connection" in loss.reason or "reset" in loss.reason


def test_a_reader_that_is_killed_is_a_loss_while_the_writer_has_no_credit(
    loop: WireLoop, start: Start, tmp_path: Path
) -> None:
    me = WireWorker(loop, deployment(tmp_path), 0)
    out = me.writer(worker(1))
    me.begin()
    child = start(1, "sleep")
    batch = RowBatch(["x" * 1_000] * 10)
    link = me.peers._links[worker(1)]
    loop.until(lambda: not link.waits)
    while out.writable:
        out.add(batch, 10_000, 0)
        out.flush(more=True)
    loop.turn()
    child.kill()
    loop.until(lambda: me.losses)
    assert me.losses[0].worker == worker(1)


def test_a_peer_that_is_busy_for_long_costs_no_memory_and_is_no_loss(
    loop: WireLoop, start: Start, tmp_path: Path
) -> None:
    """A frozen process takes nothing from its socket, as one whose user code sleeps: more than the kernel's buffers is
    under way, watermarks go on, and nothing is lost.
    """
    me = WireWorker(loop, deployment(tmp_path), 0)
    out = me.writer(worker(1), window=4 << 20)
    me.begin()
    link = me.peers._links[worker(1)]
    child = start(1, "take")
    loop.until(lambda: out.turn == NO_LIMIT)
    os.kill(child.pid, signal.SIGSTOP)
    rows = 0
    until = time.monotonic() + 1
    while time.monotonic() < until:
        if out.writable:
            out.add(RowBatch([("key", rows, "x" * 10_000)] * 10), 100_000, 0)
            out.flush(more=True)
            rows += 10
        else:
            out.add_control(Watermark(rows), 0)
            rows += 1
            out.flush(more=True)
        loop.turn(0)
    held = sum(map(len, link._outbox._buffers))
    assert 1 << 20 < held < 4 << 20, "what the kernel hasn't taken of the window, and no watermark but one"
    assert me.losses == []
    os.kill(child.pid, signal.SIGCONT)
    loop.until(lambda: out.writable)
    out.add_control(Barrier(CheckpointId(1)), 0)
    out.add_control(End(), 0)
    loop.until(lambda: child.poll() is not None)
    assert (child.returncode, me.losses) == (0, [])
