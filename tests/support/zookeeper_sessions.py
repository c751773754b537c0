"""Ends a session of ZooKeeper from outside, by ZooKeeper's own means: whoever comes with its id and password owns it,
and may close it.

The password needn't be known: ZooKeeper makes it from the id by `java.util.Random` with a constant
(`ZooKeeperServer.generatePasswd`), the same in all its releases so far.
"""

import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack

_SECRET = 0xB3415C00
_CONNECT = struct.Struct(">iiqiqi16s?")  # length, protocol, last zxid, timeout in ms, session, password, read-only
_CLOSE = struct.pack(">iii", 8, 1, -11)  # length, number of the request, closeSession


def password_of(session: int) -> bytes:
    """As `new Random(session ^ secret).nextBytes` gives it."""
    mask = (1 << 48) - 1
    seed = (session ^ _SECRET ^ 0x5DEECE66D) & mask
    password = b""
    while len(password) < 16:
        seed = (seed * 0x5DEECE66D + 0xB) & mask
        password += (seed >> 16).to_bytes(4, "little")
    return password


def close_session(host: str, port: int, session: int, connections: ExitStack) -> Callable[[], None]:
    """Ask for it; calling what is given waits until it has been done.

    Both requests go at once: the server closes the client's connection when it gets the first, and a client that is
    back before the second would own the session again.
    """
    connection = connections.enter_context(socket.create_connection((host, port), timeout=10))
    connection.sendall(
        _CONNECT.pack(_CONNECT.size - 4, 0, 0, 10_000, session, 16, password_of(session), False) + _CLOSE
    )

    def wait() -> None:
        while connection.recv(4096):
            pass

    return wait
