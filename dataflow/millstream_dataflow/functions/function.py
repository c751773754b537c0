"""The base of every function class."""

from abc import ABC
from collections.abc import Awaitable
from typing import Final

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.functions.context import RuntimeContext

_CONTEXT: Final = "__runtime_context__"


class Function(ABC):  # noqa: B024  # it has nothing that a function must override
    """A function with a life: made by the user, pickled to each subtask, opened there, closed at the end.

    What can't be pickled (connections, files, models) and what is state belongs into `open`. Both methods may be
    `async def`.
    """

    def get_runtime_context(self) -> RuntimeContext:
        """What `open` was given, from then on (Flink's rich functions have it; PyFlink's don't). InvalidProgramError
        before that: while the program is written, in `__init__` say, there is no subtask, and no state.
        """
        context = getattr(self, _CONTEXT, None)
        if not isinstance(context, RuntimeContext):
            what = f"{type(self).__qualname__} asked for its runtime context before it was opened"
            raise InvalidProgramError(f"{what}; ask in open(), which is called in each subtask before the first record")
        return context

    def open(self, runtime_context: RuntimeContext) -> Awaitable[None] | None:  # noqa: B027  # most functions need neither
        """Called once in each subtask, before the first record."""

    def close(self) -> Awaitable[None] | None:  # noqa: B027  # as above
        """Called once in each subtask after the last record, and when the task ends by an error or is cancelled."""


def give_context(function: Function, context: RuntimeContext) -> None:
    """Let a function have its runtime context, right before it is opened."""
    object.__setattr__(function, _CONTEXT, context)  # a function may be a frozen dataclass
