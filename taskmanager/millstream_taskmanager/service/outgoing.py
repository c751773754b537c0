"""What waits to be written into one session: in order, in parts where it is large, bounded in bytes.

Heartbeats go first: they say only that the TaskManager is there, and may overtake anything (law 3.3). What users' code
prints is the one thing that is left out when the JobManager doesn't take it fast enough; its reader is told how much,
before anything else is said: with the end of its task the reader may be gone.
"""

import asyncio
from collections import deque
from typing import Final

from millstream_dataflow.identity import Epoch, SessionId, TaskId
from millstream_proto.session_pb2 import TaskManagerMessage
from millstream_runtime.messages.codec import to_body, to_message
from millstream_runtime.messages.parts import split_message
from millstream_runtime.messages.session import FromTaskManager, Heartbeat, TaskOutput
from millstream_taskmanager.service.settings import LinkSettings

_LEFT_OUT: Final = "[{count:,} lines of output were dropped here: they came faster than the JobManager took them]\n"


class TooMuchUnsentError(RuntimeError):
    """The JobManager doesn't take what it must know."""


class Outgoing:
    """Of one session."""

    def __init__(self, session: SessionId, settings: LinkSettings) -> None:
        self._session = session
        self._settings = settings
        self._urgent = deque[TaskManagerMessage]()
        self._waiting = deque[tuple[TaskManagerMessage, int, int]]()
        """With its bytes, and how many of them are output."""
        self._unsent = self._output = 0
        self._left_out: dict[tuple[TaskId, bool], int] = {}
        self._epoch = Epoch(0)
        self._changed = asyncio.Event()
        self._finished = False

    def put(self, message: FromTaskManager, epoch: Epoch) -> None:
        """TooMuchUnsentError: the session is of no use any more."""
        self._epoch = epoch
        if isinstance(message, Heartbeat):
            self._urgent.append(self._envelope(message))
        elif isinstance(message, TaskOutput):
            self._put_output(message)
        else:
            self._tell_left_out()
            self._put(message, is_output=False)
            if self._unsent - self._output > self._settings.unsent_limit:
                raise TooMuchUnsentError(
                    f"the JobManager hasn't taken {self._unsent - self._output:,} bytes of messages"
                )
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
        envelope, size, output = self._waiting.popleft()
        self._unsent -= size
        self._output -= output
        if not self._output:
            self._tell_left_out()
        return envelope

    def _put(self, message: FromTaskManager, *, is_output: bool) -> None:
        for envelope in split_message(self._envelope(message), self._settings.message_limit):
            size = envelope.ByteSize()
            output = size if is_output else 0
            self._waiting.append((envelope, size, output))
            self._unsent += size
            self._output += output

    def _envelope(self, message: FromTaskManager) -> TaskManagerMessage:
        envelope: TaskManagerMessage = to_body(
            TaskManagerMessage, message, session=to_message(self._session), epoch=self._epoch
        )
        return envelope

    def _put_output(self, message: TaskOutput) -> None:
        place = message.task, message.error_stream
        if place in self._left_out or self._output + len(message.text) > self._settings.output_limit:
            self._left_out[place] = self._left_out.get(place, 0) + message.text.count("\n")
        else:
            self._put(message, is_output=True)

    def _tell_left_out(self) -> None:
        """Where nothing was left out, nothing."""
        for (task, error_stream), count in self._left_out.items():
            self._put(TaskOutput(task, error_stream, _LEFT_OUT.format(count=count)), is_output=True)
        self._left_out.clear()
