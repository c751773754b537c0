"""Coroutines in the thread that turns the tasks."""

import asyncio
import contextlib
import contextvars
import io
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from millstream_taskmanager.worker.coroutines import Coroutines, CoroutinesOfTask
from millstream_taskmanager.worker.loop import WorkerLoop, steady_clock
from tests.support.services import Service

Told = list[tuple[Any, BaseException | None]]


@pytest.fixture
def coroutines() -> Iterator[Coroutines]:
    coroutines = Coroutines()
    yield coroutines
    coroutines.close()


def turned(coroutines: Coroutines, done: Callable[[], object]) -> None:
    """Let them go on until something is so."""
    for _ in range(1_000):
        if done():
            return
        coroutines.turn(0.01)
    raise AssertionError("it never comes to that")


async def twice(value: int) -> int:
    await asyncio.sleep(0)
    return value * 2


async def fails(value: object) -> None:
    await asyncio.sleep(0)
    raise ConnectionError(value)


async def forever(_value: object) -> None:
    await asyncio.Event().wait()


def test_there_is_none_until_it_is_asked_for(coroutines: Coroutines) -> None:
    coroutines.turn(None)
    assert not coroutines.active


def test_results_and_errors_are_told_outside_of_asyncio(coroutines: Coroutines) -> None:
    told: Told = []

    def then(result: object, error: BaseException | None) -> None:
        told.append((result, error))
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        assert not coroutines.within

    own = CoroutinesOfTask(coroutines)
    own.start(twice, 4, then)
    own.start(fails, "refused", then)
    turned(coroutines, lambda: len(told) == 2)
    assert told[0] == (8, None)
    assert repr(told[1][1]) == "ConnectionError('refused')"
    assert not coroutines.alive


def test_what_libraries_use_is_there(coroutines: Coroutines) -> None:
    async def all_of_it(value: int) -> list[object]:
        async with asyncio.timeout(10):
            in_thread = await asyncio.to_thread(threading.get_ident)
        both = await asyncio.gather(twice(value), asyncio.create_task(twice(value)))
        return [in_thread != threading.get_ident(), both]

    assert CoroutinesOfTask(coroutines).run(all_of_it, 1) == [True, [2, 2]]


def test_to_run_one_lets_the_others_go_on(coroutines: Coroutines) -> None:
    told: Told = []
    own = CoroutinesOfTask(coroutines)
    own.start(twice, 1, lambda *outcome: told.append(outcome))

    async def slower(value: int) -> int:
        for _ in range(5):
            await asyncio.sleep(0)
        return value

    assert own.run(slower, 7) == 7
    assert told == [], "it is told between steps, and this was within one"
    assert coroutines.pending
    coroutines.turn(None)
    assert told == [(2, None)]
    with pytest.raises(ConnectionError):
        own.run(fails, 1)


def test_one_that_was_cancelled_tells_nobody(coroutines: Coroutines) -> None:
    told: Told = []
    service = Service()
    own = CoroutinesOfTask(coroutines)
    begun = own.start(service, 1, lambda *outcome: told.append(outcome))
    turned(coroutines, lambda: service.asked)
    never_begun = own.start(service, 2, lambda *outcome: told.append(outcome))
    begun.cancel()
    never_begun.cancel()
    own.settle()
    assert not coroutines.alive
    coroutines.turn(0)
    assert (told, service.asked, service.cancelled) == ([], [1], [1])


def test_one_that_ends_all_the_same_tells_nobody_either(coroutines: Coroutines) -> None:
    told: Told = []
    own = CoroutinesOfTask(coroutines)
    running = own.start(twice, 1, lambda *outcome: told.append(outcome))
    while coroutines.alive:
        coroutines.loop._turn()
    running.cancel()
    coroutines.turn(0)
    assert told == []


def test_close_cancels_what_they_have_started(coroutines: Coroutines) -> None:
    ended: list[str] = []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("background")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append("generator")

    kept: list[object] = []

    async def start(_value: object) -> int:
        kept.append(asyncio.create_task(background()))
        kept.append(items := numbers())
        await asyncio.sleep(0)
        return await anext(items)

    assert CoroutinesOfTask(coroutines).run(start, 0) == 1
    CoroutinesOfTask(coroutines).start(forever, 0, lambda *_: None)
    coroutines.turn(0)
    coroutines.close()
    assert sorted(ended) == ["background", "generator"]
    assert not coroutines.active
    coroutines.close()


def test_context_variables_are_a_tasks_own(coroutines: Coroutines) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

    async def change(value: str) -> str:
        before = name.get()
        name.set(value)
        return before

    context = contextvars.copy_context()
    context.run(name.set, "task")
    own = CoroutinesOfTask(coroutines, context)
    assert [own.run(change, "changed"), own.run(change, "again")] == ["task", "task"]
    assert name.get() == "nobody"


async def test_under_a_running_loop(coroutines: Coroutines) -> None:
    """Law 12.2: the loop around stands, and has its task again afterwards."""
    around = asyncio.get_running_loop(), asyncio.current_task()

    async def inner(value: int) -> tuple[int, bool]:
        assert asyncio.current_task() is not around[1]
        return await twice(value), asyncio.get_running_loop() is around[0]

    assert CoroutinesOfTask(coroutines).run(inner, 2) == (4, False)
    assert (asyncio.get_running_loop(), asyncio.current_task()) == around
    assert await twice(3) == 6


# ---------------------------------------------------------------------------------------------- in a worker's loop


@pytest.fixture
def loop() -> Iterator[WorkerLoop]:
    loop = WorkerLoop()
    yield loop
    loop.close()


class Busy:
    """A task that always has something to do."""

    runnable, background, urgent = True, False, False

    def __init__(self) -> None:
        self.steps = 0

    def step(self) -> None:
        self.steps += 1


def test_a_worker_that_has_none_waits_by_itself(loop: WorkerLoop) -> None:
    loop.call_later(1, loop.stop)
    loop.run()
    assert not loop.coroutines.active


def test_an_idle_worker_wakes_when_one_has_ended(loop: WorkerLoop) -> None:
    told: Told = []

    async def nap(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "awake"

    def then(result: object, error: BaseException | None) -> None:
        told.append((result, error))
        loop.stop()

    start = steady_clock()
    CoroutinesOfTask(loop.coroutines).start(nap, 0.03, then)
    loop.call_later(20_000, loop.stop)
    loop.run()
    assert told == [("awake", None)]
    assert 29 <= steady_clock() - start < 10_000


def test_coroutines_go_on_beside_busy_tasks(loop: WorkerLoop) -> None:
    busy = Busy()
    loop.scheduler.add(busy, 0)

    async def hops(count: int) -> int:
        for _ in range(count):
            await asyncio.sleep(0)
        return count

    CoroutinesOfTask(loop.coroutines).start(hops, 50, lambda *_: loop.stop())
    loop.run()
    assert busy.steps > 10


def test_sockets_timers_and_calls_are_served_while_asyncio_waits(loop: WorkerLoop) -> None:
    ours, theirs = socket.socketpair()
    served: list[str] = []

    def readable() -> None:
        theirs.recv(10)
        served.append("socket")
        loop.call_from_thread(called)

    def called() -> None:
        served.append("call")
        loop.call_later(1, timer)

    def timer() -> None:
        served.append("timer")
        loop.stop()

    CoroutinesOfTask(loop.coroutines).start(forever, 0, lambda *_: None)
    loop.coroutines.turn(0)
    loop.poller.register(theirs, readable)
    threading.Timer(0.02, ours.send, [b"x"]).start()
    loop.run()
    assert served == ["socket", "call", "timer"]
    loop.poller.unregister(theirs)
    ours.close()
    theirs.close()


def test_to_run_one_doesnt_spin_while_a_socket_is_ready(loop: WorkerLoop) -> None:
    ours, theirs = socket.socketpair()
    ours.send(b"x")
    loop.poller.register(theirs, lambda: None)
    turns = [0]

    async def nap(seconds: float) -> None:
        await asyncio.sleep(seconds)

    own = CoroutinesOfTask(loop.coroutines)
    own.run(nap, 0)
    whole = loop.coroutines.loop._turn

    def counted() -> None:
        turns[0] += 1
        whole()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.coroutines.loop, "_turn", counted)
        own.run(nap, 0.05)
    assert turns[0] < 5
    loop.poller.unregister(theirs)
    ours.close()
    theirs.close()


def test_a_background_task_that_fails_is_told_by_asyncio(coroutines: Coroutines) -> None:
    async def start(_value: object) -> None:
        asyncio.create_task(fails("nobody awaits it"))  # noqa: RUF006  # nobody keeps it, which is what is tested
        for _ in range(4):
            await asyncio.sleep(0)

    with contextlib.redirect_stderr(io.StringIO()):
        CoroutinesOfTask(coroutines).run(start, 0)
    assert not coroutines.alive
