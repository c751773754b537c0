"""What becomes of each name of tests/data/pyflink_names.txt here: there, there with a difference, or not there."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from millstream.pyflink.absent import reason
from millstream.pyflink.differences import DIFFERENCES
from millstream.pyflink.homes import NOT_THERE, found

LISTED: Final = Path(__file__).resolve().parent.parent / "tests" / "data" / "pyflink_names.txt"

NOTHING: Final = "Nothing changes"
"""So begins the docstring of a call that is accepted and has no effect."""


class Verdict(Enum):
    """As the page says it."""

    THERE = "there"
    DIFFERS = "differs"
    NOT_THERE = "not there"


@dataclass(frozen=True)
class Listed:
    """A line of the list: a name, or a member behind its class, with the parameters that PyFlink shows."""

    module: str
    name: str
    parameters: tuple[str, ...] | None
    """As the list writes them (`offset=`, `*paths`); None where none are shown: no call, or not a Python one."""

    @property
    def first(self) -> str:
        """The name that is imported."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Judged:
    """A line with what is to be said about it."""

    listed: Listed
    verdict: Verdict
    words: str


def listed_names() -> Iterator[Listed]:
    """The list, line by line."""
    for line in LISTED.read_text(encoding="utf-8").splitlines():
        module, _, call = line.partition(" ")
        name, brace, rest = call.partition("(")
        parameters = tuple(it.strip() for it in rest.removesuffix(")").split(",") if it.strip())
        yield Listed(module, name, parameters if brace else None)


def judged(listed: Listed) -> Judged:
    """Look it up, and hold what is found against the list and the tables."""
    there, value = _looked_up(listed)
    if not there:
        return Judged(listed, Verdict.NOT_THERE, reason(listed.module, listed.name))
    words = DIFFERENCES.get(listed.name, "") or _without_effect(value)
    if not words and listed.parameters is not None:
        words = _other_parameters(value, listed.parameters)
    return Judged(listed, Verdict.DIFFERS if words else Verdict.THERE, words)


def _without_effect(value: object) -> str:
    """What a call says of itself that is accepted for the sake of such programs; empty for all others."""
    own = inspect.getdoc(value.function) if isinstance(value, _Method) else None
    if not own or not own.startswith(NOTHING):
        return ""
    return f"changes nothing{' '.join(own.split()).removeprefix(NOTHING).rstrip('.')}"


def _looked_up(listed: Listed) -> tuple[bool, object]:
    """Whether it is there; and what it is, a method without its `self`."""
    value = found(listed.module, listed.first)
    if value is NOT_THERE:
        return False, None
    for member in listed.name.split(".")[1:]:
        if not hasattr(value, member):
            return False, None
        kind = inspect.getattr_static(value, member)
        value = getattr(value, member)
        if inspect.isfunction(value) and not isinstance(kind, staticmethod):
            value = _Method(value)
    return True, value


@dataclass(frozen=True)
class _Method:
    """A function whose first parameter is the object."""

    function: object


def _other_parameters(value: object, theirs: tuple[str, ...]) -> str:
    """What to say when a call with PyFlink's parameters wouldn't do; empty when it would."""
    function, bound = (value.function, True) if isinstance(value, _Method) else (value, False)
    try:
        ours = list(inspect.signature(function).parameters.values())[bound:]  # type: ignore[arg-type]  # or it raises
    except (TypeError, ValueError):
        return ""
    if takes(inspect.Signature(ours), theirs):
        return ""
    shown = ", ".join(it.name if it.default is it.empty else f"{it.name}=" for it in ours)
    return f"its parameters are `({shown})`"


def takes(ours: inspect.Signature, theirs: tuple[str, ...]) -> bool:
    """Whether it can be called with PyFlink's parameters: by their names, by their order, and without the optional."""
    plain = [it for it in theirs if not it.startswith("*")]
    names = [it.rstrip("=") for it in plain]
    try:
        ours.bind(**dict.fromkeys(names))
        ours.bind(**{it: None for it in plain if not it.endswith("=")})
        by_order = ours.bind(*names).arguments
    except TypeError:
        return False
    kinds = {it.kind for it in ours.parameters.values()}
    stars = {it[: it.rfind("*") + 1] for it in theirs if it.startswith("*")}
    if ("*" in stars and inspect.Parameter.VAR_POSITIONAL not in kinds) or (
        "**" in stars and inspect.Parameter.VAR_KEYWORD not in kinds
    ):
        return False
    return all(by_order.get(it, it) == it for it in names)
