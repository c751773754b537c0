"""The answers over gRPC, by grpc.health.v1."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # has no types

from millstream_runtime.health.state import LIVENESS, READINESS, HealthState, trouble

LOOKS: Final = 0.5
"""Seconds between two looks for those who watch."""


class GrpcAnswers(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # its base has no types
    """A servicer that asks at each call, so that no answer is older than its question.

    It knows `liveness`, `readiness`, the empty name (both) and those of `services`, which are as readiness.
    """

    def __init__(self, state: HealthState, services: Iterable[str] = ()) -> None:
        self._state = state
        self._names = frozenset(("", LIVENESS, READINESS, *services))

    async def Check(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401, N802  # the interface's
        """See grpc.health.v1."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service[:100]!r} is known here")
        return self._response(request.service)

    async def Watch(self, request: Any, context: object) -> AsyncGenerator[Any]:  # noqa: ANN401, N802  # the interface's
        """See grpc.health.v1."""
        said = None
        while True:
            if (response := self._response(request.service)) != said:
                said = response
                yield response
            await asyncio.sleep(LOOKS)

    def _response(self, service: str) -> Any:  # noqa: ANN401  # has no types
        kinds = health_pb2.HealthCheckResponse
        if service not in self._names:
            return kinds(status=kinds.SERVICE_UNKNOWN)
        return kinds(status=kinds.SERVING if trouble(self._state, service) is None else kinds.NOT_SERVING)
