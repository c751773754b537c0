"""Who is let in at a door, and whereto: members of the cluster by mutual TLS, clients by TLS, both without where that
is allowed. What each may ask is decided behind the door (`Inner`); a connection comes to one place.
"""

import ssl
from dataclasses import dataclass
from typing import Final, NamedTuple

from millstream_runtime.security import INTERNAL_NAME, ClientTls, InternalTls, check_member

NO_TLS_HERE: Final = (
    "are no gRPC but TLS; set security.ssl.internal.enabled (for a member) or security.ssl.rest.enabled (for a client) "
    "here as well, or not there"
)
"""Of the first bytes of a connection."""

_IN_WORDS: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it has shown no certificate, which everybody must who connects so",
    "UNSUPPORTED_PROTOCOL": "it speaks no TLS as new as security.ssl.protocol wants",
    "NO_SHARED_CIPHER": "it knows none of the ciphers that are used here",
    "TLSV1_ALERT_UNKNOWN_CA": "it doesn't trust the authority of the certificate shown here",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it wants a newer TLS than is spoken here",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it takes the certificate shown here for a bad one",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the certificate shown here has expired in its eyes",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it doesn't accept the certificate shown here",
}
"""OpenSSL's reasons, which name no mend."""


class NotWelcomeError(ConnectionError):
    """The connection is closed; the text says why and what would help."""


class Guest(NamedTuple):
    """Who came in."""

    inner: str
    """The socket behind the door for it."""
    proven: bool = False
    """It has shown that it is a member."""


@dataclass(frozen=True, slots=True)
class Inner:
    """The Unix sockets behind a door, by who is served there."""

    members: str
    clients: str
    """The same as the other one where nothing tells members from clients: then both are served there."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """Without TLS of one kind, connections of that kind come without any."""

    inner: Inner
    internal: InternalTls | None = None
    clients: ClientTls | None = None

    @property
    def knows_tls(self) -> bool:
        """Some connections begin with a ClientHello."""
        return self.internal is not None or self.clients is not None

    def without_tls(self) -> Guest:
        """NotWelcomeError when everybody has to use TLS."""
        if self.internal is None:
            return Guest(self.inner.members)
        if self.clients is None:
            return Guest(self.inner.clients)
        raise NotWelcomeError(
            "it doesn't speak TLS, which everybody must here; set security.ssl.internal.enabled (for a member) or "
            "security.ssl.rest.enabled (for a client) there as well"
        )

    def context(self, name: str | None) -> ssl.SSLContext:
        """For a ClientHello that asks for that name. NotWelcomeError when there is no TLS for such a one."""
        if name == INTERNAL_NAME:
            if self.internal is None:
                raise NotWelcomeError("it wants to be a member by TLS; set security.ssl.internal.enabled here as well")
            return self.internal.server_context()
        if self.clients is None:
            raise NotWelcomeError("it speaks TLS; set security.ssl.rest.enabled here as well, or not there")
        return self.clients.server_context()

    def with_tls(self, name: str | None, connection: ssl.SSLObject) -> Guest:
        """Behind the handshake. NotAMemberError when a member's certificate is none."""
        if name != INTERNAL_NAME:
            return Guest(self.inner.clients)
        check_member(connection)
        return Guest(self.inner.members, proven=True)


def words_of(error: Exception) -> str:
    """Why a connection wasn't let in."""
    if verified := str(getattr(error, "verify_message", "")):
        return f"its certificate isn't accepted: {verified}"
    reason = str(getattr(error, "reason", None) or error)
    return _IN_WORDS.get(reason, reason)
