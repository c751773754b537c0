"""Who answers behind a JobManager's address: a term of office while it leads, else a standby that names the leader."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from millstream_jobmanager.service.refusals import RefusalError, not_now, unauthenticated
from millstream_jobmanager.service.rpc import Context, Method, service_handler
from millstream_proto import client_pb2, session_pb2
from millstream_runtime.leadership.nodes import Leader
from millstream_runtime.security import AcceptedTokens, shown_token

CLIENTS: ServiceDescriptor = client_pb2.DESCRIPTOR.services_by_name["ClientGateway"]
MEMBERS: ServiceDescriptor = session_pb2.DESCRIPTOR.services_by_name["TaskManagerGateway"]


@dataclass(frozen=True, slots=True)
class Services:
    """Both, as somebody serves them."""

    clients: grpc.GenericRpcHandler
    members: grpc.GenericRpcHandler


class Switch(grpc.GenericRpcHandler):
    """Passes each call to those that answer now."""

    def __init__(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        self._handlers = tuple(handlers)

    def to(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """From now on these answer. Calls that have begun go on."""
        self._handlers = tuple(handlers)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[object, object] | None":
        """Of the call's method."""
        found = (handler.service(handler_call_details) for handler in self._handlers)
        return next((handler for handler in found if handler is not None), None)


class Guarded(grpc.GenericRpcHandler):
    """Serves those that show a token; others are told so, whatever they ask."""

    def __init__(self, tokens: AcceptedTokens, handler: grpc.GenericRpcHandler, service: ServiceDescriptor) -> None:
        self._tokens = tokens
        self._handler = handler
        self._refusing = refusing(service, _unknown)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[object, object] | None":
        """By the metadata that come before the request: nothing of one without a token is read."""
        shown = shown_token(handler_call_details.invocation_metadata)
        handler = self._handler if shown and self._tokens.accepts(shown) else self._refusing
        return handler.service(handler_call_details)


def refusing(service: ServiceDescriptor, refusal: Callable[[], RefusalError]) -> grpc.GenericRpcHandler:
    """A service whose every method is refused."""

    async def answer(_request: object, _context: Context) -> None:
        raise refusal()

    async def stream(_request: object, _context: Context) -> AsyncIterator[object]:
        raise refusal()
        yield  # which makes it a stream

    methods: dict[str, Method] = {}
    for method in service.methods:
        methods[method.name] = stream if method.server_streaming and not method.client_streaming else answer
    return service_handler(service, methods)


def standby_services(leader: Callable[[], Leader | None]) -> Services:
    """Every method says who leads."""

    def refusal() -> RefusalError:
        return _not_leading(leader())

    return Services(refusing(CLIENTS, refusal), refusing(MEMBERS, refusal))


def _not_leading(leader: Leader | None) -> RefusalError:
    refusal = not_now(
        "this JobManager stands by, and knows of no leader yet"
        if leader is None
        else f"this JobManager stands by; the one at {leader.address} leads in epoch {leader.epoch}"
    )
    refusal.leader = "" if leader is None else leader.address
    return refusal


def _unknown() -> RefusalError:
    return unauthenticated(
        "this JobManager serves only those that show a token it knows; set security.token-file to a file that has one"
    )
