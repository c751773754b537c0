"""What is wrong with a configuration, all of it at once.

Whoever mends a configuration wants every mistake named in one run, each with the key, the value, the place
where it was written, and what would be accepted there. So readers collect :class:`Problem` values and raise a
single :class:`ConfigurationError` at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from millstream_dataflow.configuration.origin import Origin


@dataclass(frozen=True)
class Problem:
    """One mistake: ``reason`` says what is wrong, ``mend`` what to write instead."""

    reason: str
    mend: str = ""
    key: str = ""
    value: str | None = None
    origin: Origin | None = None

    def __str__(self) -> str:
        subject = self.key if self.value is None else f"{self.key} = {self.value!r}"
        place = f" ({self.origin})" if self.origin is not None else ""
        head = f"{subject}{place}: {self.reason}" if subject else f"{self.reason}{place}"
        return f"{head}; {self.mend}" if self.mend else head


class ConfigurationError(ValueError):
    """A configuration that cannot be used; ``problems`` holds each mistake as a value."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[tuple[Problem, ...]]]:
        # An exception is pickled by its args, the joined text; the problems have to survive instead.
        return (ConfigurationError, (self.problems,))
