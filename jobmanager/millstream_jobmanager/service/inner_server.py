"""gRPC behind the door, on Unix sockets: one for members of the cluster and one for clients, or one for both."""

import os
from contextlib import AsyncExitStack

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # has no types
from grpc_health.v1._async import HealthServicer  # type: ignore[import-untyped]  # as above
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME  # type: ignore[import-untyped]  # as above
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped]  # has no types

from millstream_jobmanager.service.guard import Guard, Known
from millstream_jobmanager.service.settings import ServiceSettings
from millstream_jobmanager.service.standby import CLIENTS, MEMBERS, Services, Switch, by_door
from millstream_jobmanager.service.startup import StartupError
from millstream_runtime.door.welcome import Inner

MAX_CALLS = 2000
"""At once, over all connections: a session for each of 1,000 TaskManagers, as many watching and fetching."""
KEEPALIVE_MS = 20_000
"""An idle connection is pinged so often; a peer whose host is gone is noticed in twice that."""
LAST_CALLS = 1.0
"""Seconds that calls get to end when the server stops."""


class InnerServers:
    """What is served behind the door. Made in the loop; nobody answers before `serve`."""

    def __init__(self, inner: Inner, settings: ServiceSettings, standby: Services, known: Known | None) -> None:
        """`known`: where clients show tokens."""
        self._standby = standby
        self._servers = [
            _Server(path, settings, known, members=path == inner.members, clients=path == inner.clients)
            for path in sorted({inner.members, inner.clients})
        ]

    async def serve(self, resources: AsyncExitStack) -> None:
        """Until the stack is closed. StartupError for a path that can't be listened on."""
        # gRPC's descriptors live as long as its server, which an error's frames would keep until a collection.
        resources.callback(self._servers.clear)
        for server in self._servers:
            await server.serve(resources)

    async def lead(self, services: Services) -> None:
        """These answer from now on."""
        for server in self._servers:
            await server.switch(services, healthy=True, leads=True)

    async def stand_by(self, *, healthy: bool) -> None:
        """Nobody is in office here. `healthy`: that may change, so the process is well; else its last term goes on
        saying that it is over.
        """
        for server in self._servers:
            await server.switch(self._standby if healthy else None, healthy=healthy, leads=False)


class _Server:
    """One of them."""

    def __init__(
        self, path: str, settings: ServiceSettings, known: Known | None, *, members: bool, clients: bool
    ) -> None:
        self._path = path
        self._members = members
        self._clients = clients
        self._switch = Switch(())
        self._health = HealthServicer()
        self._server = grpc.aio.server(
            interceptors=[Guard(known, self._health.Check, members=members)] if known and clients else [],
            maximum_concurrent_rpcs=MAX_CALLS,
            options=(
                ("grpc.so_reuseport", 0),  # else a second JobManager could share the port
                ("grpc.max_receive_message_length", settings.max_graph_size + (1 << 20)),
                ("grpc.keepalive_time_ms", KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 1000),  # clients may ping as well
                ("grpc.http2.max_ping_strikes", 0),
                ("grpc.server_handshake_timeout_ms", 10_000),
            ),
        )
        self._server.add_generic_rpc_handlers((self._switch,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = [*([CLIENTS.full_name] if clients else []), *([MEMBERS.full_name] if members else [])]
        if clients:
            reflection.enable_server_reflection((*self._names, HEALTH_NAME, reflection.SERVICE_NAME), self._server)

    async def serve(self, resources: AsyncExitStack) -> None:
        """Until the stack is closed."""
        resources.push_async_callback(self._server.stop, LAST_CALLS)
        try:
            self._server.add_insecure_port(f"unix:{self._path}")
        except RuntimeError as error:
            await self._server.start()  # only a server that was started lets go of its descriptors
            raise StartupError(f"the socket {self._path} can't be listened on: {error}") from error
        os.chmod(self._path, 0o600)  # noqa: PTH101  # takes microseconds
        await self._server.start()
        resources.push_async_callback(self._health.enter_graceful_shutdown)

    async def switch(self, services: Services | None, *, healthy: bool, leads: bool) -> None:
        """Whoever answers, if that changes, and what the health service says of it."""
        if services is not None:
            self._switch.to(by_door(services, clients=self._clients, members=self._members))
        for name, well in (("", healthy), *((name, leads) for name in self._names)):
            status = health_pb2.HealthCheckResponse.SERVING if well else health_pb2.HealthCheckResponse.NOT_SERVING
            await self._health.set(name, status)
