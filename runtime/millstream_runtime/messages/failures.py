"""What went wrong, as a value that crosses processes: kind, words, where, and the cause it came from."""

from dataclasses import dataclass, replace
from enum import Enum

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
    """One failure. `message` is a sentence for people; the other fields are empty where they don't apply."""

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
