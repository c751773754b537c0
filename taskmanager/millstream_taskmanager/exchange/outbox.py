"""What waits for a wire, in order: the buffers of frames, as they are. Nothing is joined or copied."""

import os
from collections import deque
from typing import Final

from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.wire import Wire

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

    def put(self, *buffers: Buffer) -> int:
        """More; gives the place of the last."""
        self._buffers.extend(buffers)
        return self._gone + len(self._buffers) - 1

    def is_whole(self, place: int) -> bool:
        """Whether nothing of that buffer has gone, so that it may still be changed."""
        return place > self._gone or (place == self._gone and not self._torn)

    def clear(self) -> None:
        """Nobody takes it any more."""
        self._gone += len(self._buffers)
        self._buffers.clear()
        self._torn = False

    def send(self, wire: Wire) -> None:
        """As much as the wire takes; BlockingIOError when that isn't all, or not all of it is sent."""
        while self._buffers:
            chosen, size = self._next()
            sent = wire.send(chosen)
            if sent == size:
                self._drop(len(chosen))
            else:
                self._sent(sent)
        wire.flush()

    def _next(self) -> tuple[list[Buffer], int]:
        """What goes in one call, and its bytes."""
        chosen: list[Buffer] = []
        size = 0
        for buffer in self._buffers:
            chosen.append(buffer)
            size += len(buffer)
            if len(chosen) == _MOST_BUFFERS or size >= _MOST_BYTES:
                break
        return chosen, size

    def _sent(self, size: int) -> None:
        """Of what was to go only so many bytes have gone."""
        buffers = self._buffers
        while size >= len(buffers[0]):
            size -= len(buffers[0])
            self._drop(1)
        if size:
            buffers[0] = memoryview(buffers[0])[size:]
            self._torn = True

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._buffers.popleft()
        self._gone += count
        self._torn = False
