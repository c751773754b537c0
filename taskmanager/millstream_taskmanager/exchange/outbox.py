"""What waits for a socket, in order: the buffers of frames, as they are. Nothing is joined or copied."""

import os
import socket
from collections import deque
from typing import Final

from millstream_taskmanager.exchange.frames import Buffer

_MOST_BUFFERS: Final = max(16, os.sysconf("SC_IOV_MAX"))  # of one system call; 1,024 on Linux. POSIX promises 16
_MOST_BYTES: Final = 1 << 20  # of one: the kernel takes 208 KiB at a time (net.core.wmem_default)


class Outbox:
    """A queue of buffers. Each has a place, counted from the start: so one can ask whether it is still whole."""

    __slots__ = ("_buffers", "_gone", "_torn")

    def __init__(self) -> None:
        self._buffers = deque[Buffer]()
        self._gone = 0  # buffers
        self._torn = False  # a part of the first one has gone

    def __bool__(self) -> bool:
        return bool(self._buffers)

    def append(self, buffer: Buffer) -> int:
        """One more; gives its place."""
        self._buffers.append(buffer)
        return self._gone + len(self._buffers) - 1

    def is_whole(self, place: int) -> bool:
        """Whether nothing of that buffer has gone, so that it may still be changed."""
        return place > self._gone or (place == self._gone and not self._torn)

    def clear(self) -> None:
        """Nobody takes it any more."""
        self._gone += len(self._buffers)
        self._buffers.clear()
        self._torn = False

    def send(self, sock: socket.socket) -> None:
        """As much as the socket takes; BlockingIOError when that isn't all."""
        while self._buffers:
            self._sent(sock.sendmsg(self._next()))

    def _next(self) -> list[Buffer]:
        chosen: list[Buffer] = []
        size = 0
        for buffer in self._buffers:
            chosen.append(buffer)
            size += len(buffer)
            if len(chosen) == _MOST_BUFFERS or size >= _MOST_BYTES:
                break
        return chosen

    def _sent(self, size: int) -> None:
        buffers = self._buffers
        while size:
            first = buffers[0]
            if size < len(first):
                buffers[0] = memoryview(first)[size:]
                self._torn = True
                return
            size -= len(first)
            buffers.popleft()
            self._gone += 1
            self._torn = False
