"""How a client connects: in the clear on its own host, by TLS elsewhere, with a token where one is wanted."""

from typing import Final

from millstream.submission.quiet import grpc
from millstream.submission.refusals import Reason, failure_of, words_of
from millstream.submission.shown_tokens import Token, WithToken
from millstream_dataflow.configuration import Configuration, ConfigurationError, Problem
from millstream_dataflow.configuration.options import security
from millstream_dataflow.configuration.rules import is_loopback
from millstream_runtime.security import ClientTls, client_tls, client_token, disagreement
from millstream_runtime.security.renewing import Renewing
from millstream_runtime.security.setting_file import SettingFile

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

    def __init__(self, tls: ClientTls | None = None, token: Token | None = None, *, insecure: bool = False) -> None:
        self._tls = tls
        self._token = token
        self._insecure = insecure

    @classmethod
    def configured(cls, configuration: Configuration) -> "Access":
        """ConfigurationError for files that can't be used."""
        insecure = configuration.get(security.INSECURE)
        return cls(client_tls(configuration), _token_of(configuration), insecure=insecure)

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
        return channel if self._token is None else grpc.intercept_channel(channel, WithToken(self._token))

    def reason_of(self, error: grpc.RpcError, target: str) -> Reason:
        """What is known of it; where the two sides don't agree about TLS, what probably would help."""
        if failure_of(error) is not None:
            return Reason(words_of(error), answered=True)
        details = error.details() or ""
        if found := disagreement(details, target, "rest", by_tls=self._tls is not None):
            return Reason(found, has_mend=True)
        return Reason(words_of(error))


def _token_of(configuration: Configuration) -> Token | None:
    """As its file has it at each call; one that can't be used any more leaves the former in use."""
    file = SettingFile.of(configuration, security.TOKEN_FILE)
    if file is None:
        return None

    def read() -> str:
        token = client_token(configuration)
        assert token is not None, "a file is named, as was seen above"
        return token

    return Renewing([file], read).get


_TOKEN_IN_THE_CLEAR: Final = Problem(
    f"the token of {security.TOKEN_FILE.key} would go over the network in the clear, and whoever reads it can run code "
    "in the cluster",
    f"set {security.REST_ENABLED.key}, or, in a network where you trust everybody, {security.INSECURE.key}: true",
)


def _is_local(target: str) -> bool:
    return target.startswith("unix:") or is_loopback(target.rpartition(":")[0].strip("[]"))
