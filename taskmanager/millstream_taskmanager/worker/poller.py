"""Waits for sockets, behind the seam that connections know (`exchange.polling`)."""

import selectors
import socket
from collections.abc import Callable
from typing import cast

Action = Callable[[], None]


class SocketPoller:
    """Calls back from `poll`. A socket that was unregistered isn't called any more, even if it was ready by then."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._readers: dict[socket.socket, Action] = {}
        self._writers: dict[socket.socket, Action] = {}

    @property
    def descriptor(self) -> int | None:
        """Readable whenever a socket is ready. None where the system's selector is none (that of neither Linux nor
        macOS).
        """
        fileno = getattr(self._selector, "fileno", None)
        return None if fileno is None else fileno()

    def register(self, sock: socket.socket, on_readable: Action) -> None:
        """See Poller."""
        self._readers[sock] = on_readable
        self._selector.register(sock, selectors.EVENT_READ)

    def want_write(self, sock: socket.socket, on_writable: Action | None) -> None:
        """See Poller."""
        wanted = sock in self._writers
        if on_writable is None:
            self._writers.pop(sock, None)
        else:
            self._writers[sock] = on_writable
        if wanted is not (on_writable is not None):
            write = selectors.EVENT_WRITE if on_writable is not None else 0
            self._selector.modify(sock, selectors.EVENT_READ | write)

    def unregister(self, sock: socket.socket) -> None:
        """See Poller."""
        del self._readers[sock]
        self._writers.pop(sock, None)
        self._selector.unregister(sock)

    def poll(self, timeout: float | None) -> None:
        """Wait so many seconds at most (None: for ever) until a socket is ready, and call who waits for it."""
        for key, events in self._selector.select(timeout):
            sock = cast(socket.socket, key.fileobj)  # nothing else is registered
            if events & selectors.EVENT_READ and (action := self._readers.get(sock)):
                action()
            if events & selectors.EVENT_WRITE and (action := self._writers.get(sock)):
                action()

    def close(self) -> None:
        """The sockets belong to others."""
        self._selector.close()
