"""Who does what a job gives to do: shows its progress, writes what its tasks print.

The threads that listen to the cluster hear of it. A program expects it in its own thread, the one that waits for the
job: there a notebook's cell and pytest's capture find what is printed. While nobody waits, whoever heard it does it.
"""

import asyncio
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Final, TypeVar

from millstream.execution.user_view import WITHOUT_OUR_FRAMES
from millstream.submission.brief import ENDS, OutputLostError, brief_ends

T = TypeVar("T")
Action = Callable[[], object]

_MOST_WAITING: Final = 1000
"""Actions; then the listening threads wait, and so at last do the tasks that print: nothing piles up."""


class WaitingRoom:
    """Actions of one job, carried out in the order in which they came."""

    def __init__(self) -> None:
        # Reentrant, for an action may make the job say something (a cancel).
        self._changed = threading.Condition(threading.RLock())
        self._actions = deque[Action]()
        self._waiting = 0

    def say(self, action: Action) -> None:
        """Have it done by a thread that waits, else here and now; an action's errors belong to the former alone."""
        with self._changed:
            while self._waiting and len(self._actions) >= _MOST_WAITING:
                self._changed.wait()
            self._actions.append(action)
            if self._waiting:
                self._changed.notify_all()
                return
            with suppress(OSError, OutputLostError, ValueError):  # the program has closed its stdout
                while self._actions:  # Ctrl-C may have ended a waiting with some left
                    self._actions.popleft()()

    def wake(self) -> None:
        """What somebody waits for may be there."""
        with self._changed:
            self._changed.notify_all()

    def serve(self, done: Callable[[], bool], timeout: float | None = None) -> None:
        """Carry out what is said until it is done and nothing is left to do, or the time is over."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._waiting += 1
        try:
            while self._await(done, deadline):
                self._run()
        finally:
            with self._changed:
                self._waiting -= 1
                self._changed.notify_all()

    def _await(self, done: Callable[[], bool], deadline: float | None) -> bool:
        """Until there is an action; False when there will be none."""
        with self._changed:
            while not self._actions:
                left = None if deadline is None else deadline - time.monotonic()
                if done() or (left is not None and left <= 0):
                    return False
                self._changed.wait(left)
            return True

    def _run(self) -> None:
        with self._changed:
            action = self._actions.popleft() if self._actions else None
            self._changed.notify_all()
        if action is not None:
            action()


class AwaitedFuture(Future[T]):
    """A future whose `result` and `exception` carry out what the job gives to do while they wait."""

    def __init__(self, room: WaitingRoom, interrupted: Callable[[BaseException], object]) -> None:
        """`interrupted` is called with what ends the waiting (see `ENDS`), before that goes on."""
        super().__init__()
        self._room = room
        self._interrupted = interrupted
        self._trace: TracebackType | None = None
        self.add_done_callback(lambda _: room.wake())

    def result(self, timeout: float | None = None) -> T:
        """See Future."""
        with WITHOUT_OUR_FRAMES:
            self._wait(timeout)
            if (error := super().exception(0)) is not None:
                error.__traceback__ = self._trace  # without the lines of who has asked before
            return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """See Future."""
        self._wait(timeout)
        return super().exception(0)

    def set_exception(self, exception: BaseException | None) -> None:
        """See Future."""
        self._trace = None if exception is None else exception.__traceback__
        super().set_exception(exception)

    def _wait(self, timeout: float | None) -> None:
        with _ctrl_c_raises(), brief_ends():
            try:
                self._room.serve(self.done, timeout)
            except ENDS as end:
                self._interrupted(end)
                raise


@contextmanager
def _ctrl_c_raises() -> Generator[None]:
    """`asyncio.run` keeps the first Ctrl-C for its loop, and the loop stands still while a program waits inside it."""
    former = signal.getsignal(signal.SIGINT)
    if former is None or threading.current_thread() is not threading.main_thread() or not _in_a_loop():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def in_thread(work: Callable[[], T], name: str, future: Future[T] | None = None) -> Future[T]:
    """The result of some work, done by a thread of its own.

    A daemon: a program that doesn't wait for its job ends without it, where Python would join any other thread first.
    """
    promise = Future[T]() if future is None else future

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  # it belongs to whoever asks for the result
            promise.set_exception(error)
        else:
            promise.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return promise
