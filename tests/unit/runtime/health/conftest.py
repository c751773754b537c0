"""A port whose answers a test chooses."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from millstream_runtime.health import HealthPort


@dataclass
class Answers:
    """A state that a test sets."""

    not_live: str | None = None
    not_ready: str | None = None
    asked: int = 0
    _again: asyncio.Event = field(default_factory=asyncio.Event)

    def live(self) -> str | None:
        self.asked += 1
        self._again.set()
        return self.not_live

    async def is_asked(self) -> None:
        """Once more."""
        self._again.clear()
        await self._again.wait()

    def ready(self) -> str | None:
        return self.not_ready


@dataclass(frozen=True)
class Opened:
    """The port, and who answers there."""

    port: int
    state: Answers


@asynccontextmanager
async def _opened(directory: Path) -> AsyncGenerator[Opened]:
    state = Answers()
    health = HealthPort(state, ["millstream.Further"])
    port = await health.start("127.0.0.1", 0, str(directory))
    try:
        yield Opened(port, state)
    finally:
        await health.stop()


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[Opened]]:
    """Opens one."""
    return lambda: _opened(tmp_path)
