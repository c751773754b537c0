"""A worker that takes long to restore and to open isn't lost, whichever end of a connection it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from millstream_dataflow.records import RowBatch
from millstream_taskmanager.exchange.countdown import Countdown
from millstream_taskmanager.exchange.gate import Gate
from tests.support.wire import WireWorker, deployment, drain, impatient, values, worker
from tests.unit.taskmanager.exchange.wires import SteppedLoop

LONG = 1_000  # milliseconds, more than twice what `impatient` allows


@pytest.fixture
def loops() -> Iterator[tuple[SteppedLoop, SteppedLoop]]:
    """Of two workers: one may stand still while the other turns."""
    loops = SteppedLoop(), SteppedLoop()
    yield loops
    for loop in loops:
        loop.close()


@pytest.fixture
def pair(loops: tuple[SteppedLoop, SteppedLoop], tmp_path: Path) -> tuple[WireWorker, WireWorker]:
    region = deployment(tmp_path)
    one, other = (WireWorker(loop, region, ordinal, impatient()) for ordinal, loop in enumerate(loops))
    return one, other


def turn_for(milliseconds: int, loop: SteppedLoop) -> None:
    for _ in range(milliseconds):
        loop.turn()


def until(gate: Gate, loops: tuple[SteppedLoop, SteppedLoop]) -> None:
    """Something has come."""

    def came() -> bool:
        loops[0].turn()
        return gate.ready

    loops[1].until(came)


def test_a_peer_that_listens_and_does_not_look_yet_is_waited_for(
    loops: tuple[SteppedLoop, SteppedLoop], pair: tuple[WireWorker, WireWorker]
) -> None:
    one, other = pair
    out = one.writer(worker(1))
    other.peers.listen(other.socket_path)
    one.begin()
    out.add(RowBatch([1]), 1, 0)
    out.flush(more=False)
    turn_for(LONG, loops[0])  # the other restores
    gate = other.gate(worker(0))
    other.peers.start()
    until(gate, loops)
    assert (values(drain(gate)), one.losses, other.losses) == ([1], [], [])


def test_a_peer_that_has_begun_and_does_not_connect_yet_is_waited_for(
    loops: tuple[SteppedLoop, SteppedLoop], pair: tuple[WireWorker, WireWorker]
) -> None:
    one, other = pair
    gate = other.gate(worker(0))
    one.peers.listen(one.socket_path)
    other.begin()
    turn_for(LONG, loops[1])  # the first restores
    out = one.writer(worker(1))
    one.peers.start()
    out.add(RowBatch([1]), 1, 0)
    out.flush(more=False)
    until(gate, loops)
    assert (values(drain(gate)), one.losses, other.losses) == ([1], [], [])


@pytest.mark.parametrize("busy", [0, 1])
def test_a_worker_that_stands_still_in_the_middle_of_a_handshake_gets_its_connection(
    loops: tuple[SteppedLoop, SteppedLoop], pair: tuple[WireWorker, WireWorker], busy: int
) -> None:
    one, other = pair
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    other.begin()
    one.begin()
    out.add(RowBatch([1]), 1, 0)
    out.flush(more=False)
    turn_for(LONG, loops[1 - busy])  # an operator of the busy one loads a model
    until(gate, loops)
    assert (values(drain(gate)), one.losses, other.losses) == ([1], [], [])


def test_what_came_while_the_loop_stood_still_was_in_time(
    loops: tuple[SteppedLoop, SteppedLoop], tmp_path: Path
) -> None:
    """The handshake was there long before its time was over: nobody had looked."""
    region = deployment(tmp_path)
    settings = replace(impatient(), deploy_timeout=10_000)
    one, other = (WireWorker(loop, region, ordinal, settings) for ordinal, loop in enumerate(loops))
    one.writer(worker(1))
    other.gate(worker(0))
    other.begin()
    one.begin()
    loops[1].until(lambda: other.peers._greetings)  # accepted
    [greeting] = other.peers._greetings
    loops[1].now += 500  # it stands still
    loops[1].delays.run()
    assert not greeting._over


def test_a_countdown_counts_what_it_has_seen_pass() -> None:
    calls: list[tuple[int, object]] = []
    over: list[int] = []
    counts = True

    class Call:
        def cancel(self) -> None:
            calls.clear()

    def call_later(delay: int, action: object) -> Call:
        calls.append((delay, action))
        return Call()

    def tick() -> int:
        delay, action = calls.pop(0)
        assert callable(action)
        action()
        return delay

    countdown = Countdown(250, call_later, lambda: over.append(1), lambda: counts)
    assert tick() == 100
    counts = False
    assert [tick(), tick(), tick()] == [100, 100, 100]
    counts = True
    assert ([tick()], over) == ([100], [])
    assert (tick(), over, calls) == (50, [1], [])
    countdown.cancel()
