"""The worker's end of the socket between it and its TaskManager, waited for in the worker's loop."""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from millstream_proto import worker_pb2
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import CheckpointAcknowledged, CheckpointDeclined, OperatorReply
from millstream_runtime.messages.worker import FromWorker, ToWorker
from millstream_taskmanager.exchange.polling import Poller
from millstream_taskmanager.user_code.forks import leave_if_forked
from millstream_taskmanager.worker.framing import MessageSocket

CONGESTED_BYTES: Final = 1 << 20
"""So much may wait for the TaskManager before output is held back. Other messages are never held back: they are few."""


class TaskManagerGoneError(Exception):
    """The socket has ended: nobody is there to work for."""


class Control:
    """Calls `on_message` between steps for each that has come."""

    def __init__(self, sock: socket.socket, poller: Poller, on_message: Callable[[ToWorker], None]) -> None:
        self._messages = MessageSocket(sock, worker_pb2.FromWorker, worker_pb2.ToWorker, ToWorker)
        self._poller = poller
        self._on_message = on_message
        poller.register(sock, self._read)

    def say(self, message: FromWorker) -> None:
        """Send, or queue it when the TaskManager is slow. Never raises: that it is gone is found by reading."""
        leave_if_forked()
        try:
            self._messages.send(message)
        except ValueError as error:
            self._messages.send(_too_large(message, str(error)))
        self._write()

    @property
    def congested(self) -> bool:
        """Whether the TaskManager takes less than is said."""
        return self._messages.unsent > CONGESTED_BYTES

    @property
    def unsent(self) -> int:
        """Bytes that wait for the TaskManager."""
        return self._messages.unsent

    def take_socket(self) -> socket.socket:
        """What came along with the message at hand."""
        descriptor = self._messages.take_descriptor()
        if descriptor is None:
            raise ValueError("a peer's connection was announced, but no descriptor came along")
        return socket.socket(fileno=descriptor)

    def _read(self) -> None:
        try:
            for message in self._messages.receive():
                self._on_message(message)
        except EOFError as error:
            raise TaskManagerGoneError("the TaskManager is gone") from error

    def _write(self) -> None:
        with suppress(OSError):
            done = self._messages.flush()
            self._poller.want_write(self._messages.socket, None if done else self._write)


def _too_large(message: FromWorker, reason: str) -> FromWorker:
    """What is said in the place of a message that is too large for the socket."""
    match message:
        case OperatorReply():
            return replace(message, payload=b"", failure=Failure(FailureKind.INTERNAL, reason))
        case CheckpointAcknowledged(task=task, checkpoint=checkpoint):
            return CheckpointDeclined(task, checkpoint, Failure(FailureKind.INTERNAL, reason))
        case _:
            raise ValueError(reason)
