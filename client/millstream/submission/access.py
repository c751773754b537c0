"""How a client connects: in the clear on its own host, by TLS elsewhere, with a token where one is wanted."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, cast

import grpc

from millstream_dataflow.configuration import Configuration
from millstream_runtime.security import ClientTls, authorization, client_tls, client_token

_OPTIONS: Final = (
    # The details of a job of a thousand subtasks take 200 KiB; gRPC's own limit is 4 MiB.
    ("grpc.max_receive_message_length", 64 << 20),
    # gRPC would wait up to two minutes before it looks whether a JobManager is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A proxy for the web leads nowhere near a cluster.
    ("grpc.enable_http_proxy", 0),
)


class Access:
    """Makes channels. Without TLS and token unless it is `configured`."""

    def __init__(self, tls: ClientTls | None = None, token: str | None = None) -> None:
        self._tls = tls
        self._token = token

    @classmethod
    def configured(cls, configuration: Configuration) -> "Access":
        """ConfigurationError for files that can't be used."""
        return cls(client_tls(configuration), client_token(configuration))

    def channel(self, target: str) -> grpc.Channel:
        """Connects when it is first used. Certificates that were renewed are used by the next channel."""
        if self._tls is None:
            channel = grpc.insecure_channel(target, options=_OPTIONS)
        else:
            channel = grpc.secure_channel(target, self._tls.grpc_channel_credentials(), options=_OPTIONS)
        return channel if self._token is None else grpc.intercept_channel(channel, _WithToken(self._token))


class _Call(NamedTuple):
    """What gRPC wants to be told of a call; its own class has no public constructor."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _WithToken(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
):
    """Adds the token to each call's metadata."""

    def __init__(self, token: str) -> None:
        self._entry = authorization(token)

    def _shown(self, details: Any) -> grpc.ClientCallDetails:  # noqa: ANN401  # gRPC's
        metadata = [*(details.metadata or ()), self._entry]
        call = _Call(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression
        )
        return cast("grpc.ClientCallDetails", call)

    def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:  # noqa: ANN401  # gRPC's
        return continuation(self._shown(client_call_details), request)

    def intercept_unary_stream(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:  # noqa: ANN401  # gRPC's
        return continuation(self._shown(client_call_details), request)

    def intercept_stream_unary(
        self,
        continuation: Callable[..., Any],
        client_call_details: Any,  # noqa: ANN401  # gRPC's
        request_iterator: Iterator[Any],
    ) -> Any:  # noqa: ANN401  # gRPC's
        return continuation(self._shown(client_call_details), request_iterator)
