"""Lines of the log that strangers can cause: one of a kind a second, with the number of the others."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

BETWEEN_LINES: Final = 1.0
"""Seconds between two lines of a kind."""


@dataclass
class _Kind:
    timer: asyncio.TimerHandle
    level: int
    values: tuple[object, ...] = ()
    held: int = 0


class LimitedLines:
    """In front of a logger, in the running asyncio loop. A kind is what the same text says of other values."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._kinds: dict[str, _Kind] = {}
        """Those of which a line was written in the last second."""

    def say(self, level: int, text: str, *values: object) -> None:
        """Now, or counted in a line that follows within a second."""
        kind = self._kinds.get(text)
        if kind is None:
            self._log.log(level, text, *values)
            self._wait(level, text)
            return
        kind.values, kind.held = values, kind.held + 1

    def close(self) -> None:
        """What is held is said."""
        for text, kind in list(self._kinds.items()):
            kind.timer.cancel()
            self._say_held(text)

    def _wait(self, level: int, text: str) -> None:
        timer = asyncio.get_running_loop().call_later(BETWEEN_LINES, self._go_on, text)
        self._kinds[text] = _Kind(timer, level)

    def _go_on(self, text: str) -> None:
        kind = self._kinds[text]
        if self._say_held(text):
            self._wait(kind.level, text)

    def _say_held(self, text: str) -> bool:
        kind = self._kinds.pop(text)
        if kind.held == 1:
            self._log.log(kind.level, text, *kind.values)
        elif kind.held:
            self._log.log(kind.level, f"{text}; %s more like it since the line before", *kind.values, kind.held - 1)
        return bool(kind.held)
