"""The base of every function class."""

from abc import ABC
from collections.abc import Awaitable

from millstream_dataflow.functions.context import RuntimeContext


class Function(ABC):  # noqa: B024  # it has nothing that a function must override
    """A function with a life: made by the user, pickled to each subtask, opened there, closed at the end.

    What can't be pickled (connections, files, models) and what is state belongs into `open`. Both methods may be
    `async def`.
    """

    def open(self, runtime_context: RuntimeContext) -> Awaitable[None] | None:  # noqa: B027  # most functions need neither
        """Called once in each subtask, before the first record."""

    def close(self) -> Awaitable[None] | None:  # noqa: B027  # as above
        """Called once in each subtask after the last record, and when the task ends by an error or is cancelled."""
