"""What operators and their surroundings say to each other where something is waited for: an answer, or a time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Rest:
    """Yielded among an operator's outputs: nothing more can come before something has happened outside. The task is at
    nothing else meanwhile, so it is for ends alone, and for what would grow without bounds. Whoever lets it happen
    wakes the task.
    """

    over: Callable[[], bool]


class Cancellable(Protocol):
    """A call that was asked for, or a coroutine."""

    def cancel(self) -> None:
        """Nobody wants it any more."""
        ...


class DelayClock(Protocol):
    """A clock that nobody sets, in milliseconds since whenever."""

    def now(self) -> int:
        """The time."""
        ...

    def call_at(self, time: int, action: Callable[[], None]) -> Cancellable:
        """Call at that time or soon after, between steps."""
        ...


Then = Callable[[Any, BaseException | None], None]
"""Takes what a coroutine has returned, or what it has raised."""


class TaskCoroutines(Protocol):
    """Where coroutines of a task's functions run: an asyncio loop in the task's own thread, turned between steps."""

    def start(self, function: Callable[..., Awaitable[Any]], argument: object, then: Then) -> Cancellable:
        """Call and await it; `then` is called between steps. One that was cancelled calls nobody."""
        ...

    def run(self, function: Callable[..., Awaitable[Any]], *arguments: object) -> Any:  # noqa: ANN401  # whatever it returns
        """Call it, and await it before anything else is done. Others that were started go on meanwhile."""
        ...

    def settle(self) -> None:
        """Give those of the task that were cancelled the time to end."""
        ...

    @property
    def within(self) -> bool:
        """Whether a coroutine is at work at this moment, so that the caller may await."""
        ...
