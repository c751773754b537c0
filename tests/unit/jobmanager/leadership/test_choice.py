"""What the configuration says of an election, and what is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from millstream_dataflow.configuration.options import high_availability as ha
from millstream_jobmanager.leadership import choice
from millstream_jobmanager.leadership.tenure import Hold
from millstream_runtime.configuration import read_configuration


class Elects:
    """A ZooKeeper that lets the first one win, and answers nothing after that."""

    hosts, timeout, session, session_timeout, denied = "nowhere:1", 60.0, 7, 60_000, False

    def __init__(self) -> None:
        self.interrupt: Callable[[], None] = lambda: None
        self._commits = 0

    def listen(self, connected: Callable[[], None], interrupted: Callable[[], None], ended: Callable[[], None]) -> None:
        del connected, ended
        self.interrupt = interrupted

    def start(self) -> None:
        """It is there."""

    def stop(self) -> None:
        """It needs nothing."""

    def read(self, path: str, changed: Callable[[], None] | None = None) -> Future[None]:
        del path, changed
        return answered()

    async def make_path(self, path: str) -> None:
        """As if it were there."""

    def commit(self, operations: object) -> Future[None]:
        del operations
        self._commits += 1
        return answered() if self._commits == 1 else Future[None]()

    async def answer(self, question: Future[None], within: float | None = None) -> None:
        del within
        await asyncio.wrap_future(question)


def answered() -> Future[None]:
    future = Future[None]()
    future.set_result(None)
    return future


@pytest.mark.parametrize(
    ("said", "hold"),
    [
        ({}, Hold.PAUSED),
        ({ha.TOLERATE_SUSPENDED.key: "false"}, Hold.PAUSED),
        ({ha.TOLERATE_SUSPENDED.key: "true"}, Hold.HOLDS),
    ],
    ids=["by default", "false", "true"],
)
async def test_an_interrupted_leader_decides_on_only_where_the_configuration_tolerates_it(
    said: dict[str, str], hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zookeeper = Elects()

    def connected(configuration: object) -> Any:  # noqa: ANN401  # it stands for a ZooKeeper
        del configuration
        return zookeeper

    monkeypatch.setattr(choice, "zookeeper", connected)
    definitions = [f"{key}={value}" for key, value in {ha.STORAGE_DIR.key: str(tmp_path), **said}.items()]
    candidate = choice.candidate(read_configuration(None, {}, definitions))
    async with asyncio.timeout(10):
        office = await candidate.won()
        assert office.hold() is Hold.HOLDS
        noticed = asyncio.Event()
        office.on_change(noticed.set)
        zookeeper.interrupt()
        await noticed.wait()
        assert office.hold() is hold
        office.lost("the test is over")
        await candidate.close()
