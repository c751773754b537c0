"""A state machine is a table: what isn't listed can't happen (style: h11's tables, distributed's InvalidTransition)."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Generic, TypeVar

S = TypeVar("S", bound=Enum)


class IllegalTransitionError(Exception):
    """Somebody asked for a step that the table doesn't list: an error of Millstream, never of the user."""

    def __init__(self, subject: str, source: Enum, target: Enum, reason: str, legal: Iterable[Enum]) -> None:
        names = ", ".join(sorted(state.name for state in legal)) or "none, it is final"
        step = f"from {source.name} to {target.name}"
        super().__init__(f"{subject} can't go {step} (asked because: {reason}); legal from there: {names}")
        self.subject = subject
        self.source = source
        self.target = target
        self.reason = reason


class TransitionTable(Generic[S]):
    """All legal steps of one kind of thing. Immutable."""

    def __init__(self, initial: S, steps: Mapping[S, Iterable[S]]) -> None:
        self.initial = initial
        self._steps = {source: frozenset(targets) for source, targets in steps.items()}

    @property
    def states(self) -> frozenset[S]:
        """Every state that the table names."""
        return frozenset(self._steps).union(*self._steps.values())

    def targets(self, source: S) -> frozenset[S]:
        """The states that can directly follow `source`."""
        return self._steps[source]

    def is_final(self, state: S) -> bool:
        """Nothing follows."""
        return not self._steps[state]

    def check(self, subject: str, source: S, target: S, reason: str) -> None:
        """Raise IllegalTransitionError unless the step is listed."""
        if target not in self._steps[source]:
            raise IllegalTransitionError(subject, source, target, reason, self._steps[source])

    def diagram(self) -> str:
        """The table as text, one state a line, for the docs; a test holds them equal."""
        lines: list[str] = []
        for source, targets in self._steps.items():
            names = ", ".join(target.name for target in type(self.initial) if target in targets)
            lines.append(f"{source.name:<13} -> {names}" if names else f"{source.name:<13} (final)")
        return "\n".join(lines)
