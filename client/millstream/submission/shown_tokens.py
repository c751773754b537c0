"""The token of a client, shown with each call as its file has it then: an exchange of tokens ends no program that is
connected (docs/security.md).

A call that is refused although it showed what the file had is made once more where the file has another one by now: the
two may be exchanged while it is on its way. An upload isn't, for its chunks are gone; it shows its token as it begins.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from millstream.submission.quiet import grpc
from millstream_runtime.security import authorization

Token = Callable[[], str]
"""The one that is to be shown now."""


class WithToken(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
):
    """Adds the token to each call's metadata."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:  # noqa: ANN401  # of any kind
        shown = self._token()
        call = continuation(_showing(shown, client_call_details), request)
        if call.code() is grpc.StatusCode.UNAUTHENTICATED and (renewed := self._token()) != shown:
            return continuation(_showing(renewed, client_call_details), request)
        return call

    def intercept_unary_stream(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:  # noqa: ANN401  # of any kind
        return _Stream(lambda token: continuation(_showing(token, client_call_details), request), self._token)

    def intercept_stream_unary(
        self,
        continuation: Callable[..., Any],
        client_call_details: Any,  # noqa: ANN401  # its class isn't public
        request_iterator: Iterator[Any],
    ) -> Any:  # noqa: ANN401  # of any kind
        return continuation(_showing(self._token(), client_call_details), request_iterator)


class _Call(NamedTuple):
    """What gRPC wants to be told of a call; its own class has no public constructor."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


def _showing(token: str, details: Any) -> grpc.ClientCallDetails:  # noqa: ANN401  # its class isn't public
    metadata = [*(details.metadata or ()), authorization(token)]
    call = _Call(
        details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression
    )
    return cast("grpc.ClientCallDetails", call)


class _Stream:
    """An answer of many messages, which may begin twice. One thread iterates, any may cancel."""

    def __init__(self, begin: Callable[[str], Any], token: Token) -> None:
        self._begin = begin
        self._token = token
        self._lock = threading.Lock()
        self._may_begin_again = True
        self._shown = token()
        self._call = begin(self._shown)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:  # noqa: ANN401  # a message of any kind
        try:
            message = next(self._call)
        except grpc.RpcError as error:
            if not self._begun_again(error.code()):
                raise
            message = next(self._call)
        self._may_begin_again = False
        return message

    def _begun_again(self, code: grpc.StatusCode) -> bool:
        with self._lock:
            if not self._may_begin_again or code is not grpc.StatusCode.UNAUTHENTICATED:
                return False
            self._may_begin_again = False
            if (renewed := self._token()) == self._shown:
                return False
            self._call = self._begin(renewed)
            return True

    def cancel(self) -> bool:
        """See grpc.Future."""
        with self._lock:
            self._may_begin_again = False
            return bool(self._call.cancel())

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # all else that gRPC's own have
        return getattr(self._call, name)
