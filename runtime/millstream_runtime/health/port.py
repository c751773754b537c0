"""The port: what speaks HTTP/2 goes to gRPC behind it, everything else is taken for HTTP/1.

It is for probes, which come once in some seconds and go. So it has few places, and the oldest connection gives up its
own when there is none left, greeted or not: however many hold theirs, the next probe gets one. Nothing but one word is
told here, so it needs neither TLS nor `security.insecure`, and the probes of Kubernetes have neither key nor token.
"""

import errno
import logging
import os
import socket
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health_pb2_grpc  # type: ignore[import-untyped]  # has no types

from millstream_dataflow.configuration import Configuration, ConfigurationError, Problem
from millstream_dataflow.configuration.options import health, taskmanager
from millstream_runtime.door.door import Door, Limits
from millstream_runtime.door.private_socket import private_socket
from millstream_runtime.door.welcome import Inner, Welcome
from millstream_runtime.health.grpc_answers import GrpcAnswers
from millstream_runtime.health.http_answers import MAX_REQUEST, HttpAnswers
from millstream_runtime.health.state import HealthState

LIMITS: Final = Limits(connections=64, greeting=5.0, greeted=None)
CALLS_OF_ONE: Final = 4
"""At once on one connection."""
KEEPALIVE_MS: Final = 20_000
LAST_CALLS: Final = 0.1
"""Seconds that calls get to end when the port closes; those who watch never do."""

_log = logging.getLogger("millstream.health")


class HealthPort:
    """Answers from `start` to `stop`, inside the running asyncio loop. Starts gRPC's threads."""

    def __init__(self, state: HealthState, services: Iterable[str] = ()) -> None:
        """`services` are further names that gRPC asks about; they are ready when the process is."""
        self._state = state
        self._services = tuple(services)
        self._resources = AsyncExitStack()

    async def start(self, host: str, port: int, directory: str | None = None) -> int:
        """Listen; the port that was taken (`port` 0: a free one). OSError when it can't be had.

        `directory` is for the socket of gRPC (None: the system's).
        """
        async with AsyncExitStack() as resources:
            inner = resources.enter_context(private_socket(directory))
            server = grpc.aio.server(options=_OPTIONS)
            health_pb2_grpc.add_HealthServicer_to_server(GrpcAnswers(self._state, self._services), server)
            resources.push_async_callback(server.stop, LAST_CALLS)
            await _listen(server, inner)
            door = Door(Welcome(Inner(inner, inner)), LIMITS, HttpAnswers(self._state).serve)
            resources.push_async_callback(door.close)
            taken = await door.open(host, port)
            resources.callback(door.ending)
            self._resources = resources.pop_all()
        return taken

    async def stop(self) -> None:
        """Close the port and all connections."""
        await self._resources.aclose()


async def _listen(server: grpc.aio.Server, path: str) -> None:
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        await server.start()  # only a server that was started lets go of its descriptors
        raise OSError(errno.EINVAL, str(error), path) from error
    await server.start()


_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_REQUEST),
    ("grpc.max_concurrent_streams", CALLS_OF_ONE),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
    ("grpc.http2.min_ping_interval_without_data_ms", 1000),  # clients may ping as well
    ("grpc.http2.max_ping_strikes", 0),
)


@asynccontextmanager
async def health_answers(
    configuration: Configuration, state: HealthState, services: Iterable[str] = ()
) -> AsyncGenerator[int | None]:
    """The port that the configuration wants, open within the block; gives its number, None where it wants none.

    ConfigurationError for a host or directory that can't be used, OSError when the port can't be had.
    """
    wanted = configuration.get(health.PORT)
    if wanted is None:
        yield None
        return
    host = configuration.get(health.BIND_HOST)
    port = HealthPort(state, services)
    try:
        taken = await port.start(_address(host), wanted, _directory(configuration))
    except OSError as error:
        raise _refused(configuration, host, wanted, error) from error
    _log.info("health is answered on %s:%d (HTTP: /livez, /readyz; gRPC: grpc.health.v1)", host, taken)
    try:
        yield taken
    finally:
        await port.stop()


def _address(host: str) -> str:
    """One, whatever else the name may mean here: of two, each would take a free port of its own."""
    return "127.0.0.1" if host.lower().rstrip(".") == "localhost" else host


def _directory(configuration: Configuration) -> str | None:
    places = configuration.get(taskmanager.TMP_DIRS)
    return str(Path(places[0])) if places else None


def _refused(configuration: Configuration, host: str, port: int, error: OSError) -> Exception:
    if error.filename is not None:  # of the socket behind the port
        option, wrong = taskmanager.TMP_DIRS, configuration.text(taskmanager.TMP_DIRS)
        reason = f"no socket can be made there: {error.strerror or error}"
        mend = "name a directory that this user may write to"
        return ConfigurationError(Problem(reason, mend, option.key, wrong, configuration.origin(option)))
    if isinstance(error, socket.gaierror) or error.errno in {errno.EADDRNOTAVAIL, None}:  # None: asyncio tried several
        reason, mend = f"health can't be answered there: {error}", "write an address of this host, or 0.0.0.0 for all"
        return ConfigurationError(
            Problem(reason, mend, health.BIND_HOST.key, host, configuration.origin(health.BIND_HOST))
        )
    text = f"health can't be answered on {host}:{port}: {os.strerror(error.errno or 0)}"
    return OSError(f"{text}; another {health.PORT.key}, or 0 for a free one, avoids it")
