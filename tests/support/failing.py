"""A record whose class raises when it is pickled or copied, and what follows from each kind of exception."""

import pickle
from typing import Any, Final, NoReturn

from millstream_dataflow.errors import NonRecoverableError

RETRIED: Final[tuple[type[Exception], ...]] = (OSError, MemoryError, ConnectionError, ValueError, RuntimeError)
FINAL: Final[tuple[type[Exception], ...]] = (
    *(pickle.PicklingError, TypeError, AttributeError, RecursionError, ImportError),
    NonRecoverableError,
)
KINDS: Final = [*((kind, True) for kind in RETRIED), *((kind, False) for kind in FINAL)]
"""Each with whether the job may be restarted."""

GUILTY_LINE: Final = "raise self.kind(self.words)"


class Failing:
    """The record."""

    words = "its file is away"

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"Failing({self.kind.__name__})"

    def __reduce__(self) -> NoReturn:
        raise self.kind(self.words)


class FailingOnce:
    """The same, but it can be pickled afterwards."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind: type[Exception] | None = kind

    def __getstate__(self) -> dict[str, Any]:
        kind, self.kind = self.kind, None
        if kind is not None:
            raise kind("only once")
        return {}


class FailingToReturn:
    """Can be pickled, and can't be made again."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise state["kind"]("nobody is there")
