"""A session with ZooKeeper that never gives up, never hangs, and says why it has no connection.

kazoo keeps sessions well, but it stops for good when a name or password is refused (a server may be mended, and a
connection that breaks at that moment counts as a refusal) and at each error that it doesn't expect, waits a whole
session timeout for a host that is gone, also when it should end, trusts the authorities of the system beside those it
is given, and keeps to itself what the servers granted. Here three of its doors are replaced: how a socket is opened,
how a connection is made of it, and what its thread does.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from typing import Any, Final

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, ConnectionDropped, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError, SequentialThreadingHandler
from kazoo.protocol.states import KeeperState

from millstream_runtime.threads import Threads

CONNECTED_S: Final = 3.0
"""For one host: its first word may be lost twice, after 1 and 2 more seconds. The next one is tried then."""
FAREWELL_S: Final = 1.0
"""For the answer to the last word of a session. Without it the session ends by its timeout."""
AFRESH_S: Final = 1.0
"""After an end of kazoo's loop that nobody asked for. Such errors pass (there was no room for one more thread), and one
that stays costs a try a second.
"""

_log = logging.getLogger("millstream.leadership")

Context = Callable[[], ssl.SSLContext]
"""Made for each connection, since certificates are renewed. OSError when its files can't be used."""


class Sockets(SequentialThreadingHandler):  # type: ignore[misc]  # kazoo has no types
    """Opens those of one client, one after the other."""

    def __init__(self, context: Context | None) -> None:
        super().__init__()
        self._context = context
        self._lock = threading.Lock()
        self._open: socket.socket | None = None
        self._shut = False

    def create_connection(
        self, address: tuple[str, int], hostname: str, timeout: float, **_others: object
    ) -> socket.socket:
        """As kazoo calls it."""
        try:
            raw = socket.create_connection(address, min(timeout, CONNECTED_S))
            try:
                return self._kept(raw, hostname)
            except BaseException:
                raw.close()
                raise
        except OSError as error:
            raise ConnectionDropped(f"{hostname}:{address[1]}: {error.strerror or error}") from error

    def _kept(self, raw: socket.socket, hostname: str) -> socket.socket:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened = raw if self._context is None else self._context().wrap_socket(raw, server_hostname=hostname)
        with self._lock:
            self._open = opened
            if self._shut:
                opened.close()
                raise ConnectionDropped("the session ends")
        return opened

    def drop(self) -> None:
        """Whoever waits for an answer gets none; another server is tried."""
        with self._lock:
            if self._open is not None:
                with contextlib.suppress(OSError):  # nobody is there any more
                    self._open.shutdown(socket.SHUT_RDWR)

    def shut(self) -> None:
        """The same, and no other one is opened."""
        with self._lock:
            self._shut = True
        self.drop()


class Session:
    """Of one client, which was made with these sockets and isn't started yet."""

    def __init__(self, client: KazooClient, sockets: Sockets) -> None:
        self._client = client
        self._sockets = sockets
        self.granted = 0
        """Milliseconds of session timeout, as the servers granted it; 0 before the first connection."""
        self.denied = False
        """The servers have refused the name or password of this process. It goes on trying."""
        self.doubt = ""
        """Why the last connection could not be made; empty once one stands."""
        self._replace_connecting()
        self._replace_loop()

    def _replace_connecting(self) -> None:
        connection: Any = self._client._connection  # noqa: SLF001  # see the module; tests hold what hangs on it
        connect = connection._connect  # noqa: SLF001  # as above

        def connecting(*arguments: Any) -> tuple[float, float]:  # noqa: ANN401  # whatever kazoo passes
            # A frozen server takes connections and says nothing; kazoo would wait a whole session timeout for it.
            try:
                with _impatience(2 * CONNECTED_S, self._sockets.drop):
                    read_timeout, connect_timeout = connect(*arguments)
            except SessionExpiredError:
                raise
            except Exception as error:
                raise self._failed(error) from error
            self.granted = int(read_timeout * 3 / 2)  # kazoo reads for two thirds of it
            self.denied, self.doubt = False, ""
            return read_timeout, connect_timeout

        connection._connect = connecting  # noqa: SLF001  # as above

    def _replace_loop(self) -> None:
        """Without its thread kazoo refuses every question, and nobody hears of it: so its loop is begun anew, in a new
        session, until it is to end. Whoever listens is told that the former session is lost, by kazoo itself.
        """
        connection: Any = self._client._connection  # noqa: SLF001  # see the module; tests hold what hangs on it
        loop, ending = connection.zk_loop, self._client._stopped  # noqa: SLF001  # as above

        def looping() -> None:
            while True:
                try:
                    loop()
                except Exception as error:  # noqa: BLE001  # whatever it is, the next try may go well
                    self.doubt = str(error) or type(error).__name__
                    _log.exception("the connection to ZooKeeper has ended by an error; it is made anew")
                if ending.wait(AFRESH_S):
                    return

        connection.zk_loop = looping

    def _failed(self, error: Exception) -> Exception:
        self.doubt = str(error) or type(error).__name__
        # kazoo says the same when the connection breaks while a name is being proved.
        if isinstance(error, AuthFailedError) and not isinstance(error.__cause__, ConnectionDropped):
            self.denied = True
            self.doubt = "the name or password of this process is refused"
        dropped: Exception = ConnectionDropped(self.doubt)
        return error if isinstance(error, KazooTimeoutError) else dropped

    def start(self) -> None:
        """Begin to connect. What is asked from now on waits for a connection; kazoo would refuse it at first."""
        self._client._state = KeeperState.CONNECTING  # noqa: SLF001  # as its thread does when it has begun
        self._client.start_async()

    def hang_up(self) -> None:
        """The server that one is connected to doesn't answer: go to another one, in the same session."""
        self._sockets.drop()

    def stop(self) -> None:
        """End the session, and all nodes that live with it. Blocks, for FAREWELL_S and CONNECTED_S at most: kazoo joins
        its thread, which may hang in a resolver for longer than that. It then ends by itself, and opens no socket more.
        """
        farewell = Threads(1, "millstream-farewell")
        if farewell.close(FAREWELL_S, self._end):
            return
        self._sockets.shut()
        if not farewell.close(CONNECTED_S):
            _log.warning("the connection to ZooKeeper hangs; this process ends without it")

    def _end(self) -> None:
        self._client.stop()
        self._client.close()


@contextlib.contextmanager
def _impatience(seconds: float, over: Callable[[], None]) -> Generator[None]:
    """`over` is called when what is done within takes longer."""
    timer = threading.Timer(seconds, over)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
