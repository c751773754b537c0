"""The loop: steps, timers, sockets and other threads, each in its time."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from millstream_taskmanager.worker.loop import WorkerLoop, steady_clock, wall_clock
from millstream_taskmanager.worker.threads import BlockingPool


@pytest.fixture
def loop() -> Iterator[WorkerLoop]:
    loop = WorkerLoop()
    yield loop
    loop.close()


class Busy:
    """Always runnable."""

    runnable = True
    background = False
    urgent = False

    def __init__(self, each: Callable[[], None]) -> None:
        self._each = each

    def step(self) -> None:
        self._each()


def test_a_busy_task_keeps_neither_sockets_nor_timers_nor_threads_waiting(loop: WorkerLoop) -> None:
    steps: list[int] = []
    heard: list[str] = []
    ours, theirs = socket.socketpair()

    def hear(what: str) -> None:
        heard.append(what)
        if len(heard) == 3:
            loop.stop()

    def read() -> None:
        theirs.recv(10)
        hear("socket")

    loop.poller.register(theirs, read)
    loop.scheduler.add(Busy(lambda: steps.append(1)), 0)
    loop.call_later(5, lambda: hear("timer"))

    def from_outside() -> None:
        ours.send(b"x")
        loop.call_from_thread(lambda: hear("thread"))

    other = threading.Thread(target=from_outside)
    other.start()
    loop.run()
    other.join()
    assert sorted(heard) == ["socket", "thread", "timer"]
    assert len(steps) > 100
    loop.poller.unregister(theirs)
    ours.close()
    theirs.close()


def test_it_sleeps_until_the_next_timer(loop: WorkerLoop) -> None:
    """Without a runnable task it turns once for each timer, and never before its time."""
    late: list[int] = []
    turns: list[int] = []
    start = wall_clock()
    loop.before_poll = lambda: turns.append(1)
    loop.call_at(start + 60, loop.stop)
    loop.call_at(start + 30, lambda: late.append(wall_clock() - start - 30))
    loop.run()
    assert late[0] >= 0
    assert len(turns) < 10


@pytest.mark.parametrize("step", [-3_600_000, 3_600_000])
def test_a_clock_that_is_set_changes_no_delay(step: int) -> None:
    """Neither held up for an hour nor over at once."""
    clock = [1_000_000_000]
    loop = WorkerLoop(lambda: clock[0])
    start = steady_clock()
    rung: list[int] = []
    loop.call_later(50, lambda: rung.append(steady_clock() - start))
    loop.call_later(60, loop.stop)
    clock[0] += step
    loop.run()
    loop.close()
    assert rung[0] >= 50


def test_a_clock_that_is_set_is_what_processing_time_goes_by() -> None:
    clock = [1_000_000_000]
    loop = WorkerLoop(lambda: clock[0])
    loop.call_at(1_000_000_000 + 3_600_000, loop.stop)
    loop.call_later(20, lambda: clock.__setitem__(0, 1_000_000_000 + 3_600_000))
    loop.run()
    loop.close()
    assert loop.delays.wait() is None


def test_connections_are_flushed_after_each_step(loop: WorkerLoop) -> None:
    told: list[str] = []
    left = [3]

    class Three(Busy):
        @property
        def runnable(self) -> bool:  # type: ignore[override]  # it changes here
            return left[0] > 0

    def step() -> None:
        left[0] -= 1
        told.append("step")
        if not left[0]:
            loop.stop()

    loop.between_steps = lambda: told.append("flush")
    loop.scheduler.add(Three(step), 0)
    loop.run()
    assert told == ["step", "flush"] * 3 + ["flush"]


def test_jobs_are_done_in_threads_and_told_in_the_loop(loop: WorkerLoop) -> None:
    pool = BlockingPool("test", 2, loop.call_from_thread)
    where: list[tuple[object, bool]] = []
    meeting = threading.Barrier(2, timeout=20)

    def told(result: object) -> None:
        where.append((str(result), threading.current_thread() is threading.main_thread()))
        if len(where) == 3:
            loop.stop()

    def fails() -> int:
        raise OSError("no room")

    for _ in range(2):  # each waits for the other, so there are two threads
        pool.submit(meeting.wait, lambda _result: told("met"))
    pool.submit(fails, told)
    loop.run()
    assert sorted(where, key=str) == [("met", True), ("met", True), ("no room", True)]


def test_no_thread_is_started_before_it_is_needed(loop: WorkerLoop) -> None:
    before = threading.active_count()
    pool = BlockingPool("test", 4, loop.call_from_thread)
    assert threading.active_count() == before
    for _ in range(3):  # one after the other
        pool.submit(lambda: 1, lambda _result: loop.stop())
        loop._stopped = False
        loop.run()
    assert threading.active_count() == before + 1


def test_a_socket_that_was_given_up_by_another_is_not_called(loop: WorkerLoop) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[int] = []

    def give_up(number: int) -> None:
        called.append(number)
        loop.poller.unregister(pairs[0][1])
        loop.poller.unregister(pairs[1][1])

    for number, (ours, theirs) in enumerate(pairs):
        ours.send(b"x")
        loop.poller.register(theirs, lambda number=number: give_up(number))  # type: ignore[misc]  # a default binds it
    loop.poller.poll(0)
    loop.poller.poll(0)
    assert len(called) == 1
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_write_readiness_is_told_while_it_is_wanted(loop: WorkerLoop) -> None:
    ours, theirs = socket.socketpair()
    called: list[int] = []
    loop.poller.register(ours, lambda: called.append(0))
    loop.poller.want_write(ours, lambda: called.append(1))
    loop.poller.poll(0)
    loop.poller.want_write(ours, None)
    loop.poller.poll(0)
    assert called == [1]
    loop.poller.unregister(ours)
    ours.close()
    theirs.close()
