"""What may block is done in threads, started when they are first needed; what comes of it is told in the loop.

A worker has one pool of a few threads for durability. For commits and looks for splits each task has a pool of one
thread: it asks for one at a time, and one that hangs holds up no other task. What its readers fetch has a few threads
more. A second thread in a worker makes its columnar work slower as long as it runs Python, so jobs of durability and
those of the file reader are little more than system calls and unpacking (ARCHITECTURE 7).
"""

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from millstream_taskmanager.user_code.errors import user_error
from millstream_taskmanager.user_code.forks import leave_if_forked

T = TypeVar("T")

CallInLoop = Callable[[Callable[[], None]], None]
"""Calls a function in the loop's thread, from whichever thread it is called itself."""


class BlockingPool:
    """Jobs are begun in the order in which they come."""

    def __init__(self, name: str, size: int, call_in_loop: CallInLoop) -> None:
        self._name = name
        self._size = size
        self._call_in_loop = call_in_loop
        self._jobs = queue.SimpleQueue[Callable[[], None]]()
        self._threads = 0
        self._under_way = 0

    def submit(self, job: Callable[[], T], then: Callable[[T | Exception], None]) -> None:
        """Do the job in a thread, then tell in the loop what it gave or raised."""
        self._under_way += 1
        if self._under_way > self._threads < self._size:
            self._start_thread()
        self._jobs.put(lambda: self._run(job, then))

    def _start_thread(self) -> None:
        # A daemon, since nothing may hold up a worker that leaves, a hanging disk least of all.
        threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
        self._threads += 1

    def _work(self) -> None:
        while True:
            self._jobs.get()()

    def _run(self, job: Callable[[], T], then: Callable[[T | Exception], None]) -> None:
        result: T | Exception
        try:
            result = job()
            leave_if_forked()
        except BaseException as error:  # noqa: BLE001  # connectors raise what they like
            result = user_error(error, "")

        def tell() -> None:
            self._under_way -= 1
            then(result)

        self._call_in_loop(tell)
