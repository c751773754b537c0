"""What went wrong, as a value that crosses processes: kind, words, where, and the cause it came from."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from millstream_dataflow.identity import RegionAttempt
from millstream_dataflow.reprs import MESSAGE_LIMIT, bounded

TRACEBACK_LIMIT: Final = 16 << 10
"""Characters of a traceback."""

NOT_STORED: Final = "could not be stored"
"""In the message where a JobManager's store has refused what a client asked for: so nothing has changed."""

_HEADLINE = 300  # characters


class FailureKind(Enum):
    """Who can mend it: the author of the job, the authors of Millstream, or whoever runs the machines."""

    USER = "user"
    INTERNAL = "internal"
    EXTERNAL = "external"
    CHECKPOINT = "checkpoint"
    """A checkpoint's file is corrupt or missing: an older one may be taken instead (law 4.6)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure. `message` is a sentence for people; the other fields are empty where they don't apply.

    Its texts come from user code, and have to travel: here they are bounded, and lone surrogates, which no message can
    hold, are escaped.
    """

    kind: FailureKind
    message: str
    operator: str = ""
    record: str = ""
    source_line: str = ""
    """`file:line: text` of the innermost line of the user's own code."""
    traceback: str = ""
    secondary: bool = False
    """It follows from another failure: a lost peer. Its name yields to a primary one's."""
    restartable: bool = True
    """False where trying again can't help: a broken audit, a state that doesn't fit."""
    result: RegionAttempt | None = None
    """The finished attempt whose results are lost or damaged: it has to run again before this can."""

    def __post_init__(self) -> None:
        for name in ("message", "operator", "record", "source_line"):
            object.__setattr__(self, name, _portable(getattr(self, name), MESSAGE_LIMIT))
        object.__setattr__(self, "traceback", _portable(self.traceback, TRACEBACK_LIMIT))

    @property
    def place(self) -> str:
        """Whose code it was, and what it was at work on: a line beneath a traceback. Empty where nobody knows."""
        record = f", at record {self.record}" if self.record else ""
        return f"raised in operator {self.operator}{record}" if self.operator else ""

    @property
    def headline(self) -> str:
        """The first line of the message, for a place that has room for one, and where it was raised."""
        first, _, _ = self.message.partition("\n")
        if len(first) > _HEADLINE:
            first = f"{first[:_HEADLINE]}..."
        return str(replace(self, message=first))

    def __str__(self) -> str:
        places = [text for text in (self.operator and f"operator {self.operator}", self.source_line) if text]
        return f"{self.message} ({', '.join(places)})" if places else self.message


def _portable(text: str, limit: int) -> str:
    if not text.isascii():
        text = text.encode(errors="backslashreplace").decode()
    return bounded(text, limit)
