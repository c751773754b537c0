"""A connection with one JobManager, left when somebody looks for the leader again, and closed when nobody uses it.

gRPC keeps a channel's certificates for its life, also where it connects anew. So whoever moves takes a new channel, to
the same address too: there a JobManager may have been started again, and certificates have been renewed. Calls that
others have under way on the former one end as they would have.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from millstream.submission.quiet import grpc
from millstream_proto import client_pb2_grpc


class Connection:
    """Connects when it is first used. Thread-safe."""

    def __init__(self, channel: grpc.Channel, closed: Callable[["Connection"], object]) -> None:
        """`closed` hears that it was left and has ended."""
        self._channel = channel
        self._calls = client_pb2_grpc.ClientGatewayStub(channel)
        self._closed = closed
        self._lock = threading.Lock()
        self._under_way = 0
        self._left = False

    @contextmanager
    def call(self) -> Generator[client_pb2_grpc.ClientGatewayStub]:
        """For a call that is over at the block's end. ConnectionLeftError for one that is closed."""
        self._begin()
        try:
            yield self._calls
        finally:
            self._end()

    def stream(self, begin: Callable[[client_pb2_grpc.ClientGatewayStub], Any]) -> Any:  # noqa: ANN401  # gRPC's stream has no public type
        """One that `begin` makes, under way until it has ended. ConnectionLeftError as above."""
        with self.call() as calls:
            stream = begin(calls)
            self._begin()
            if not stream.add_callback(self._stream_ended):
                self._end()  # it has ended already
            return stream

    def leave(self) -> None:
        """Nobody begins a call any more, but who has just taken it."""
        with self._lock:
            self._left = True
            idle = self._under_way == 0
        if idle:
            self.close()

    def close(self) -> None:
        """Every call and stream that is under way ends."""
        self._channel.close()
        self._closed(self)

    def _begin(self) -> None:
        with self._lock:
            if self._left and self._under_way == 0:
                raise ConnectionLeftError
            self._under_way += 1

    def _end(self) -> None:
        if self._is_last():
            self.close()

    def _stream_ended(self) -> None:
        """In gRPC's thread, for which `close` waits: the end of a stream may come before its last message is taken."""
        if self._is_last():
            threading.Thread(target=self.close, name="millstream-left-connection", daemon=True).start()

    def _is_last(self) -> bool:
        """Whether the call or stream that has just ended was."""
        with self._lock:
            self._under_way -= 1
            return self._left and self._under_way == 0


class ConnectionLeftError(Exception):
    """Somebody has moved meanwhile: there is a newer one."""
