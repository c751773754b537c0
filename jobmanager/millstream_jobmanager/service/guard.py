"""The tokens of clients, asked for before anything of a call is read.

Whoever shows none may ask for one thing: whether the process is well (`grpc.health.v1.Health/Check`), for probes have
no token. His request isn't read either, so it is answered for the process as a whole, whatever name it asks about.
Watching its health or asking what is served (reflection) holds a call for as long as the stranger likes, so that
needs a token like everything else. What is said to strangers is said in their account (`strangers`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # has no types

from millstream_jobmanager.service.refusals import RefusalError, unauthenticated
from millstream_jobmanager.service.rpc import Context
from millstream_jobmanager.service.standby import MEMBERS, members_by_tls, refusing_handler
from millstream_jobmanager.service.strangers import Strangers
from millstream_runtime.security import AcceptedTokens, shown_token

HEALTH_CHECK = "/grpc.health.v1.Health/Check"

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]  # gRPC's own is of no kind
    Check = Callable[[Any, Context], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Known:
    """Who is, and the account of all others."""

    tokens: AcceptedTokens
    strangers: Strangers


class Guard(grpc.aio.ServerInterceptor):
    """Passes on the calls that show a token, and those of members, who prove themselves otherwise."""

    def __init__(self, known: Known, check: Check, *, members: bool) -> None:
        """`check` answers whether the process is well. `members`: they come to this server too."""
        self._tokens = known.tokens
        self._begins = known.strangers.begins
        self._check = check
        self._members = members
        self._well: Handler = grpc.stream_stream_rpc_method_handler(
            self._answer, response_serializer=health_pb2.HealthCheckResponse.SerializeToString
        )
        self._unknown = refusing_handler(_unknown, self._begins)
        self._no_member = refusing_handler(members_by_tls, self._begins)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """By the metadata, which come before the request."""
        method = str(handler_call_details.method)
        shown = shown_token(handler_call_details.invocation_metadata)
        as_member = method.startswith(f"/{MEMBERS.full_name}/")
        if (shown and self._tokens.accepts(shown)) or (as_member and self._members):
            return await continuation(handler_call_details)
        if as_member:
            return self._no_member
        return self._well if method == HEALTH_CHECK else self._unknown

    async def _answer(self, _: object, context: Context) -> None:
        self._begins(context)
        answer = await self._check(health_pb2.HealthCheckRequest(), context)
        try:
            await context.write(answer)
        except grpc.aio.InternalError as error:  # he is gone; gRPC would log a traceback for each of his calls
            raise asyncio.CancelledError from error


def _unknown() -> RefusalError:
    return unauthenticated(
        "this JobManager serves only those that show a token it knows; set security.token-file to a file that has one"
    )
