"""How a gateway says no: a gRPC status, its sentence as the details, and the whole failure beside it.

The failure travels as a `Failure` message in the trailing metadata under `millstream-failure-bin`, cut to fit gRPC's
8 KiB for all metadata of a call. The codes, and what a client does about each:

    INVALID_ARGUMENT     the request itself is wrong (a graph that can't run, bytes that don't match): mend it
    NOT_FOUND            there is no such job, operator or blob
    FAILED_PRECONDITION  it is there, but in a state in which this can't be asked
    RESOURCE_EXHAUSTED   too large, or too many at once
    UNAVAILABLE          not now: another leads, the store has no room, nobody answered; try again
    UNAUTHENTICATED      no token that is known; nothing of the request was read
    INTERNAL             a fault of Millstream
"""

from dataclasses import replace
from typing import NoReturn

import grpc

from millstream_runtime.leadership.nodes import LEADER_KEY
from millstream_runtime.messages.codec import encode
from millstream_runtime.messages.failures import Failure, FailureKind

FAILURE_KEY = "millstream-failure-bin"
MAX_DETAILS = 400
"""Bytes of the sentence as the status' details, which HTTP/2 may spell as three times as many."""
MAX_FAILURE_TEXT = 2000
"""Bytes of the sentence in the failure; with the other fields, and as base64, at most 4.5 KiB."""
MAX_FIELD = 400
"""Bytes of each of its other fields."""


class RefusalError(Exception):
    """The call ends with this status and failure."""

    def __init__(self, code: grpc.StatusCode, failure: Failure) -> None:
        super().__init__(failure.message)
        self.code = code
        self.failure = failure
        self.leader = ""
        """Who should be asked instead, `host:port`; where nobody is known, nothing."""


def invalid(text: str) -> RefusalError:
    """The request itself is wrong."""
    return RefusalError(grpc.StatusCode.INVALID_ARGUMENT, Failure(FailureKind.USER, text))


def not_found(text: str) -> RefusalError:
    """There is no such thing."""
    return RefusalError(grpc.StatusCode.NOT_FOUND, Failure(FailureKind.USER, text))


def ended(text: str) -> RefusalError:
    """It is there, but this can't be asked of it any more."""
    return RefusalError(grpc.StatusCode.FAILED_PRECONDITION, Failure(FailureKind.USER, text))


def not_now(text: str) -> RefusalError:
    """Trying again makes sense."""
    return RefusalError(grpc.StatusCode.UNAVAILABLE, Failure(FailureKind.EXTERNAL, text))


def too_large(text: str) -> RefusalError:
    """Above a limit; the sentence names the option."""
    return RefusalError(grpc.StatusCode.RESOURCE_EXHAUSTED, Failure(FailureKind.USER, text))


def unauthenticated(text: str) -> RefusalError:
    """It isn't known who asks."""
    return RefusalError(grpc.StatusCode.UNAUTHENTICATED, Failure(FailureKind.USER, text))


def internal(text: str) -> RefusalError:
    """A fault of ours."""
    return RefusalError(grpc.StatusCode.INTERNAL, Failure(FailureKind.INTERNAL, text))


async def refuse(context: grpc.aio.ServicerContext[object, object], refusal: RefusalError) -> NoReturn:
    """End the call; never returns."""
    failure = refusal.failure
    short = replace(
        failure,
        message=_cut(failure.message, MAX_FAILURE_TEXT),
        operator=_cut(failure.operator, MAX_FIELD),
        record=_cut(failure.record, MAX_FIELD),
        source_line=_cut(failure.source_line, MAX_FIELD),
        traceback="",
    )
    details = _cut(failure.message, MAX_DETAILS)
    leader = ((LEADER_KEY, refusal.leader),) if refusal.leader else ()
    await context.abort(refusal.code, details, trailing_metadata=((FAILURE_KEY, encode(short)), *leader))


def _cut(text: str, size: int) -> str:
    data = text.encode(errors="replace")
    return text if len(data) <= size else data[: size - 3].decode(errors="ignore") + "..."
