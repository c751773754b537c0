"""A service that answers when a test says so, for functions that wait; in a module that travels by reference."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Service:
    """Whoever calls it waits until he is answered."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        """By which records, each time."""
        self.cancelled: list[Any] = []
        self._open = deque[tuple[Any, asyncio.Future[Any]]]()

    async def __call__(self, value: Any) -> Any:  # noqa: ANN401  # any record and any answer
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked.append(value)
        self._open.append((value, future))
        try:
            return await future
        except asyncio.CancelledError:
            self.cancelled.append(value)
            raise

    @property
    def waiting(self) -> list[Any]:
        """The records that wait for an answer."""
        return [value for value, future in self._open if not future.done()]

    def answer(self, value: object, result: object) -> None:
        """The first that waits for this record's answer; an exception is raised."""
        future = next(future for asked, future in self._open if asked == value and not future.done())
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)

    def answer_all(self, answer: Callable[[Any], Any] = lambda value: value) -> None:
        """Everybody who waits."""
        for value, future in self._open:
            if not future.done():
                future.set_result(answer(value))
        self._open.clear()

    def forget(self) -> None:
        """As before the first call."""
        self.__init__()  # type: ignore[misc]  # it has nothing else


SERVICE = Service()
"""That of functions that were pickled."""


async def asked(value: Any) -> Any:  # noqa: ANN401  # as above
    """What the service answers."""
    return await SERVICE(value)
