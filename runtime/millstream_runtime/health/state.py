"""What is asked of a process, and under which names."""

from typing import Final, Protocol

LIVENESS: Final = "liveness"
READINESS: Final = "readiness"


class HealthState(Protocol):
    """Who knows. Asked in the event loop, at every question: so an answer at all says that the loop runs."""

    def live(self) -> str | None:
        """None; or, in a word, why the process should be killed and started again."""
        ...

    def ready(self) -> str | None:
        """None; or, in a word, why nothing should be sent to it now."""
        ...


def trouble(state: HealthState, question: str) -> str | None:
    """Why the answer is no. What isn't live isn't ready."""
    return state.live() or (None if question == LIVENESS else state.ready())
