"""The JobManager as a process part: one address for life; behind it a standby or a term of office."""

import asyncio
import errno
import logging
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millstream_dataflow.configuration import Configuration, ConfigurationError, Option, Problem
from millstream_dataflow.configuration.options import jobmanager, taskmanager
from millstream_dataflow.configuration.rules import Listener, check_binding
from millstream_dataflow.identity import Epoch
from millstream_jobmanager.leadership.office import Election, Office
from millstream_jobmanager.service.addresses import MAX_SOCKET_PATH, ListenAddress
from millstream_jobmanager.service.carrier import LeadershipLostError
from millstream_jobmanager.service.guard import Known
from millstream_jobmanager.service.inner_server import InnerServers
from millstream_jobmanager.service.patience import begun
from millstream_jobmanager.service.settings import service_settings
from millstream_jobmanager.service.standby import CLIENTS, MEMBERS, standby_services
from millstream_jobmanager.service.standstill import watched_over
from millstream_jobmanager.service.startup import StartupError, UnreachableError
from millstream_jobmanager.service.strangers import Strangers
from millstream_jobmanager.service.term import Term, begin_term, cancelled
from millstream_jobmanager.store import StoreDamagedError, StoreError
from millstream_runtime.door.door import Door
from millstream_runtime.door.private_socket import private_socket
from millstream_runtime.door.welcome import Inner, Welcome
from millstream_runtime.health import health_answers
from millstream_runtime.leadership.errors import UnansweredError
from millstream_runtime.leadership.nodes import Leader
from millstream_runtime.security import accepted_tokens, client_tls, internal_tls

AGAIN = 1.0
"""Seconds after a term that ended because something didn't answer, until it is stood for election again."""

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
        self, place: _Place, election: Election, servers: InnerServers, resources: AsyncExitStack, port: int | None
    ) -> None:
        self._place = place
        self._election = election
        self._servers = servers
        self._resources = resources
        self._epoch = Epoch(0)
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
        known = _other_than(self._place.advertised, self._election.leader)
        return Leader(self._epoch, self._place.advertised) if self.leads else known

    @classmethod
    async def start(
        cls, configuration: Configuration, address: ListenAddress, election: Election, checkpoint_directory: str
    ) -> "JobManagerService":
        """Listen and stand for election; where there is no other candidate it leads when this returns.

        `checkpoint_directory` is the default one, `<store>/checkpoints`. ConfigurationError for an address that isn't
        loopback without TLS or security.insecure, for one by which others wouldn't find it, and for one or a directory
        that can't be used; StartupError and the store's own errors when it can't lead.
        """
        async with AsyncExitStack() as resources:
            resources.push_async_callback(election.close)
            _check(address, configuration)
            welcome = _welcome(resources, address, configuration)
            door = Door(welcome)
            port = None
            if not address.path:
                port = await _open_door(resources, door, address, configuration)
            target, advertised = address.target(port or 0), address.advertised(configuration, port or 0)
            place = _Place(configuration, checkpoint_directory, target, advertised)
            standby = standby_services(lambda: _other_than(advertised, election.leader))
            tokens = accepted_tokens(configuration)
            known = None if tokens is None else Known(tokens, Strangers(door.end))
            servers = InnerServers(welcome.inner, service_settings(configuration), standby, known)
            await servers.serve(resources)
            await servers.stand_by(healthy=election.repeats)
            resources.callback(door.ending)
            service = cls(place, election, servers, resources.pop_all(), port)
        try:
            names = (CLIENTS.full_name, MEMBERS.full_name)
            await service._resources.enter_async_context(health_answers(configuration, service, names))
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
            # Its frames know this service: a cycle, in which descriptors would stay open until a collection.
            self._life = None
        await self._resources.aclose()

    async def wait_deposed(self) -> None:
        """Until it leads no more and never will. CoreFailedError when the reason is a fault of ours, StartupError or
        the store's own errors when it won and couldn't lead; the process should then end, and be started again.
        """
        if self._life is not None:
            await asyncio.shield(self._life)

    def live(self) -> str | None:
        """See HealthState."""
        failed = self._life is not None and self._life.done() and not self._life.cancelled()
        return "failed" if failed else None

    def ready(self) -> str | None:
        """See HealthState: a standby that sees another one lead is as good as that."""
        follows = self._election.is_led and self.leader is not None
        return None if self.leads or follows else "leaderless"

    # ------------------------------------------------------------ one term after the other

    async def _live(self) -> None:
        while True:
            office = await self._election.won()
            try:
                async with AsyncExitStack() as stack:
                    stack.push_async_callback(office.leave)
                    stack.enter_context(watched_over(office))
                    place = self._place
                    beginning = begin_term(stack, office, place.configuration, place.checkpoint_directory, place.target)
                    await self._lead(await begun(office, beginning), office)
            except StoreDamagedError:
                raise  # it will be as damaged in a second, and leading without a job would end its tasks
            except (StoreError, UnansweredError, UnreachableError, LeadershipLostError) as error:
                if not self._election.repeats:
                    raise
                _log.warning("this JobManager can't lead now: %s", error)
                await asyncio.sleep(AGAIN)
            if not self._election.repeats:
                return
            _log.warning("this JobManager stands by")

    async def _lead(self, term: Term, office: Office) -> None:
        """Until the term is over; what this JobManager can't be again is said by an exception."""
        self._epoch = term.epoch
        await self._servers.lead(term.services)
        self._leads.set()
        announcing = asyncio.create_task(office.announce(Leader(term.epoch, self._place.advertised)))
        ended = asyncio.create_task(term.shell.wait_ended())
        try:
            await asyncio.wait((announcing, ended), return_when=asyncio.FIRST_COMPLETED)
            if announcing.done():
                announcing.result()  # a leader that nobody finds must not lead on
            await ended
        finally:
            self._leads.clear()
            await cancelled(announcing)
            await cancelled(ended)
            await self._servers.stand_by(healthy=self._election.repeats)


def _other_than(own: str, leader: Leader | None) -> Leader | None:
    """The leader that was announced last, unless that was this JobManager, which then leads no more."""
    return None if leader is None or leader.address == own else leader


def _check(address: ListenAddress, configuration: Configuration) -> None:
    if len(os.fsencode(address.path)) > MAX_SOCKET_PATH:
        raise StartupError(f"the path of socket {address.path} has over {MAX_SOCKET_PATH} bytes; choose a shorter one")
    if not address.path and (warning := check_binding(address.host, configuration, Listener.JOBMANAGER)) is not None:
        _log.warning("%s", warning)
    address.check_advertised(configuration)


def _welcome(resources: AsyncExitStack, address: ListenAddress, configuration: Configuration) -> Welcome:
    """A Unix socket is its user's alone. ConfigurationError for files of TLS that can't be used."""
    if address.path:
        return Welcome(Inner(address.path, address.path))
    internal, clients = internal_tls(configuration), client_tls(configuration, serving=True)
    inner = _private_socket(resources, configuration)
    other = inner if internal is None and clients is None else str(Path(inner).with_name("user.sock"))
    return Welcome(Inner(members=inner, clients=other), internal, clients)


def _private_socket(resources: AsyncExitStack, configuration: Configuration) -> str:
    option = taskmanager.TMP_DIRS
    places = configuration.get(option)
    try:
        return resources.enter_context(private_socket(places[0] if places else None))
    except OSError as error:
        reason = f"no directory can be made there: {error.strerror or error}"
        mend = "name one that this user may write to"
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
