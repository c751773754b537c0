"""What is to go out in one TaskManager's stream, in order, in parts, with heartbeats in front (law 3.3)."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from millstream_proto.session_pb2 import JobManagerMessage
from millstream_runtime.messages.parts import split_message

MAX_WAITING = 64 << 20
"""Bytes; a TaskManager that takes less than it is told, for so long, is told nothing more: its session is closed."""


class Outbox:
    """Filled by the loop's own code, emptied by one task (`run`)."""

    def __init__(self, max_message_size: int) -> None:
        self._limit = max_message_size
        self._beats = deque[JobManagerMessage]()
        self._messages = deque[JobManagerMessage]()
        self._parts: Iterator[JobManagerMessage] = iter(())
        self._waiting = 0
        self._begun = False
        self._wake = asyncio.Event()
        self.closed = asyncio.Event()
        self.closing: str | None = None
        """Why nothing more is taken; what was taken still goes out."""

    def put(self, message: JobManagerMessage) -> None:
        """To the end of the stream. Heartbeats go in front of everything but the first message."""
        if self.closing is not None:
            return
        if message.WhichOneof("body") == "heartbeat":
            self._beats.append(message)
        else:
            self._waiting += message.ByteSize()
            self._messages.append(message)
        self._wake.set()
        if self._waiting > MAX_WAITING:
            self._messages.clear()
            self.close(f"{self._waiting} bytes wait for it, for it doesn't read")

    def close(self, reason: str) -> None:
        """Nothing more is taken."""
        if self.closing is None:
            self.closing = reason
            self.closed.set()
            self._wake.set()

    async def run(self, write: Callable[[JobManagerMessage], Awaitable[None]]) -> None:
        """Write until it is closed and empty."""
        while True:
            message = self._next()
            if message is not None:
                await write(message)
            elif self.closing is not None:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    def _next(self) -> JobManagerMessage | None:
        if self._beats and self._begun:
            return self._beats.popleft()
        part = next(self._parts, None)
        if part is None and self._messages:
            message = self._messages.popleft()
            self._waiting -= message.ByteSize()
            self._begun = True
            self._parts = split_message(message, self._limit)
            part = next(self._parts)
        return part
