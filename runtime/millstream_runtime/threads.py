"""Threads for calls that may never come back: a mount whose server is gone, a storage that doesn't answer.

Nothing of theirs holds up the end of the process. Those of `concurrent.futures.ThreadPoolExecutor` would: the
interpreter joins them before it ends, however long that takes.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_Calls = SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
"""None is the end."""


class Threads(Executor):
    """A few, started when they are first needed. Calls are begun in the order in which they come."""

    def __init__(self, size: int, name: str) -> None:
        self.name = name
        self._size = size
        self._calls = _Calls()
        self._threads: list[threading.Thread] = []
        self._closed = False

    @property
    def waiting(self) -> int:
        """Calls that no thread has begun."""
        return self._calls.qsize()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See Executor. RuntimeError once it is closed."""
        if self._closed:
            raise RuntimeError(f"the threads {self.name} take no more calls")
        return self._put(partial(fn, *args, **kwargs))

    def close(self, timeout: float, last: Callable[[], None] | None = None) -> bool:
        """Drop what waits, wait for what runs, and make one last call behind it. False when that takes longer than
        `timeout` seconds; what hangs is left alone then. Raises what `last` raises.
        """
        self._closed = True
        with contextlib.suppress(Empty):
            while (item := self._calls.get_nowait()) is not None:
                item[0].cancel()
        ending = None if last is None else self._put(last)
        self._calls.put(None)
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            return False
        if ending is not None:
            ending.result()
        return True

    def _put(self, call: Callable[[], T]) -> Future[T]:
        future = Future[T]()
        self._calls.put((future, call))
        if len(self._threads) < self._size:
            name = f"{self.name}-{len(self._threads)}"
            thread = threading.Thread(target=_work, args=(self._calls,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return future


def _work(calls: _Calls) -> None:
    while _do_next(calls):  # in a function of its own, so that nothing of a call is kept while there is no other
        pass


def _do_next(calls: _Calls) -> bool:
    item = calls.get()
    if item is None:
        calls.put(None)  # for the other threads
        return False
    _do(*item)
    return True


def _do(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001  # whoever waits gets it
        future.set_exception(error)
        del future, call  # or the error would hold this frame, which holds the error
    else:
        future.set_result(result)
