"""The forkserver's loop: forks when asked, says how each child has ended, and takes them all with it when it goes.

It has one thread, asserted before each fork: a lock that another thread held would stay locked in the child for ever.
A child leads a process group, which is killed before the child is reaped: what user code has started ends with it,
and the number of the group can't have come to mean another.
"""

import contextlib
import os
import select
import signal
import socket
from pathlib import Path
from typing import Final

from millstream_taskmanager.forkserver.child import Main, become_worker
from millstream_taskmanager.forkserver.requests import (
    DESCRIPTORS,
    PACKET_LIMIT,
    Ended,
    Fork,
    Forked,
    Ready,
    Refused,
    Reply,
    decode_request,
    encode_reply,
)

_THREADS: Final = Path("/proc/self/task")


class ForkServer:
    """Runs until the TaskManager's process is gone, or closes the socket."""

    def __init__(self, control: socket.socket, main: Main) -> None:
        self._control = control
        self._main = main
        self._children = set[int]()
        self._terminated = False
        self._waker, self._woken = socket.socketpair()

    def run(self) -> None:
        """See the class."""
        self._listen_to_signals()
        self._say(Ready())
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        try:
            while not self._terminated:
                ready = {number for number, _ in poll.poll()}
                if self._woken.fileno() in ready:
                    self._woken.recv(4096)
                    self._reap()
                if self._control.fileno() in ready and not self._serve():
                    return
        finally:
            self._kill_all()

    def _listen_to_signals(self) -> None:
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, _number: int, _frame: object) -> None:
        """Also what the kernel sends when the parent has died."""
        self._terminated = True

    def _serve(self) -> bool:
        """One request; False at the end of the socket."""
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._control, PACKET_LIMIT, DESCRIPTORS)
        except ConnectionError:
            return False
        if not packet:
            return False
        request = decode_request(packet)
        try:
            self._say(self._fork(request, descriptors))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _fork(self, request: Fork, descriptors: list[int]) -> Reply:
        if len(descriptors) != DESCRIPTORS:
            return Refused(request.number, f"{len(descriptors)} descriptors came, not {DESCRIPTORS}")
        if (threads := _threads()) != 1:
            return Refused(request.number, f"the forkserver has {threads} threads, so a child might hang for ever")
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            return Refused(request.number, f"fork: {error}")
        if pid == 0:
            self._close()
            become_worker(parent, request.options, descriptors, self._main)
        with contextlib.suppress(OSError):  # the child was quicker, perhaps is gone already
            os.setpgid(pid, pid)
        self._children.add(pid)
        return Forked(request.number, pid)

    def _reap(self) -> None:
        for pid in tuple(self._children):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            self._children.discard(pid)
            _kill_group(pid)
            _, status, usage = os.wait4(pid, 0)
            self._say(Ended(pid, status, usage.ru_maxrss))

    def _kill_all(self) -> None:
        for pid in self._children:
            _kill_group(pid)

    def _say(self, reply: Reply) -> None:
        with contextlib.suppress(ConnectionError):  # nobody is left to hear it: the loop ends next
            self._control.send(encode_reply(reply))

    def _close(self) -> None:
        """In a child: what is the server's own."""
        for own in (self._control, self._waker, self._woken):
            own.close()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _threads() -> int:
    return len(list(_THREADS.iterdir())) if _THREADS.exists() else 1
