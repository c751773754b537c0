"""Code that blocks, in virtual time.

The product's job store blocks in a thread. Here it has a stack of its own, which is all that it needs of one: who
waits hands control back to the world, which goes on until the awaited has come. So between any two steps of a write
others can act, and the order of everything is the seed's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from tests.simulation.process import Process


class EndedError(BaseException):
    """The process of a thread is dead; nothing in it catches this."""


class Blocking(Protocol):
    """What code that blocks may do."""

    def pause(self, time: int) -> None:
        """Virtual milliseconds pass."""
        ...

    def wait(self, future: Future[Any], timeout: int) -> None:
        """Until it is done, or so many milliseconds have passed."""
        ...


class AtOnce:
    """No time passes, and who isn't answered at once isn't answered: for most calls, since a fibre is costly."""

    def pause(self, time: int) -> None:
        """No time passes."""

    def wait(self, future: Future[Any], timeout: int) -> None:
        """It is done, or not."""


class Fibre:
    """One call that blocks, of one process."""

    _current: Blocking | None = None

    def __init__(self, process: Process, call: Callable[[], None]) -> None:
        self._process = process
        self._call = call
        self._stack = greenlet(self._run)
        self._ended = False
        self._waits = 0
        process.fibres.append(self)

    @classmethod
    def current(cls) -> Blocking:
        """The one that runs now."""
        assert cls._current is not None, "only what runs in a thread may wait"
        return cls._current

    @classmethod
    def at_once(cls, call: Callable[[], None]) -> None:
        """Instead of a thread."""
        former, Fibre._current = Fibre._current, AtOnce()
        try:
            call()
        finally:
            Fibre._current = former

    # ------------------------------------------------------------ from the world

    def go_on(self) -> None:
        """Until it waits, or ends."""
        former, Fibre._current = Fibre._current, self
        loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)  # a thread has none
        self._stack.parent = getcurrent()
        self._stack.switch()
        asyncio._set_running_loop(loop)
        Fibre._current = former

    def end(self) -> None:
        """Its process is dead."""
        if not self._ended:
            self._ended = True
            if Fibre._current is not self:
                self.go_on()

    def _run(self) -> None:
        try:
            if not self._ended:
                self._call()
        except EndedError:
            pass
        except Exception as error:  # noqa: BLE001  # any error ends the run and is raised at its end
            self._process.world.fail(error)
        self._ended = True
        self._process.fibres.remove(self)

    # ------------------------------------------------------------ from inside

    def _sleep(self) -> None:
        if not self._ended:
            parent = self._stack.parent
            assert parent is not None, "whoever let it go on"
            parent.switch()
        if self._ended:
            raise EndedError

    def _wake(self, wait: int, _: Future[Any] | None = None) -> None:
        """What it waited for has come; what came second means nothing."""
        if wait == self._waits and not self._ended:
            self._process.do(partial(self._resume, wait))

    def _resume(self, wait: int) -> None:
        if wait == self._waits and not self._ended:
            self._waits += 1
            self.go_on()

    def pause(self, time: int) -> None:
        """Virtual milliseconds pass."""
        world = self._process.world
        world.at(world.now + time, partial(self._wake, self._waits))
        self._sleep()

    def wait(self, future: Future[Any], timeout: int) -> None:
        """Until it is done, or so many milliseconds have passed."""
        world = self._process.world
        future.add_done_callback(partial(self._wake, self._waits))
        world.at(world.now + timeout, partial(self._wake, self._waits))
        self._sleep()
