"""A server that speaks as much of ZooKeeper's protocol as tests of its clients need, in this process: it lets everybody
in, has the same data in every node, or none, and can freeze.
"""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading

_CONNECTED = struct.Struct(">iiqi16s?")  # protocol, timeout in ms, session, password, read-only
_REQUEST = struct.Struct(">ii")  # its number, what is asked
_REPLY = struct.Struct(">iqi")  # number, last transaction, error
_STAT = struct.Struct(">qqqqiiiqiiq")
_GET_DATA, _NO_NODE = 4, -101


class SmallZooKeeper(socketserver.ThreadingTCPServer):
    """Listens from now on."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, timeout_ms: int = 60_000) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.timeout_ms = timeout_ms
        self.data: bytes | None = None
        """Of each node; None: there are no nodes."""
        self.asked = 0
        """Questions for nodes."""
        self.let_in = 0
        """How often somebody was."""
        self.thawed = threading.Event()
        self.thawed.set()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def hosts(self) -> str:
        """What a client is told."""
        return f"127.0.0.1:{self.server_address[1]}"

    def freeze(self) -> None:
        """It takes connections, and says nothing."""
        self.thawed.clear()

    def close(self) -> None:
        """Nobody is answered any more."""
        self.shutdown()
        self.server_close()
        self.thawed.set()

    def answer(self, kind: int) -> tuple[int, bytes]:
        """Its error, and what follows."""
        if kind <= 0 or kind == 11:  # a ping, or the end
            return 0, b""
        self.asked += 1
        if self.data is None:
            return _NO_NODE, b""
        data = struct.pack(">i", len(self.data)) + self.data if kind == _GET_DATA else b""
        return 0, data + _STAT.pack(1, 1, 0, 0, 0, 0, 0, 0, len(self.data), 0, 1)


class SmallEnsemble:
    """Two servers that say the same, until one of them is frozen."""

    def __init__(self, data: bytes) -> None:
        self._servers = (SmallZooKeeper(), SmallZooKeeper())
        self.say(data)
        self.hosts = ",".join(server.hosts for server in self._servers)

    def say(self, data: bytes) -> None:
        """Each node has that; no watch tells."""
        for server in self._servers:
            server.data = data

    @property
    def sessions(self) -> int:
        """How often somebody was let in."""
        return sum(server.let_in for server in self._servers)

    @property
    def asked(self) -> int:
        """Questions for nodes."""
        return sum(server.asked for server in self._servers)

    def freeze_the_one_in_use(self, data: bytes) -> None:
        """And the other one has other data from now on."""
        (used,) = (server for server in self._servers if server.asked)
        used.freeze()
        (other,) = (server for server in self._servers if server is not used)
        other.data = data

    def close(self) -> None:
        """Nobody is answered any more."""
        for server in self._servers:
            server.close()


class _Conversation(socketserver.StreamRequestHandler):
    """With one client, until it goes."""

    @property
    def _small(self) -> SmallZooKeeper:
        assert isinstance(self.server, SmallZooKeeper)
        return self.server

    def handle(self) -> None:
        with contextlib.suppress(OSError, struct.error):  # it has gone
            self._frame()
            self._say(_CONNECTED.pack(0, self._small.timeout_ms, 1, 16, b"p" * 16, False))
            self._small.let_in += 1
            while True:
                number, kind = _REQUEST.unpack_from(self._frame())
                error, more = self._small.answer(kind)
                self._say(_REPLY.pack(number, 1, error) + more)

    def _frame(self) -> bytes:
        (length,) = struct.unpack(">i", self.rfile.read(4))
        return self.rfile.read(length)

    def _say(self, words: bytes) -> None:
        self._small.thawed.wait()
        self.wfile.write(struct.pack(">i", len(words)) + words)
