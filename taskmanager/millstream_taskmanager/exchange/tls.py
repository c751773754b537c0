"""Mutual TLS between workers of two hosts (law 9.3): both ends show a certificate of the cluster's own authority.

OpenSSL reads and writes memory here, never the socket. So what has come is decrypted at once and nothing hides from the
poller, and what is to go has left the sender's buffers as soon as it is encrypted. The system gets 128 KiB by one call,
for which OpenSSL would make eight, and takes them by one of sixteen; that pays for the copies.

TLS begins by itself, with the first word that is to be sent or that comes. An end without its `close_notify` means
nothing: what is complete is said by the End frames of the channels, with TLS as without.
"""

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, cast

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.options import security
from millstream_runtime.security import INTERNAL_NAME, InternalTls, check_member
from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.wire import ON_BOTH, SPEAKS_TLS, PlainWires, Wire, Wires, begins_tls

_LOT: Final = 128 << 10  # bytes that are encrypted, or received, at a time
_SMALL: Final = 4 << 10  # bytes: shorter buffers go together, as each call makes a record of its own

_UNTRUSTED: Final = frozenset({18, 19, 20, 21})  # X509_V_ERR: a chain that ends elsewhere, in four ways
_ANOTHER_AUTHORITY: Final = f"its certificate is of no authority in {security.INTERNAL_TRUSTSTORE.key}"


class TlsError(ExchangeError):
    """The other end speaks no TLS, is no member of the cluster, or doesn't take us for one."""


def wires_between_hosts(cluster: Configuration) -> Wires:
    """As the cluster's configuration says; a job's own has no say in it. TlsError when the files can't be used: they
    could when the TaskManager started, so they are being renewed, or are gone for others too.
    """
    if not cluster.get(security.INTERNAL_ENABLED):
        return PlainWires()
    try:
        return TlsWires(InternalTls(cluster))
    except ConfigurationError as error:
        raise TlsError(f"no connection with workers of other hosts can be made: {error}") from error


class TlsWires:
    """Makes them, each with the certificates as they are by then."""

    def __init__(self, tls: InternalTls) -> None:
        self._tls = tls
        self._came = memoryview(bytearray(_LOT))  # of one wire at a time, which empties it at once

    def calling(self, sock: socket.socket) -> Wire:
        """See Wires."""
        return TlsWire(sock, self._tls.client_context(), self._came, answers=False)

    def answering(self, sock: socket.socket) -> Wire:
        """See Wires."""
        return TlsWire(sock, self._tls.server_context(), self._came, answers=True)


class TlsWire:
    """See the module, and Wire."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, came: memoryview, *, answers: bool) -> None:
        self.sock = sock
        self.holds = False
        """Whether OpenSSL has more than it has been asked for."""
        self._came = came
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if answers else INTERNAL_NAME
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=answers, server_hostname=name)
        self._answers = answers
        self._heard = False
        self._stands = False  # both ends know each other
        self._early = b""  # what waits for that
        self._unsent = memoryview(b"")

    def receive(self, room: Sequence[memoryview]) -> int:
        """See Wire."""
        if not self.holds:
            count = self.sock.recv_into(self._came)
            if count == 0:
                return 0
            if not self._heard:
                self._hear(self._came[:count])
            self._incoming.write(self._came[:count])
            self.holds = True
        if not self._stands:
            self._introduce()
        return self._decrypt(room)

    def send(self, buffers: Sequence[Buffer]) -> int:
        """See Wire."""
        if not self._stands:
            self._early += b"".join(buffers)
            with suppress(BlockingIOError):
                self._introduce()
            return sum(map(len, buffers))
        self.flush()
        size = self._encrypt(buffers)
        with suppress(OSError):  # these are taken, whatever the system says; the next flush hears it again
            self.flush()
        return size

    def flush(self) -> None:
        """See Wire."""
        while self._unsent or self._outgoing.pending:
            if not self._unsent:
                self._unsent = memoryview(self._outgoing.read())
            self._unsent = self._unsent[self.sock.send(self._unsent) :]

    def _hear(self, said: memoryview) -> None:
        """The first bytes that come."""
        self._heard = True
        if not begins_tls(said):
            self._outgoing.write(SPEAKS_TLS)
            with suppress(OSError):
                self.flush()
            raise TlsError(f"it doesn't speak TLS: {ON_BOTH}")

    def _introduce(self) -> None:
        """A step of the handshake; BlockingIOError unless it was the last."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self.holds = False
            self._say()
            raise BlockingIOError from None
        except ssl.SSLError as error:
            with suppress(OSError):  # why, for the other end
                self.flush()
            raise TlsError(_words(error)) from error
        if self._answers:
            check_member(self._tls)
        self._stands = True
        if self._early:
            self._tls.write(self._early)
            self._early = b""
        self._say()

    def _say(self) -> None:
        """A word of the handshake; a fresh socket has room for it."""
        try:
            self.flush()
        except BlockingIOError:
            raise TlsError("the system doesn't take the bytes of a handshake") from None

    def _decrypt(self, room: Sequence[memoryview]) -> int:
        """What it holds, as far as there is room."""
        filled = 0
        try:
            for part in room:
                done = 0
                while done < len(part):
                    count = cast(int, self._tls.read(len(part) - done, part[done:]))  # bytes without a buffer
                    if count == 0:  # it has ended TLS; said again at the next call
                        return filled
                    done += count
                    filled += count
        except ssl.SSLWantReadError:
            self.holds = False
            if not filled:
                raise BlockingIOError from None
        except ssl.SSLError as error:
            raise TlsError(_words(error)) from error
        return filled

    def _encrypt(self, buffers: Sequence[Buffer]) -> int:
        """A lot of them at most."""
        size = 0
        small: list[Buffer] = []
        for buffer in buffers:
            part = memoryview(buffer)[: _LOT - size]
            size += len(part)
            if len(part) < _SMALL:
                small.append(part)
            else:
                self._write(small)
                self._tls.write(part)
            if size == _LOT:
                break
        self._write(small)
        return size

    def _write(self, small: list[Buffer]) -> None:
        """As one record, or few. OpenSSL knows no record of nothing."""
        if together := b"".join(small):
            self._tls.write(together)
        small.clear()


def _words(error: ssl.SSLError) -> str:
    """For people who don't know OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _ANOTHER_AUTHORITY if error.verify_code in _UNTRUSTED else error.verify_message
        return f"it is no member of this cluster: {why}"
    reason = error.reason or str(error)
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "it is no member of this cluster: it has shown no certificate"
    if "ALERT_" in reason:
        return f"it ended TLS with us: {reason.partition('ALERT_')[2].replace('_', ' ').lower()}"
    return f"TLS failed: {reason.replace('_', ' ').lower()}"
