"""One worker process: its control socket and what it prints. Waited for in the TaskManager's asyncio loop."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from millstream_dataflow.identity import WorkerId
from millstream_proto import worker_pb2
from millstream_runtime.messages.codec import MalformedMessageError
from millstream_runtime.messages.worker import FromWorker, ToWorker
from millstream_taskmanager.processes.disk import Disk
from millstream_taskmanager.processes.printed_lines import PrintedLines
from millstream_taskmanager.worker.framing import MessageSocket
from millstream_taskmanager.worker.task_log import ERR, OUT, RotatingFile

_SHORT: Final = frozenset({errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM})
"""What the system says of a message that it could take at another time: others have too many descriptors on their way,
or memory is short.
"""
_AGAIN_S: Final = 0.1  # until that is tried again; the socket may well be writable meanwhile


@dataclass(frozen=True, slots=True)
class ProcessLogs:
    """Where what a worker prints is kept."""

    directory: Path
    limit: int
    """Bytes of what the process prints beside its tasks."""
    disk: Disk


class WorkerProcess:
    """From before its fork to after its end."""

    def __init__(self, worker: WorkerId, logs: ProcessLogs, said: Callable[[WorkerId, FromWorker], None]) -> None:
        """OSError when there are too few descriptors for it."""
        self.worker = worker
        self.pid: int | None = None
        self.killed = False
        self.asked = False
        """It was told to leave."""
        self._said = said
        self._open = True
        self._waits_to_write = False
        self._writes_again: asyncio.TimerHandle | None = None
        # Not in the folder of the tasks' own files, whose tails are looked at separately.
        place = logs.directory / "process"
        self._printed: list[PrintedLines] = []
        with contextlib.ExitStack() as made:  # descriptors may be short, and then none of them stays open
            ours, self._theirs = socket.socketpair()
            for end in (ours, self._theirs):
                made.enter_context(end)
            for kind in (OUT, ERR):
                file = RotatingFile(place / f"process{kind}", logs.limit // 4)
                self._printed.append(PrintedLines(file, logs.disk))
                made.callback(self._printed[-1].close)
            self._messages = MessageSocket(ours, worker_pb2.ToWorker, worker_pb2.FromWorker, FromWorker)
            made.pop_all()

    @property
    def descriptors(self) -> list[int]:
        """What the process gets: its control socket and its standard output and error."""
        return [self._theirs.fileno(), *(printed.writer for printed in self._printed)]

    def begin(self, pid: int) -> None:
        """The fork is done; what was queued is sent."""
        self.pid = pid
        self._theirs.close()
        for printed in self._printed:
            printed.begin()
        asyncio.get_running_loop().add_reader(self._messages.socket, self._read)
        self._write()
        if self.killed:  # meanwhile
            self.kill()

    # ------------------------------------------------------------------------------------------------ messages

    def send(self, message: ToWorker, descriptor: int | None = None) -> None:
        """In order; queued while the process starts. The descriptor is closed when it has been sent."""
        self._messages.send(message, descriptor)
        if self.pid is not None:
            self._write()

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            done = self._messages.flush() or not self._open
        except OSError as error:
            done = True  # it is gone, as its parent will say
            if error.errno in _SHORT and self._writes_again is None:
                self._writes_again = loop.call_later(_AGAIN_S, self._write_again)
        if not done and not self._waits_to_write:
            loop.add_writer(self._messages.socket, self._write)
        elif done and self._waits_to_write:
            loop.remove_writer(self._messages.socket)
        self._waits_to_write = not done

    def _write_again(self) -> None:
        self._writes_again = None
        self._write()

    def _read(self) -> bool:
        """One read, so that a worker that talks without end doesn't keep the others waiting; whether more may come."""
        before = self._messages.received
        try:
            for message in self._messages.receive():
                self._said(self.worker, message)
        except EOFError:
            self._hang_up()
        except MalformedMessageError:  # it isn't our worker any more that speaks there
            self.kill()
            self._hang_up()
        return self._open and self._messages.received > before

    def _hang_up(self) -> None:
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._messages.socket)

    # -------------------------------------------------------------------------------------------------- the end

    def kill(self) -> None:
        """SIGKILL to the process and to all that user code has started; as soon as it is there."""
        self.killed = True
        if self.pid is not None:
            kill_group(self.pid)

    def drain(self) -> tuple[list[str], list[str]]:
        """The process is gone: hear what it had said and printed before. Gives the last lines on its standard output
        and error. It can't be killed any more, as another process may have its number.
        """
        self.pid = None
        while self._open and self._read():
            pass
        for printed in self._printed:
            printed.drain()
        out, err = (printed.last for printed in self._printed)
        return out, err

    def close(self) -> None:
        """Let go of everything. The files stay."""
        loop = asyncio.get_running_loop()
        self._hang_up()
        if self._writes_again is not None:
            self._writes_again.cancel()
            self._writes_again = None
        if self._waits_to_write:
            loop.remove_writer(self._messages.socket)
            self._waits_to_write = False
        self._messages.close()
        self._theirs.close()
        for printed in self._printed:
            printed.close()


def kill_group(pid: int) -> None:
    """SIGKILL to a worker and to all that its user code has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
