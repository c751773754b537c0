"""One configuration key, said once.

Everything that is known of a key stands in one frozen value: how it is read, what it means, what Flink does
where Millstream differs. The reader of files, the command line, ``millstream config`` and the documentation all
work from it, so they can't disagree.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from millstream_dataflow.configuration.checks import Check
from millstream_dataflow.configuration.parsers import Parser

T = TypeVar("T")

ENVIRONMENT_PREFIX = "MILLSTREAM_"

HIDDEN: Final = "******"
"""What people and programs are shown for the value of a secret; Flink's sign for it."""


class Scope(enum.Enum):
    """Who decides a key.

    ``CLUSTER``: the processes of the cluster, when they start. ``JOB``: the job; it travels in the job graph, and
    a cluster's own file gives the value for jobs that say nothing. ``CLIENT``: the program that submits.
    """

    CLUSTER = "cluster"
    JOB = "job"
    CLIENT = "client"


@dataclass(frozen=True)
class FlinkDifference:
    """Flink's default where it is not Millstream's, or (``default`` empty) another meaning, with the reason."""

    reason: str
    default: str = ""

    def __str__(self) -> str:
        return f"Flink: {self.default}; {self.reason}" if self.default else f"Unlike Flink: {self.reason}"


@dataclass(frozen=True)
class Option(Generic[T]):
    """A key with its type, default and meaning.

    ``meaning`` is one sentence. ``unit`` is what a bare number counts. ``deprecated_keys`` are names of Flink 1.x
    that are read as this one. ``own`` marks the keys that Flink does not have, ``secret`` those whose value is never
    shown: what is printed about a configuration ends in logs and in questions to others.
    """

    key: str
    parser: Parser[T]
    default: T
    meaning: str
    scope: Scope
    unit: str = ""
    check: Check | None = None
    flink: FlinkDifference | None = None
    deprecated_keys: tuple[str, ...] = ()
    own: bool = False
    secret: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][A-Za-z0-9-]*(\.[a-z][A-Za-z0-9-]*)+", self.key):
            raise ValueError(f"option key {self.key!r} is malformed; write words separated by dots")
        self.validate(self.default)

    @property
    def accepts(self) -> str:
        """What may be written, in words."""
        if self.check is None:
            return self.parser.accepts
        return self.check.words if self.check.alone else f"{self.parser.accepts}; {self.check.words}"

    @property
    def environment_name(self) -> str:
        """The environment variable that sets the key: ``a.b-c`` is ``MILLSTREAM_A_B_C``."""
        return environment_name(self.key)

    @property
    def default_text(self) -> str:
        """The default as it would be written in a file."""
        return self.parser.render(self.default)

    def shown(self, text: str) -> str:
        """``text``, which somebody wrote as the value, for people: of a secret only whether it is set."""
        return HIDDEN if self.secret and text != self.default_text else text

    def parse(self, text: str) -> T:
        """The value that ``text`` spells; ``ValueError``, with or without a message, when it is not accepted."""
        value = self.parser.parse(text)
        self.validate(value)
        return value

    def validate(self, value: T) -> None:
        """Raises ``ValueError`` when ``value`` has another type, fails the check, or could not travel as text."""
        if not self.parser.holds(value):
            raise ValueError(f"it is of type {type(value).__name__}")
        if value is not None and self.check is not None and not self.check.test(value):
            raise ValueError
        text = self.parser.render(value)
        if self.parser.parse(text) != value:
            raise ValueError(f"written as {text!r} it would be read as another value")


@dataclass(frozen=True)
class Group:
    """Options of one topic: ``title`` heads them in the documentation, ``about`` says in a sentence what they rule."""

    title: str
    about: str
    options: tuple[Option[Any], ...]


def environment_name(key: str) -> str:
    """The environment variable of a key: upper case, every ``.`` and ``-`` an underscore."""
    return ENVIRONMENT_PREFIX + re.sub(r"[.-]", "_", key).upper()
