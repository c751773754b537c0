"""How a client connects: in the clear on its own host, by TLS elsewhere, with a token where one is wanted."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, cast

import grpc

from millstream.submission.refusals import failure_of, words_of
from millstream_dataflow.configuration import Configuration, ConfigurationError, Problem
from millstream_dataflow.configuration.options import security
from millstream_dataflow.configuration.rules import is_loopback
from millstream_runtime.security import ClientTls, authorization, client_tls, client_token, disagreement

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

    def __init__(self, tls: ClientTls | None = None, token: str | None = None, *, insecure: bool = False) -> None:
        self._tls = tls
        self._token = token
        self._insecure = insecure

    @classmethod
    def configured(cls, configuration: Configuration) -> "Access":
        """ConfigurationError for files that can't be used."""
        insecure = configuration.get(security.INSECURE)
        return cls(client_tls(configuration), client_token(configuration), insecure=insecure)

    def channel(self, target: str) -> grpc.Channel:
        """Connects when it is first used. Certificates that were renewed are used by the next channel.

        ConfigurationError for one that would send the token over a network in the clear.
        """
        if self._tls is not None:
            channel = grpc.secure_channel(target, self._tls.grpc_channel_credentials(), options=_OPTIONS)
        else:
            if self._token is not None and not self._insecure and not _is_local(target):
                raise ConfigurationError(_TOKEN_IN_THE_CLEAR)
            channel = grpc.insecure_channel(target, options=_OPTIONS)
        return channel if self._token is None else grpc.intercept_channel(channel, _WithToken(self._token))

    def words_of(self, error: grpc.RpcError, target: str) -> str:
        """What is known of it, a sentence; where the two sides don't agree about TLS, what probably would help."""
        if failure_of(error) is None:
            details = error.details() or ""
            if found := disagreement(details, target, "rest", by_tls=self._tls is not None):
                return found
        return words_of(error)


_TOKEN_IN_THE_CLEAR: Final = Problem(
    f"the token of {security.TOKEN_FILE.key} would go over the network in the clear, and whoever reads it can run code "
    "in the cluster",
    f"set {security.REST_ENABLED.key}, or, in a network where you trust everybody, {security.INSECURE.key}: true",
)


def _is_local(target: str) -> bool:
    return target.startswith("unix:") or is_loopback(target.rpartition(":")[0].strip("[]"))


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

    def _shown(self, details: Any) -> grpc.ClientCallDetails:  # noqa: ANN401  # its class isn't public
        metadata = [*(details.metadata or ()), self._entry]
        call = _Call(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression
        )
        return cast("grpc.ClientCallDetails", call)

    def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:  # noqa: ANN401  # of any kind
        return continuation(self._shown(client_call_details), request)

    intercept_unary_stream = intercept_unary_unary

    def intercept_stream_unary(
        self,
        continuation: Callable[..., Any],
        client_call_details: Any,  # noqa: ANN401  # its class isn't public
        request_iterator: Iterator[Any],
    ) -> Any:  # noqa: ANN401  # of any kind
        return continuation(self._shown(client_call_details), request_iterator)
