"""One forkserver for many pools, one after the other: each of its own would take a second of imports.

To a pool it looks as if it had just come up. When the pool stops, whatever was forked for it is killed, as the end of
a forkserver would do, and the process stays for the next one. It is for tests that neither end it nor ask how it ends.
"""

import asyncio
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from millstream_taskmanager.forkserver.requests import (
    PACKET_LIMIT,
    Ended,
    Fork,
    Forked,
    Ready,
    Refused,
    Reply,
    decode_reply,
)
from millstream_taskmanager.processes import pool
from millstream_taskmanager.processes.forkserver import ForkServer
from millstream_taskmanager.processes.spawning import SpawnedForkServer
from millstream_taskmanager.processes.worker_process import kill_group


class SharedForkServer:
    """The process."""

    def __init__(self, spawned: SpawnedForkServer) -> None:
        """Returns when it has imported everything."""
        self.spawned = spawned
        self.is_lent = False
        spawned.control.settimeout(60)
        assert decode_reply(spawned.control.recv(PACKET_LIMIT)) == Ready()
        spawned.control.setblocking(False)

    @contextmanager
    def lent(self) -> Generator[None]:
        """A pool that starts within the block has it until it stops; one that starts another has one of its own."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pool, "SpawnedForkServer", self._loan)
            patch.setattr(pool, "ForkServer", self._borrowed)
            yield

    def _loan(self, _modules: Sequence[str]) -> "Loan":
        return Loan(self)

    def _borrowed(
        self, directory: Path, loan: "Loan", hear: Callable[[Reply], None], gone: Callable[[str], None]
    ) -> "BorrowedForkServer":
        return BorrowedForkServer(directory, loan, hear, gone)


class Loan(SpawnedForkServer):
    """The shared process, as one that was exec'd for this pool."""

    def __init__(self, shared: SharedForkServer) -> None:
        assert not shared.is_lent, "another pool has it"
        assert shared.spawned.process.poll() is None, "a test has ended it"
        shared.is_lent = True
        self.shared = shared
        self.modules = ()
        self.control = shared.spawned.control.dup()
        self.control.setblocking(False)
        self.printed = os.pipe()
        self.process = shared.spawned.process

    def take(self) -> None:
        """It is nobody's to end."""


class BorrowedForkServer(ForkServer):
    """What a pool says to the shared process and hears of it."""

    def __init__(self, directory: Path, loan: Loan, hear: Callable[[Reply], None], gone: Callable[[str], None]) -> None:
        super().__init__(directory, loan, self._hear_and_count, gone)
        self._shared = loan.shared
        self._tell = hear
        self._asked = 0
        """Requests without an answer."""
        self._workers = set[int]()

    async def start(self) -> None:
        """It is there."""
        asyncio.get_running_loop().add_reader(self._control, self._read)
        self._ready.set_result(None)
        self._tell(Ready())

    def fork(self, request: Fork, descriptors: Sequence[int]) -> None:
        """Ask for a worker."""
        super().fork(request, descriptors)
        self._asked += 1

    def _hear_and_count(self, reply: Reply) -> None:
        match reply:
            case Forked(pid=pid):
                self._workers.add(pid)
                self._asked -= 1
            case Refused():
                self._asked -= 1
            case Ended(pid=pid):
                self._workers.discard(pid)
            case Ready():
                pass
        self._tell(reply)

    async def stop(self) -> None:
        """Its workers end. No answer is left behind, which the next pool would take for its own."""
        async with asyncio.timeout(20):
            while self._open and (self._asked or self._workers):
                for pid in self._workers:
                    kill_group(pid)
                await asyncio.sleep(0.005)
        self._hang_up()
        self._printed.close()
        self._shared.is_lent = False
