"""Who answers behind a JobManager's address: a term of office while it leads, else a standby that names the leader."""

from collections.abc import AsyncIterator, Callable, Iterable

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from millstream_jobmanager.service.refusals import RefusalError, not_now
from millstream_jobmanager.service.rpc import Context, Method, service_handler
from millstream_proto import client_pb2, session_pb2
from millstream_runtime.leadership.nodes import Leader


class Switch(grpc.GenericRpcHandler):
    """Passes each call to those that answer now."""

    def __init__(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        self._standby = tuple(handlers)
        self._handlers = self._standby

    def to(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """From now on these answer. Calls that have begun go on."""
        self._handlers = tuple(handlers)

    def back(self) -> None:
        """The first ones answer again."""
        self._handlers = self._standby

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[object, object] | None":
        """Of the call's method."""
        found = (handler.service(handler_call_details) for handler in self._handlers)
        return next((handler for handler in found if handler is not None), None)


def standby_handlers(leader: Callable[[], Leader | None]) -> tuple[grpc.GenericRpcHandler, ...]:
    """Both services, every method of which says who leads."""

    async def answer(_request: object, _context: Context) -> None:
        raise _not_leading(leader())

    async def stream(_request: object, _context: Context) -> AsyncIterator[object]:
        raise _not_leading(leader())
        yield  # which makes it a stream

    def standing_by(service: ServiceDescriptor) -> grpc.GenericRpcHandler:
        methods: dict[str, Method] = {}
        for method in service.methods:
            methods[method.name] = stream if method.server_streaming and not method.client_streaming else answer
        return service_handler(service, methods)

    services = (
        client_pb2.DESCRIPTOR.services_by_name["ClientGateway"],
        session_pb2.DESCRIPTOR.services_by_name["TaskManagerGateway"],
    )
    return tuple(standing_by(service) for service in services)


def _not_leading(leader: Leader | None) -> RefusalError:
    refusal = not_now(
        "this JobManager stands by, and knows of no leader yet"
        if leader is None
        else f"this JobManager stands by; the one at {leader.address} leads in epoch {leader.epoch}"
    )
    refusal.leader = "" if leader is None else leader.address
    return refusal
