"""Where a value was written, so that each message can say where to mend it.

The same key can be set in a file, by an environment variable, on the command line and in the program. A value
without its origin leaves its reader searching four places.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class OriginKind(enum.Enum):
    """The kinds of places a value can come from, from the weakest to the strongest."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    COMMAND_LINE = "command-line"
    PROGRAM = "program"
    JOB_GRAPH = "job-graph"


@dataclass(frozen=True)
class Origin:
    """One place: ``place`` is the file's path or the variable's name; ``line`` counts from 1, 0 when unknown."""

    kind: OriginKind
    place: str = ""
    line: int = 0

    def __str__(self) -> str:
        match self.kind:
            case OriginKind.DEFAULT:
                return "default"
            case OriginKind.FILE:
                return f"{self.place}:{self.line}" if self.line else self.place
            case OriginKind.ENVIRONMENT:
                return f"environment variable {self.place}"
            case OriginKind.COMMAND_LINE:
                return f"{self.place or '-D'} on the command line"
            case OriginKind.PROGRAM:
                return "the program"
            case OriginKind.JOB_GRAPH:
                return "the job graph"

    @classmethod
    def file(cls, path: str, line: int = 0) -> Origin:
        """A line of a configuration file."""
        return cls(OriginKind.FILE, path, line)

    @classmethod
    def environment(cls, name: str) -> Origin:
        """The environment variable ``name``."""
        return cls(OriginKind.ENVIRONMENT, name)

    @classmethod
    def command_line(cls, option: str = "-D") -> Origin:
        """``-D``, or the command's own option (such as ``--slots``) that stands for the key."""
        return cls(OriginKind.COMMAND_LINE, option)


DEFAULT = Origin(OriginKind.DEFAULT)
PROGRAM = Origin(OriginKind.PROGRAM)
JOB_GRAPH = Origin(OriginKind.JOB_GRAPH)
