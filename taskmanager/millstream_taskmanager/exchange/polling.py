"""How sockets are waited for, as far as a connection needs to know. The worker's loop is behind it (ARCHITECTURE 7)."""

import socket
from collections.abc import Callable
from typing import Protocol


class Poller(Protocol):
    """Calls back between two steps, from the loop's own thread. Sockets are non-blocking."""

    def register(self, sock: socket.socket, on_readable: Callable[[], None]) -> None:
        """Call whenever there is something to read, an end or an error included."""
        ...

    def want_write(self, sock: socket.socket, on_writable: Callable[[], None] | None) -> None:
        """Call whenever the registered socket takes bytes; None: not any more."""
        ...

    def unregister(self, sock: socket.socket) -> None:
        """Forget the socket; its owner closes it."""
        ...
