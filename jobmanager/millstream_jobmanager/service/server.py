"""The JobManager as a process part: one address for life; behind it a standby or a term of office."""

import asyncio
import errno
import logging
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # has no types
from grpc_health.v1._async import HealthServicer  # type: ignore[import-untyped]  # as above
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME  # type: ignore[import-untyped]  # as above
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped]  # has no types

from millstream_dataflow.configuration import Configuration, ConfigurationError, Option, Problem
from millstream_dataflow.configuration.options import jobmanager, taskmanager
from millstream_dataflow.configuration.rules import Listener, check_binding
from millstream_dataflow.identity import Epoch
from millstream_jobmanager.leadership.office import Election, Office
from millstream_jobmanager.service.addresses import MAX_SOCKET_PATH, ListenAddress
from millstream_jobmanager.service.settings import ServiceSettings, service_settings
from millstream_jobmanager.service.standby import Switch, standby_handlers
from millstream_jobmanager.service.startup import StartupError
from millstream_jobmanager.service.term import Term, begin_term, cancelled
from millstream_jobmanager.store import StoreError
from millstream_proto import client_pb2, session_pb2
from millstream_runtime.door.door import Door
from millstream_runtime.door.private_socket import private_socket
from millstream_runtime.leadership.errors import UnansweredError
from millstream_runtime.leadership.nodes import Leader

MAX_CALLS = 2000
"""At once, over all connections: a session for each of 1,000 TaskManagers, as many watching and fetching."""
KEEPALIVE_MS = 20_000
"""An idle connection is pinged so often; a peer whose host is gone is noticed in twice that."""
LAST_CALLS = 1.0
"""Seconds that calls get to end when the server stops."""
AGAIN = 1.0
"""Seconds after a term that could not begin, since something didn't answer, until it is stood for election again."""

_SERVICES = (
    client_pb2.DESCRIPTOR.services_by_name["ClientGateway"].full_name,
    session_pb2.DESCRIPTOR.services_by_name["TaskManagerGateway"].full_name,
    HEALTH_NAME,
    reflection.SERVICE_NAME,
)
_log = logging.getLogger("millstream.jobmanager")


@dataclass(frozen=True, slots=True)
class _Place:
    """What a term of office needs to know of its process."""

    configuration: Configuration
    checkpoint_directory: str
    target: str
    advertised: str
    """Where other hosts reach it."""


class JobManagerService:
    """A JobManager inside the running asyncio loop. Made by `start`, ended by `stop`."""

    def __init__(
        self, place: _Place, election: Election, server: "_Server", resources: AsyncExitStack, port: int | None
    ) -> None:
        self._place = place
        self._election = election
        self._server = server
        self._resources = resources
        self._epoch = Epoch(0)
        self._term: Term | None = None
        self._leads = asyncio.Event()
        self._life: asyncio.Task[None] | None = asyncio.create_task(self._live(), name="leads or stands by")
        self.target = place.target
        """What a gRPC client on this host connects to."""
        self.port = port
        """Of the TCP address; None for a Unix socket."""

    @property
    def epoch(self) -> Epoch:
        """Of its last term of office; 0 before the first."""
        return self._epoch

    @property
    def leads(self) -> bool:
        """It is in office, and its jobs are recovered."""
        return self._leads.is_set()

    @property
    def leader(self) -> Leader | None:
        """Who is known to lead: this one, or the one that was announced last."""
        return Leader(self._epoch, self._place.advertised) if self.leads else self._election.leader

    @classmethod
    async def start(
        cls, configuration: Configuration, address: ListenAddress, election: Election, checkpoint_directory: str
    ) -> "JobManagerService":
        """Listen and stand for election; where there is no other candidate it leads when this returns.

        `checkpoint_directory` is the default one, `<store>/checkpoints`. ConfigurationError for an address that isn't
        loopback without TLS or security.insecure, and for one or a directory that can't be used; StartupError and the
        store's own errors when it can't lead.
        """
        async with AsyncExitStack() as resources:
            resources.push_async_callback(election.close)
            _check(address, configuration)
            inner = address.path or _private_socket(resources, configuration)
            door = Door(inner)
            port = None
            if not address.path:
                port = await _open_door(resources, door, address, configuration)
            server = _Server(service_settings(configuration), standby_handlers(lambda: election.leader))
            await server.serve(resources, inner)
            await server.stand_by(healthy=election.repeats)
            resources.callback(door.ending)
            target, advertised = address.target(port or 0), address.advertised(configuration, port or 0)
            place = _Place(configuration, checkpoint_directory, target, advertised)
            service = cls(place, election, server, resources.pop_all(), port)
        try:
            if not election.repeats and service._life is not None:
                await service._begun(service._life)
        except BaseException:
            await service.stop()
            raise
        return service

    async def _begun(self, life: "asyncio.Task[None]") -> None:
        """Until it leads; what kept it from that otherwise."""
        leads = asyncio.create_task(self._leads.wait())
        try:
            await asyncio.wait((leads, life), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leads.cancel()
        if life.done():
            life.result()

    async def stop(self) -> None:
        """End all calls and sessions, finish what the store is doing, let go of its lock. Tasks go on."""
        if self._life is not None:
            await cancelled(self._life)
            self._life = None  # its frames know this service: a cycle, and descriptors would stay open until a collection
        await self._resources.aclose()

    async def wait_deposed(self) -> None:
        """Until it leads no more and never will. CoreFailedError when the reason is a fault of ours, StartupError or
        the store's own errors when it won and couldn't lead; the process should then end, and be started again.
        """
        if self._life is not None:
            await asyncio.shield(self._life)

    # ------------------------------------------------------------ one term after the other

    async def _live(self) -> None:
        while True:
            office = await self._election.won()
            try:
                async with AsyncExitStack() as stack:
                    stack.push_async_callback(office.leave)
                    place = self._place
                    term = await begin_term(
                        stack, office, place.configuration, place.checkpoint_directory, place.target
                    )
                    await self._lead(term, office)
            except (StoreError, UnansweredError) as error:
                if not self._election.repeats:
                    raise
                _log.warning("won, but could not lead: %s", error)
                await asyncio.sleep(AGAIN)
            if not self._election.repeats:
                return
            _log.warning("this JobManager stands by")

    async def _lead(self, term: Term, office: Office) -> None:
        """Until the term is over; what this JobManager can't be again is said by an exception."""
        self._epoch, self._term = term.epoch, term
        await self._server.lead(term.handlers)
        self._leads.set()
        announcing = asyncio.create_task(office.announce(Leader(term.epoch, self._place.advertised)))
        try:
            await term.shell.wait_ended()
        finally:
            self._leads.clear()
            self._term = None
            await cancelled(announcing)
            await self._server.stand_by(healthy=self._election.repeats)


class _Server:
    """gRPC, on a Unix socket. Before it is served nobody answers."""

    def __init__(self, settings: ServiceSettings, standby: tuple[grpc.GenericRpcHandler, ...]) -> None:
        self._switch = Switch(standby)
        self._server = grpc.aio.server(
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
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(_SERVICES, self._server)

    async def serve(self, resources: AsyncExitStack, path: str) -> None:
        """Until the stack is closed. StartupError for a path that can't be listened on."""
        resources.push_async_callback(self._server.stop, LAST_CALLS)
        try:
            self._server.add_insecure_port(f"unix:{path}")
        except RuntimeError as error:
            await self._server.start()  # only a server that was started lets go of its descriptors
            raise StartupError(f"the socket {path} can't be listened on: {error}") from error
        os.chmod(path, 0o600)  # noqa: PTH101  # takes microseconds
        await self._server.start()
        resources.push_async_callback(self._health.enter_graceful_shutdown)

    async def lead(self, handlers: tuple[grpc.GenericRpcHandler, ...]) -> None:
        """These answer from now on."""
        self._switch.to(handlers)
        await self._say(healthy=True, leads=True)

    async def stand_by(self, *, healthy: bool) -> None:
        """Nobody is in office here. `healthy`: that may change, so the process is well; else its last term goes on
        saying that it is over.
        """
        if healthy:
            self._switch.back()
        await self._say(healthy=healthy, leads=False)

    async def _say(self, *, healthy: bool, leads: bool) -> None:
        for service, well in (("", healthy), (_SERVICES[0], leads), (_SERVICES[1], leads)):
            status = health_pb2.HealthCheckResponse.SERVING if well else health_pb2.HealthCheckResponse.NOT_SERVING
            await self._health.set(service, status)


def _check(address: ListenAddress, configuration: Configuration) -> None:
    if len(os.fsencode(address.path)) > MAX_SOCKET_PATH:
        raise StartupError(f"the path of socket {address.path} has over {MAX_SOCKET_PATH} bytes; choose a shorter one")
    if not address.path and (warning := check_binding(address.host, configuration, Listener.JOBMANAGER)) is not None:
        _log.warning("%s", warning)


def _private_socket(resources: AsyncExitStack, configuration: Configuration) -> str:
    option = taskmanager.TMP_DIRS
    places = configuration.get(option)
    try:
        return resources.enter_context(private_socket(places[0] if places else None))
    except OSError as error:
        reason, mend = f"no directory can be made there: {error}", "name one that this user may write to"
        raise _unusable(configuration, option, reason, mend) from error


async def _open_door(
    resources: AsyncExitStack, door: Door, address: ListenAddress, configuration: Configuration
) -> int:
    resources.push_async_callback(door.close)
    try:
        return await door.open(address.host, address.port)
    except OSError as error:
        host = jobmanager.BIND_HOST
        if isinstance(error, socket.gaierror):
            reason, mend = f"no address is known for it ({error.strerror})", "write a name of this host, or an address"
            raise _unusable(configuration, host, reason, mend) from error
        if error.errno in {errno.EADDRNOTAVAIL, None}:  # None: asyncio has tried several
            mend = "write one that it has, or 0.0.0.0 for all of them"
            raise _unusable(configuration, host, "this host has no such address", mend) from error
        taken = "does another JobManager run there? " if error.errno == errno.EADDRINUSE else ""
        reason = os.strerror(error.errno) if error.errno else str(error)
        mend = f"{taken}Another {jobmanager.RPC_PORT.key}, or 0 for a free one, avoids it"
        raise StartupError(f"{address} can't be listened on: {reason}; {mend}") from error


def _unusable(configuration: Configuration, option: Option[Any], reason: str, mend: str) -> ConfigurationError:
    origin = configuration.origin(option)
    return ConfigurationError(Problem(reason, mend, option.key, configuration.text(option), origin))
