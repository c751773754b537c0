"""The JobManager as a process part: store, core, shell and gateways behind one address."""

import asyncio
import errno
import logging
import os
import random
import secrets
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
from millstream_dataflow.configuration.rules import check_binding
from millstream_dataflow.identity import Epoch
from millstream_dataflow.words import counted
from millstream_jobmanager.core.cluster import Chances, ClusterCore
from millstream_jobmanager.service.addresses import MAX_SOCKET_PATH, ListenAddress
from millstream_jobmanager.service.blobs import PublishedBlobs
from millstream_jobmanager.service.carrier import Carrier
from millstream_jobmanager.service.door import Door
from millstream_jobmanager.service.gateway import ClientDoors, ClientGateway
from millstream_jobmanager.service.private_socket import private_socket
from millstream_jobmanager.service.sessions import Around, OpenSessions, TaskManagerGateway
from millstream_jobmanager.service.settings import (
    JobSettingsReader,
    ServiceSettings,
    cluster_settings,
    savepoints_beside,
    service_settings,
)
from millstream_jobmanager.service.shell import Shell
from millstream_jobmanager.service.startup import StartupError, recovered_jobs, take_epoch
from millstream_jobmanager.service.submissions import SubmissionChecks
from millstream_jobmanager.service.uploads import Uploads
from millstream_jobmanager.store import JobStore
from millstream_proto import client_pb2, session_pb2

MAX_CALLS = 2000
"""At once, over all connections: a session for each of 1,000 TaskManagers, as many watching and fetching."""
KEEPALIVE_MS = 20_000
"""An idle connection is pinged so often; a peer whose host is gone is noticed in twice that."""
LAST_CALLS = 1.0
"""Seconds that calls get to end when the server stops."""
BETWEEN_COLLECTIONS = 1800.0
"""Seconds between two looks for blobs that no job needs; they are spared for an hour anyway."""

_SERVICES = (
    client_pb2.DESCRIPTOR.services_by_name["ClientGateway"].full_name,
    session_pb2.DESCRIPTOR.services_by_name["TaskManagerGateway"].full_name,
    HEALTH_NAME,
    reflection.SERVICE_NAME,
)
_log = logging.getLogger("millstream.jobmanager")


@dataclass(slots=True)
class _Parts:
    """What a service is made of."""

    shell: Shell
    server: grpc.aio.Server
    health: HealthServicer
    epoch: Epoch


class JobManagerService:
    """A leading JobManager inside the running asyncio loop. Made by `start`, ended by `stop`."""

    def __init__(self, parts: _Parts, resources: AsyncExitStack, target: str, port: int | None) -> None:
        self._parts = parts
        self._resources = resources
        self._watch = asyncio.create_task(_say_when_deposed(parts.shell, parts.health))
        self.target = target
        """What a gRPC client on this host connects to."""
        self.port = port
        """Of the TCP address; None for a Unix socket."""

    @property
    def epoch(self) -> Epoch:
        """Of this leader."""
        return self._parts.epoch

    @classmethod
    async def start(
        cls, configuration: Configuration, address: ListenAddress, store: JobStore, checkpoint_directory: str
    ) -> "JobManagerService":
        """Take the store's lock, recover its jobs, then listen.

        `checkpoint_directory` is the default one, `<store>/checkpoints`. ConfigurationError for an address that isn't
        loopback without security.insecure, and for one or a directory that can't be used; StartupError and the store's
        own errors when it can't lead.
        """
        _check(address, configuration)
        async with AsyncExitStack() as resources:
            settings = service_settings(configuration)
            inner = address.path or _private_socket(resources, configuration)
            carrier = Carrier(store)
            resources.push_async_callback(asyncio.to_thread, carrier.close)
            door = Door(inner)
            port = None
            if not address.path:
                port = await _open_door(resources, door, address, configuration)
            target = address.target(port or 0)
            reader = JobSettingsReader(configuration, checkpoint_directory, savepoints_beside(checkpoint_directory))
            epoch = await take_epoch(carrier, reader({}).checkpoints.directory)
            core = ClusterCore(epoch, cluster_settings(configuration, target), reader, _chances())
            sessions, blobs = OpenSessions(epoch), PublishedBlobs()
            shell = Shell(core, carrier, blobs, sessions)
            resources.callback(shell.end, "this JobManager stops")
            shell.recover(await recovered_jobs(carrier, reader))
            clients = ClientGateway(
                ClientDoors(
                    shell, sessions, SubmissionChecks(carrier, settings, reader), Uploads(carrier, settings), settings
                )
            )
            taskmanagers = TaskManagerGateway(Around(epoch, shell, sessions, carrier, blobs, settings))
            server, servicer = _server(settings, [clients.handler(), taskmanagers.handler()])
            await _serve(resources, server, servicer, inner)
            resources.callback(door.ending)
            resources.push_async_callback(_cancel, asyncio.create_task(_collect(carrier)))
            _log.info("leading in epoch %s at %s, with %s recovered", epoch, target, counted(len(core.jobs), "job"))
            return cls(_Parts(shell, server, servicer, epoch), resources.pop_all(), target, port)
        raise AssertionError("an exit stack swallows nothing")

    async def stop(self) -> None:
        """End all calls and sessions, finish what the store is doing, let go of its lock. Tasks go on."""
        self._parts.shell.end("this JobManager stops")
        await _cancel(self._watch)
        await self._resources.aclose()

    async def wait_deposed(self) -> None:
        """Until it leads no more: another does, or it was stopped. CoreFailedError when the reason is a fault of ours;
        the process should then end, and be started again.
        """
        await self._parts.shell.wait_ended()


def _check(address: ListenAddress, configuration: Configuration) -> None:
    if len(os.fsencode(address.path)) > MAX_SOCKET_PATH:
        raise StartupError(f"the path of socket {address.path} has over {MAX_SOCKET_PATH} bytes; choose a shorter one")
    if not address.path and (warning := check_binding(address.host, configuration)) is not None:
        _log.warning("%s", warning)


def _chances() -> Chances:
    chance = random.SystemRandom()
    return Chances(lambda: secrets.token_bytes(32), chance.random)


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


def _server(
    settings: ServiceSettings, handlers: list[grpc.GenericRpcHandler]
) -> tuple[grpc.aio.Server, HealthServicer]:
    server = grpc.aio.server(
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
    server.add_generic_rpc_handlers(tuple(handlers))
    servicer = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection(_SERVICES, server)
    return server, servicer


async def _serve(resources: AsyncExitStack, server: grpc.aio.Server, servicer: HealthServicer, path: str) -> None:
    resources.push_async_callback(server.stop, LAST_CALLS)
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        await server.start()  # only a server that was started lets go of its descriptors
        raise StartupError(f"the socket {path} can't be listened on: {error}") from error
    os.chmod(path, 0o600)  # noqa: PTH101  # takes microseconds
    await server.start()
    resources.push_async_callback(servicer.enter_graceful_shutdown)
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    for service in _SERVICES[:2]:
        await servicer.set(service, health_pb2.HealthCheckResponse.SERVING)


async def _say_when_deposed(shell: Shell, health: HealthServicer) -> None:
    """No method: a cancelled task keeps its frames, and a service among them would be a cycle, so that the server's
    descriptors stayed open until the garbage collector came by.
    """
    await asyncio.gather(shell.wait_ended(), return_exceptions=True)
    await health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _collect(carrier: Carrier) -> None:
    while True:
        carrier.collect_garbage()
        await asyncio.sleep(BETWEEN_COLLECTIONS)
