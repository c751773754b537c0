"""What waits to be written into one session: in order, in parts where it is large, bounded in bytes.

Heartbeats go first: they say only that the TaskManager is there, and may overtake anything (law 3.3). What users' code
prints doesn't count for the bound, as its tasks wait when it isn't taken (`worker.output`).
"""

import asyncio
from collections import deque

from millstream_dataflow.identity import Epoch, SessionId
from millstream_proto.session_pb2 import TaskManagerMessage
from millstream_runtime.messages.codec import to_body, to_message
from millstream_runtime.messages.parts import split_message
from millstream_runtime.messages.session import FromTaskManager, Heartbeat, TaskOutput
from millstream_taskmanager.service.settings import LinkSettings


class TooMuchUnsentError(RuntimeError):
    """The JobManager doesn't take what it must know."""


class Outgoing:
    """Of one session."""

    def __init__(self, session: SessionId, settings: LinkSettings) -> None:
        self._session = session
        self._settings = settings
        self._urgent = deque[TaskManagerMessage]()
        self._waiting = deque[tuple[TaskManagerMessage, int]]()
        """With the bytes that count for the bound."""
        self._unsent = 0
        self._epoch = Epoch(0)
        self._changed = asyncio.Event()
        self._finished = False

    def put(self, message: FromTaskManager, epoch: Epoch) -> None:
        """TooMuchUnsentError: the session is of no use any more."""
        self._epoch = epoch
        if isinstance(message, Heartbeat):
            self._urgent.append(self._envelope(message))
        else:
            self._put(message, counts=not isinstance(message, TaskOutput))
            if self._unsent > self._settings.unsent_limit:
                raise TooMuchUnsentError(f"the JobManager hasn't taken {self._unsent:,} bytes of messages")
        self._changed.set()

    def finish(self) -> None:
        """Nothing more will be put."""
        self._finished = True
        self._changed.set()

    async def next(self) -> TaskManagerMessage | None:
        """The next to write; None after the last."""
        while not self._urgent and not self._waiting:
            if self._finished:
                return None
            self._changed.clear()
            await self._changed.wait()
        if self._urgent:
            return self._urgent.popleft()
        envelope, size = self._waiting.popleft()
        self._unsent -= size
        return envelope

    def _put(self, message: FromTaskManager, *, counts: bool) -> None:
        for envelope in split_message(self._envelope(message), self._settings.message_limit):
            size = envelope.ByteSize() if counts else 0
            self._waiting.append((envelope, size))
            self._unsent += size

    def _envelope(self, message: FromTaskManager) -> TaskManagerMessage:
        envelope: TaskManagerMessage = to_body(
            TaskManagerMessage, message, session=to_message(self._session), epoch=self._epoch
        )
        return envelope
