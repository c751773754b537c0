"""The forkserver, as its parent sees it: exec'd, asked to fork, asked to end."""

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from millstream_taskmanager.forkserver.requests import (
    PACKET_LIMIT,
    Fork,
    Ready,
    Reply,
    decode_reply,
    encode_request,
)
from millstream_taskmanager.processes.disk import Disk
from millstream_taskmanager.processes.exit_report import with_lines
from millstream_taskmanager.processes.printed_lines import PrintedLines
from millstream_taskmanager.processes.spawning import ForkServerError, SpawnedForkServer
from millstream_taskmanager.worker.task_log import RotatingFile

_START_S: Final = 60.0  # half a second of imports, on a machine that has something else to do as well
_STOP_S: Final = 5.0
_LOOK_S: Final = 0.005
_LOG_BYTES: Final = 256 << 10


class ForkServer:
    """One process. `hear` is called for each of its replies, `gone` once, when it has died by itself."""

    def __init__(
        self, directory: Path, spawned: SpawnedForkServer, hear: Callable[[Reply], None], gone: Callable[[str], None]
    ) -> None:
        spawned.take()
        self._hear = hear
        self._gone = gone
        self._disk = Disk("logs", "their last lines are lost")
        self._printed = PrintedLines(
            RotatingFile(directory / "forkserver.log", _LOG_BYTES), self._disk, spawned.printed
        )
        self._control = spawned.control
        self._process = spawned.process
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = True
        self._dying: asyncio.Task[None] | None = None
        self._killed = ""
        """Why, if it was killed."""

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def start(self) -> None:
        """Returns when it has imported everything; ForkServerError when it doesn't come so far."""
        try:
            self._printed.begin()
            asyncio.get_running_loop().add_reader(self._control, self._read)
            async with asyncio.timeout(_START_S):
                await self._ready
        except TimeoutError:
            await self.stop()
            raise ForkServerError(f"the forkserver was not ready after {_START_S:.0f} s") from None
        except Exception:
            await self.stop()
            raise

    def fork(self, request: Fork, descriptors: Sequence[int]) -> None:
        """Ask for a worker. ForkServerError when it can't be asked."""
        try:
            socket.send_fds(self._control, [encode_request(request)], list(descriptors))
        except (OSError, ValueError) as error:
            raise ForkServerError(f"the forkserver can't be asked: {error}") from error

    def kill(self, reason: str) -> None:
        """It doesn't do its work, as whoever asks has noticed: SIGKILL, after which `gone` hears the reason."""
        self._killed = reason
        self._process.kill()

    def _read(self) -> None:
        try:
            packet = self._control.recv(PACKET_LIMIT)
        except BlockingIOError:
            return
        except ConnectionError:
            packet = b""
        if packet:
            reply = decode_reply(packet)
            if isinstance(reply, Ready):
                self._ready.set_result(None)
            self._hear(reply)
        else:
            self._hang_up()
            self._dying = asyncio.create_task(self._die(), name="the forkserver's end")

    async def _die(self) -> None:
        """It has closed its socket, so it is about to end if it hasn't yet."""
        cause = self._cause_of_death(await self._end(_STOP_S / 10))
        if self._ready.done():
            self._gone(cause)
        else:
            self._ready.set_exception(ForkServerError(cause))

    async def _end(self, patience: float) -> int:
        """The status with which it has ended; it is killed when that takes longer."""
        end = asyncio.get_running_loop().time() + patience
        while (status := self._process.poll()) is None:
            if asyncio.get_running_loop().time() > end:
                self._process.kill()
            await asyncio.sleep(_LOOK_S)
        return status

    def _cause_of_death(self, status: int) -> str:
        self._printed.drain()
        how = f"by signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"with exit code {status}"
        why = f": {self._killed}, so it was killed" if self._killed else ""
        return with_lines(f"the forkserver ended {how}{why}", self._printed.last)

    def _hang_up(self) -> None:
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()

    async def stop(self) -> None:
        """Its workers end with it. Returns when it is gone."""
        self._hang_up()
        if self._dying is not None:
            self._dying.cancel()
            await asyncio.gather(self._dying, return_exceptions=True)
        await self._end(_STOP_S)
        self._printed.drain()
        self._printed.close()
        await self._disk.end()
