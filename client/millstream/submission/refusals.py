"""What a JobManager's no means to a program: a gRPC error as one of our exceptions.

Every refusal carries a `Failure` in the trailing metadata; one that has none was made by gRPC itself or by something
that is no JobManager, and only its status and words are known.
"""

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from millstream.errors import ClusterUnreachableError, ExecutionError, JobNotFoundError, RequestRefusedError
from millstream.submission.quiet import grpc
from millstream_dataflow.identity import JobId
from millstream_runtime.leadership.nodes import LEADER_KEY
from millstream_runtime.messages.codec import MalformedMessageError, decode
from millstream_runtime.messages.failures import NOT_STORED, Failure
from millstream_runtime.security.disagreement import NEVER_CONNECTED

FAILURE_KEY: Final = "millstream-failure-bin"
"""The trailing metadata that holds the failure; gRPC carries bytes under keys that end so."""

_PASSING: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
"""Nobody there, or nobody who answers yet."""

_TOO_MANY: Final = frozenset({grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED})
"""What gRPC says of calls while there are too many: beyond those that are answered, and beyond those that wait for it.
A JobManager says the first of what is too large, which no waiting mends.
"""

_TOO_LARGE: Final = "message larger than max"
"""In gRPC's words for one that stays too large, however often it is sent."""

NO_DESCRIPTORS: Final = os.strerror(errno.EMFILE)
"""In the words of an error that no waiting mends, wherever it arose."""

MORE_DESCRIPTORS: Final = "raise the limit of open files where it was started (ulimit -n 1024)"
"""What does."""

_LAST_ADDRESS: Final = re.compile(rf"^{NEVER_CONNECTED}; last error: \w+: \S+: (?:[^:]*: )?(.+)$")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a call has had no answer yet that decides."""

    words: str
    """A sentence."""
    answered: bool = False
    """The JobManager has given it itself."""
    has_mend: bool = False
    """The sentence says what to do about it."""


def words_of(error: grpc.RpcError) -> str:
    """What is known of it, a sentence."""
    if (failure := failure_of(error)) is not None:
        return str(failure)
    return _without_address(error.details() or "") or error.code().name


def _without_address(details: str) -> str:
    """What gRPC says of a connection, without the address that it tried last: nobody has asked for that one."""
    found = _LAST_ADDRESS.search(details)
    return found.group(1) if found else details


def failure_of(error: grpc.RpcError) -> Failure | None:
    """The failure that a JobManager sent with its refusal."""
    metadata = cast(Sequence[tuple[str, str | bytes]], error.trailing_metadata() or ())
    for key, value in metadata:
        if key == FAILURE_KEY and isinstance(value, bytes):
            try:
                return decode(Failure, value)
            except MalformedMessageError:
                return None
    return None


def passes(error: grpc.RpcError) -> bool:
    """Whether it makes sense to ask again: every request may come twice (law 1.1)."""
    if error.code() in _TOO_MANY:
        return failure_of(error) is None and _TOO_LARGE not in (error.details() or "")
    return error.code() in _PASSING


def is_unsent(error: grpc.RpcError) -> bool:
    """Whether it is known that nobody got the request."""
    return failure_of(error) is None and (error.details() or "").startswith((NEVER_CONNECTED, "DNS resolution failed"))


def is_without_effect(error: grpc.RpcError) -> bool:
    """Whether the JobManager says that this try has changed nothing, nor will. It says so only when it knows."""
    failure = failure_of(error)
    return failure is not None and NOT_STORED in failure.message


def leader_of(error: grpc.RpcError) -> str:
    """Where the leader is, as a standby says; nothing when it doesn't know, or when somebody else answers."""
    metadata = cast(Sequence[tuple[str, str | bytes]], error.trailing_metadata() or ())
    return next((str(value) for key, value in metadata if key == LEADER_KEY), "")


def refusal(error: grpc.RpcError, target: str, job: JobId | None) -> ExecutionError:
    """The exception that a program gets for a final no."""
    code, words = error.code(), words_of(error)
    if code is grpc.StatusCode.NOT_FOUND:
        return JobNotFoundError(words, job=job)
    if failure_of(error) is not None:
        return RequestRefusedError(words, job=job)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        what = f"what listens at {target} is no JobManager of this version of Millstream ({words}); check the address"
        return ClusterUnreachableError(what, job=job)
    return RequestRefusedError(f"the JobManager at {target} answered {code.name}: {words}", job=job)
