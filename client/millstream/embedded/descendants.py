"""What a child has started lives in a session of its own and outlives it for a moment. Linux shows it in /proc;
elsewhere nothing is found.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_ENDED: Final = "ZX"
"""States of a process that nobody has waited for yet: it does nothing more."""


class _Process(NamedTuple):
    state: str
    parent: int
    session: int


def sessions_below(process: int) -> set[int]:
    """Those of its children, without its own: it leads one itself."""
    return {found.session for found in _processes() if found.parent == process} - {process}


def any_in(sessions: AbstractSet[int]) -> bool:
    """Whether one of them has a process that runs."""
    return bool(sessions) and any(found.session in sessions for found in _processes())


def _processes() -> Iterator[_Process]:
    for status in _PROC.glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended since
            # The name, in brackets, may hold anything; behind it come state, parent, group and session.
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if fields[0] not in _ENDED:
                yield _Process(fields[0], int(fields[1]), int(fields[3]))
