"""Mutual TLS between the processes of a cluster.

A member is whoever shows a certificate of the internal authority that carries :data:`INTERNAL_NAME`. The name is a
role, no host: containers come and go with names of their own, and every member may do what every other may.
"""

import contextlib
import ssl
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.options import security
from millstream_dataflow.configuration.rules import lacking
from millstream_runtime.security.pem_files import INTERNAL, GrpcFiles, PemFiles
from millstream_runtime.security.renewing import Renewing

if TYPE_CHECKING:
    import grpc

INTERNAL_NAME: Final = "internal.millstream"
"""In the subjectAltName of every member's certificate, and the server name (SNI) that a member asks for, by which the
JobManager's one port tells members from clients."""

GRPC_OPTIONS: Final = (("grpc.ssl_target_name_override", INTERNAL_NAME),)
"""Of a gRPC channel between members."""


class NotAMemberError(ConnectionError):
    """The other side has shown no certificate of a member."""


def check_member(connection: ssl.SSLObject | ssl.SSLSocket) -> None:
    """After the handshake, on the side that serves: NotAMemberError unless the other side is a member.

    The side that connects needs no such check: with INTERNAL_NAME as its `server_hostname` the handshake is one.
    """
    shown: dict[str, Any] = connection.getpeercert() or {}
    if ("DNS", INTERNAL_NAME) not in shown.get("subjectAltName", ()):
        what = f"its certificate lacks the name {INTERNAL_NAME}" if shown else "it has shown no certificate"
        raise NotAMemberError(f"the other side is no member of this cluster: {what}")


def internal_tls(configuration: Configuration) -> "InternalTls | None":
    """Once, when a process starts; None when `security.ssl.internal.enabled` is false.

    Raises ConfigurationError with everything that is wrong with the files, and warns of a certificate that expires
    soon. A worker, whose TaskManager has done that, makes its InternalTls itself and spares 14 MB.
    """
    if not configuration.get(security.INTERNAL_ENABLED):
        return None
    from millstream_runtime.security.checking import check  # noqa: PLC0415  # see above

    for option in (security.INTERNAL_KEYSTORE, security.INTERNAL_TRUSTSTORE):
        if (problem := lacking(configuration, security.INTERNAL_ENABLED, option)) is not None:
            raise ConfigurationError(problem)
    check(PemFiles.of(configuration, INTERNAL))
    return InternalTls(configuration)


class _Made(NamedTuple):
    server: ssl.SSLContext
    client: ssl.SSLContext
    grpc: GrpcFiles


class InternalTls:
    """What a member's connections are made with; ask for each connection, so that renewed certificates are used."""

    def __init__(self, configuration: Configuration) -> None:
        files = PemFiles.of(configuration, INTERNAL)
        self._made = Renewing(files.all, lambda: _made(files))

    def server_context(self) -> ssl.SSLContext:
        """Of the side that serves; call :func:`check_member` after the handshake."""
        return self._made.get().server

    def client_context(self) -> ssl.SSLContext:
        """Of the side that connects, with `server_hostname=INTERNAL_NAME`.

        With TLS 1.3 its handshake is over before the other side has judged its certificate: a refusal comes with the
        first read.
        """
        return self._made.get().client

    def grpc_channel_credentials(self) -> "grpc.ChannelCredentials":
        """Of a gRPC channel, together with :data:`GRPC_OPTIONS`. A channel keeps them, so make another to reconnect."""
        import grpc  # noqa: PLC0415  # workers have none

        return grpc.ssl_channel_credentials(*self._made.get().grpc)


def _made(files: PemFiles) -> _Made:
    """ConfigurationError unless a member with these files is a member to itself, which a half-written renewal isn't."""
    grpc_files = files.for_grpc()
    server, client = files.context(serving=True), files.context(serving=False)
    server.verify_mode = ssl.CERT_REQUIRED
    try:
        _meet(server, client)
    except (ssl.SSLError, NotAMemberError) as error:
        reason = getattr(error, "verify_message", "") or str(error)
        authority = security.INTERNAL_TRUSTSTORE.key
        mend = f"sign it by the authority of {authority}, with {INTERNAL_NAME} in its subjectAltName"
        assert files.keystore is not None, "who has none has shown no certificate"
        raise ConfigurationError(
            files.keystore.problem(f"members wouldn't know it for a member's: {reason}", mend)
        ) from error
    return _Made(server, client, grpc_files)


def _meet(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """A handshake of the two in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    connecting = client.wrap_bio(to_client, to_server, server_hostname=INTERNAL_NAME)
    for side in (connecting, serving, connecting, serving, connecting):  # TLS 1.2 needs them all
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    check_member(serving)
