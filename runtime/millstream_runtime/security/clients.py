"""TLS between clients and the JobManager: the JobManager shows a certificate with the host names by which clients know
it; a client shows a certificate where `security.ssl.rest.authentication-enabled` wants one.
"""

import ssl
from typing import TYPE_CHECKING

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.options import security
from millstream_dataflow.configuration.rules import lacking
from millstream_runtime.security.pem_files import REST, GrpcFiles, PemFiles
from millstream_runtime.security.renewing import Renewing

if TYPE_CHECKING:
    import grpc


def client_tls(configuration: Configuration, *, serving: bool = False) -> "ClientTls | None":
    """Once, when a process starts; None when `security.ssl.rest.enabled` is false. `serving` says the JobManager.

    Raises ConfigurationError with everything that is wrong with the files, and warns of a certificate that expires
    soon.
    """
    if not configuration.get(security.REST_ENABLED):
        return None
    if serving:
        wanted = (
            (security.REST_ENABLED, security.REST_KEYSTORE),
            (
                security.REST_AUTHENTICATION_ENABLED,
                security.REST_TRUSTSTORE,
            ),
        )
        if problems := [problem for pair in wanted if (problem := lacking(configuration, *pair)) is not None]:
            raise ConfigurationError(problems)
    from millstream_runtime.security.checking import check  # noqa: PLC0415  # takes 60 ms, and few have TLS

    check(PemFiles.of(configuration, REST))
    return ClientTls(configuration, serving=serving)


class ClientTls:
    """What connections of clients are made with; ask for each connection, so that renewed certificates are used."""

    def __init__(self, configuration: Configuration, *, serving: bool) -> None:
        files = PemFiles.of(configuration, REST)
        authenticates = configuration.get(security.REST_AUTHENTICATION_ENABLED)
        self._server = Renewing(files.all, lambda: _server(files, authenticates=authenticates)) if serving else None
        self._client = None if serving else Renewing(files.all, lambda: _client(files))

    def server_context(self) -> ssl.SSLContext:
        """Of the JobManager. Where clients must show a certificate, a handshake without one fails."""
        assert self._server is not None, "client_tls(..., serving=True) makes the JobManager's"
        return self._server.get()

    def grpc_channel_credentials(self) -> "grpc.ChannelCredentials":
        """Of a client's gRPC channel. A channel keeps them, so make another to reconnect."""
        import grpc  # noqa: PLC0415  # the JobManager's side needs none

        return grpc.ssl_channel_credentials(*self.for_grpc())

    def for_grpc(self) -> GrpcFiles:
        """What these are made of."""
        assert self._client is not None, "client_tls(...) makes a client's"
        return self._client.get()


def _server(files: PemFiles, *, authenticates: bool) -> ssl.SSLContext:
    context = files.context(serving=True)
    if authenticates:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _client(files: PemFiles) -> GrpcFiles:
    found = files.for_grpc()
    files.context(serving=False)  # tells whether they belong together, which gRPC would say at the first connection
    return found
