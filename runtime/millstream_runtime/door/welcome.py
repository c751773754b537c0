"""Who is let in at a door, and whereto: members of the cluster by mutual TLS, clients by TLS, both without where that
is allowed. What each may ask is decided behind the door (`Inner`); a connection comes to one place.
"""

import ssl
from dataclasses import dataclass

from millstream_runtime.security import INTERNAL_NAME, ClientTls, InternalTls, check_member


class NotWelcomeError(ConnectionError):
    """The connection is closed; the text says why and what would help."""


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

    def without_tls(self) -> str:
        """Whereto; NotWelcomeError when everybody has to use TLS."""
        if self.internal is None:
            return self.inner.members
        if self.clients is None:
            return self.inner.clients
        raise NotWelcomeError("it doesn't speak TLS, which members and clients of this cluster must")

    def context(self, name: str | None) -> ssl.SSLContext:
        """For a ClientHello that asks for that name. NotWelcomeError when there is no TLS for such a one."""
        if name == INTERNAL_NAME:
            if self.internal is None:
                raise NotWelcomeError("it wants to be a member by TLS; set security.ssl.internal.enabled here as well")
            return self.internal.server_context()
        if self.clients is None:
            raise NotWelcomeError("it speaks TLS; set security.ssl.rest.enabled here as well, or not there")
        return self.clients.server_context()

    def with_tls(self, name: str | None, connection: ssl.SSLObject) -> str:
        """Whereto, behind the handshake. NotAMemberError when a member's certificate is none."""
        if name != INTERNAL_NAME:
            return self.inner.clients
        check_member(connection)
        return self.inner.members
