"""Who answers behind a JobManager's address: a term of office while it leads, else a standby that names the leader."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from millstream_jobmanager.service.refusals import RefusalError, not_now, refuse, unauthenticated
from millstream_jobmanager.service.rpc import Context
from millstream_proto import client_pb2, session_pb2
from millstream_runtime.leadership.nodes import Leader

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

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[object, object] | None:
        """Of the call's method."""
        found = (handler.service(handler_call_details) for handler in self._handlers)
        return next((handler for handler in found if handler is not None), None)


def refusing(service: ServiceDescriptor, refusal: Callable[[], RefusalError]) -> grpc.GenericRpcHandler:
    """A service whose every method is refused."""
    handler = refusing_handler(refusal)
    return grpc.method_handlers_generic_handler(service.full_name, {method.name: handler for method in service.methods})


def refusing_handler(
    refusal: Callable[[], RefusalError], begins: Callable[[Context], None] = lambda _: None
) -> grpc.RpcMethodHandler[Any, Any]:
    """Of any method, told when a call of it `begins`. It is one of streams, for gRPC reads the request of any other
    before it asks.
    """

    async def answer(_: object, context: Context) -> None:
        begins(context)
        await refuse(context, refusal())

    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(answer)
    return handler


def by_door(services: Services, *, clients: bool, members: bool) -> Iterable[grpc.GenericRpcHandler]:
    """What is served where only one kind comes, or both: the other kind is told that it lacks TLS."""
    yield services.clients if clients else refusing(CLIENTS, _clients_by_tls)
    yield services.members if members else refusing(MEMBERS, members_by_tls)


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


def _clients_by_tls() -> RefusalError:
    return unauthenticated("this JobManager serves clients by TLS only; set security.ssl.rest.enabled")


def members_by_tls() -> RefusalError:
    """Of a member's call where only clients come."""
    return unauthenticated("this JobManager takes members by TLS only; set security.ssl.internal.enabled")
