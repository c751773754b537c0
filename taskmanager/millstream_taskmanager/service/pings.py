"""The ping connections between TaskManagers whose workers are connected (law 9.2).

Workers don't ping: one that is busy in user code for a minute is alive. A TaskManager's own loop is never busy, so
its silence means that the host or the network between is gone. Over the data port, with a preface of its own:

    "MSK1" | length u16, little endian | id of the TaskManager that connects, ASCII | proof;  then "?", answered by "!"
    "MSK2" | the same, in clear; then TLS, and both in it

The proof is an HMAC of both ids with the secret of an attempt that has workers on both. Who hasn't given one is
answered too, for our worker of that attempt may be about to start; but he isn't heard, and when there are too many of
that kind the oldest goes. So made-up ids neither push out a peer nor speak for a dead one. With TLS he must show a
certificate of the cluster before any of that.
"""

import asyncio
import hashlib
import hmac
import logging
import re
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from millstream_dataflow.identity import TaskManagerId, WorkerId
from millstream_dataflow.words import counted
from millstream_runtime.door.sockets import places
from millstream_runtime.limited_lines import LimitedLines
from millstream_runtime.messages.deployments import DataAddress, RegionDeployment
from millstream_runtime.messages.worker import DropPeer
from millstream_runtime.running_limit import running_limit
from millstream_runtime.security import INTERNAL_NAME, InternalTls, NotAMemberError, check_member
from millstream_taskmanager.exchange.wire import ON_BOTH
from millstream_taskmanager.service.peer_pairs import PeerPairs
from millstream_taskmanager.service.settings import PortSettings
from millstream_taskmanager.service.shell import monotonic_ms

log = logging.getLogger("millstream.taskmanager")

PING_MAGIC: Final = b"MSK1"
PING_TLS_MAGIC: Final = b"MSK2"
HEAD: Final = struct.Struct("<4sH")
LONGEST_ID: Final = 64
PROOF_SIZE: Final = hashlib.sha256().digest_size
_ID: Final = re.compile(rb"[0-9A-Za-z._-]+")
_UNSENT: Final = 1 << 10  # bytes that a peer hasn't read: it asks and never listens


class PingPrefaceError(Exception):
    """Whoever connected is no TaskManager of this version."""


@dataclass(frozen=True, slots=True)
class PingSender:
    """Who has connected, as he says."""

    name: TaskManagerId
    proof: bytes
    tls: bool = False
    """Whether he goes on in TLS."""


def ping_proof(secret: bytes, sender: TaskManagerId, receiver: TaskManagerId) -> bytes:
    """What only TaskManagers of an attempt can give; ids have no spaces."""
    return hmac.digest(secret, f"ping {sender} {receiver}".encode(), hashlib.sha256)


def encode_ping_preface(sender: PingSender) -> bytes:
    """What the connecting TaskManager writes first."""
    magic = PING_TLS_MAGIC if sender.tls else PING_MAGIC
    return HEAD.pack(magic, len(sender.name)) + sender.name.encode() + sender.proof


def ping_length(head: bytes) -> int:
    """How many bytes follow this head."""
    length: int = HEAD.unpack(head)[1]
    if not 0 < length <= LONGEST_ID:
        raise PingPrefaceError(f"a TaskManager's id of {length} bytes, of {LONGEST_ID} at most")
    return length + PROOF_SIZE


def ping_sender(head: bytes, rest: bytes) -> PingSender:
    """Of the head and what followed: the id and the proof."""
    name, proof = rest[:-PROOF_SIZE], rest[-PROOF_SIZE:]
    if not _ID.fullmatch(name):
        raise PingPrefaceError(f"a TaskManager's id of {name!r}")
    return PingSender(TaskManagerId(name.decode()), proof, head.startswith(PING_TLS_MAGIC))


class _Connection(asyncio.Protocol):
    """One end: it hears one kind of byte, and may answer it with another."""

    def __init__(
        self,
        sender: PingSender,
        hears: bytes,
        answer: bytes,
        on_heard: Callable[["_Connection"], None],
        lines: LimitedLines,
    ) -> None:
        """`sender`: who is at the other end. He may be a stranger, so what is said of him goes to `lines`."""
        self.peer = sender.name
        self.proof = sender.proof
        self.proved = False
        self.heard_at = monotonic_ms()
        self.lost = ""
        """Why it is gone, when that wasn't our wish."""
        self._hears = hears
        self._answer = answer
        self._on_heard = on_heard
        self._lines = lines
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's are none of asyncio's classes
        try:
            if (tls := transport.get_extra_info("ssl_object")) is not None:
                check_member(tls)
        except NotAMemberError as error:
            self.lost = str(error)
            stream.abort()
        else:
            self._transport = stream

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            return
        if data.strip(self._hears):
            text = "the ping connection with TaskManager %s is closed: it said %r"
            self._lines.say(logging.WARNING, text, self.peer, data[:40])
            self.close()
            return
        self.heard_at = monotonic_ms()
        self._on_heard(self)
        if self._answer:
            self.write(self._answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self.lost = str(exc or "it closed the connection")
        self._transport = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    async def begin_tls(self, context: ssl.SSLContext) -> None:
        """Behind what was written; OSError when the other end is no member."""
        if self._transport is not None:
            loop = asyncio.get_running_loop()
            made = await loop.start_tls(self._transport, self, context, server_hostname=INTERNAL_NAME)
            assert made is not None, "asyncio's types say that it may be"
            self._transport = made

    def write(self, data: bytes) -> None:
        """Unless the peer reads nothing."""
        if self._transport is not None:
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > _UNSENT:
                self.close()

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


class Pings:
    """All ping connections of this TaskManager. `run` is its task."""

    def __init__(
        self,
        me: TaskManagerId,
        machine: str,
        settings: PortSettings,
        drop: Callable[[WorkerId, DropPeer], None],
        tls: InternalTls | None = None,
    ) -> None:
        self._me = me
        self._settings = settings
        self._tls = tls
        self._drop = drop
        self._pairs = PeerPairs(me, machine, settings.ping_timeout)
        self._asked: dict[TaskManagerId, _Connection] = {}
        self._connecting: dict[TaskManagerId, asyncio.Task[None]] = {}
        self._answered: list[_Connection] = []
        self._failures: dict[TaskManagerId, str] = {}
        """Why the last connection with a peer, or with who said that he is one, has failed."""
        self._changed = asyncio.Event()
        self._tries = 0
        self._lines = LimitedLines(log)

    def begin(self, worker: WorkerId, deployment: RegionDeployment) -> None:
        """A worker of ours is about to start."""
        self._pairs.begin(worker, deployment, monotonic_ms())
        self._changed.set()

    def end(self, worker: WorkerId) -> None:
        """It is gone."""
        self._pairs.end(worker)
        self._changed.set()

    async def adopt(self, sender: PingSender, sock: socket.socket) -> None:
        """A TaskManager has connected; its preface has been read. Takes the socket."""
        self._answered = [connection for connection in self._answered if connection.is_open]
        strangers = [connection for connection in self._answered if not connection.proved]
        if len(strangers) >= places(self._settings.ping_limit):
            of_this_name = [connection for connection in strangers if connection.peer == sender.name]
            (of_this_name or strangers)[0].close()
        connection = _Connection(sender, b"?", b"!", self._asked_by, self._lines)
        try:
            await self._accept(sender, sock, connection)
        except OSError as error:  # those of TLS are some
            connection.close()
            self._failed(sender.name, _words(error), logging.WARNING)
        else:
            self._answered.append(connection)

    async def _accept(self, sender: PingSender, sock: socket.socket, connection: _Connection) -> None:
        loop, tls = asyncio.get_running_loop(), self._tls
        if sender.tls is not (tls is not None):
            sock.close()
            speaks = "it speaks TLS, and we don't" if sender.tls else "it doesn't speak TLS"
            raise ConnectionRefusedError(f"{speaks}: {ON_BOTH}")
        if tls is None:
            await loop.connect_accepted_socket(lambda: connection, sock)
            return
        limit = self._settings.handshake_timeout / 1_000
        await loop.connect_accepted_socket(
            lambda: connection, sock, ssl=tls.server_context(), ssl_handshake_timeout=limit
        )
        if connection.lost:
            raise NotAMemberError(connection.lost)

    def _failed(self, peer: TaskManagerId, why: str, level: int = logging.DEBUG) -> None:
        """A connection has, with a peer or with who says that he is one. A warning where it may be a stranger: of a
        peer that stays silent it is said with his silence.
        """
        if self._pairs.secrets(peer):
            self._failures[peer] = why
        self._lines.say(level, "a ping connection with TaskManager %s has failed: %s", peer, why)

    async def run(self) -> None:
        """Until cancelled."""
        last = monotonic_ms()
        try:
            while True:
                now = monotonic_ms()
                stalled = now - last - self._settings.ping_interval
                if stalled > self._settings.ping_interval:
                    self._pairs.forgive(stalled)  # our process stood still; what came meanwhile hasn't been read
                last = now
                self._ask()
                self._judge(now)
                await self._sleep(now)
        finally:
            for task in self._connecting.values():
                task.cancel()
            await asyncio.gather(*self._connecting.values(), return_exceptions=True)
            for connection in (*self._asked.values(), *self._answered):
                connection.close()
            await asyncio.sleep(0)  # the loop closes aborted sockets in its next turn
            self._lines.close()

    async def _sleep(self, now: int) -> None:
        deadline = self._pairs.deadline()
        pause = self._settings.ping_interval
        if deadline is not None:
            pause = min(pause, max(deadline - now, 1))
        self._changed.clear()
        try:
            async with asyncio.timeout(pause / 1_000):
                await self._changed.wait()
        except TimeoutError:
            return

    def _ask(self) -> None:
        """One ping to each peer that we connect with, a new connection where there is none."""
        wanted = self._pairs.to_connect()
        for peer, connection in list(self._asked.items()):
            if connection.lost:
                self._failed(peer, connection.lost)
            if peer not in wanted or not connection.is_open:
                connection.close()
                del self._asked[peer]
            else:
                connection.write(b"?")
        for peer, address in wanted.items():
            if peer not in self._asked and peer not in self._connecting:
                self._connecting[peer] = asyncio.create_task(self._connect(peer, address), name=f"pings {peer}")

    async def _connect(self, peer: TaskManagerId, address: DataAddress) -> None:
        connection = _Connection(PingSender(peer, b""), b"!", b"", self._answered_by, self._lines)
        try:
            async with running_limit(self._settings.handshake_timeout / 1_000):
                await asyncio.get_running_loop().create_connection(lambda: connection, address.host, address.port)
                connection.write(encode_ping_preface(self._introduction(peer)))
                if self._tls is not None:
                    await connection.begin_tls(self._tls.client_context())
            connection.write(b"?")
            self._asked[peer] = connection
        except (OSError, TimeoutError) as error:
            connection.close()
            self._failed(peer, f"{address.host}:{address.port} can't be reached: {_words(error)}")
        finally:
            del self._connecting[peer]

    def _introduction(self, peer: TaskManagerId) -> PingSender:
        """Another secret at each try: the peer may not know the newest attempt yet, or older ones no more."""
        known = self._pairs.secrets(peer)
        self._tries += 1
        proof = ping_proof(known[self._tries % len(known)], self._me, peer) if known else bytes(PROOF_SIZE)
        return PingSender(self._me, proof, self._tls is not None)

    def _answered_by(self, connection: _Connection) -> None:
        self._hear(connection.peer)

    def _hear(self, peer: TaskManagerId) -> None:
        self._pairs.heard(peer, monotonic_ms())
        self._failures.pop(peer, None)

    def _asked_by(self, connection: _Connection) -> None:
        """He is heard if he is a peer; one that says so and can't prove it is closed, a peer tries again."""
        peer = connection.peer
        known = self._pairs.secrets(peer)
        if not connection.proved and known:
            proofs = [ping_proof(secret, peer, self._me) for secret in known]
            if not any(hmac.compare_digest(proof, connection.proof) for proof in proofs):
                text = "a ping connection is closed: it says it is TaskManager %s and can't prove it"
                self._lines.say(logging.WARNING, text, peer)
                connection.close()
                return
            for other in self._answered:
                if other.proved and other.peer == peer:
                    other.close()  # a peer has one; this is what is left of one that broke
            connection.proved = True
        if connection.proved:
            self._hear(peer)

    def _judge(self, now: int) -> None:
        for silence in self._pairs.silent(now):
            reason = f"TaskManager {silence.taskmanager} has not answered for {silence.lasted} ms"
            if why := self._failures.pop(silence.taskmanager, ""):
                reason += f" ({why})"
            log.warning("%s; %s: connections dropped", reason, counted(len(silence.workers), "worker"))
            for worker in silence.workers:
                self._drop(worker, DropPeer(silence.taskmanager, reason))
            if (connection := self._asked.pop(silence.taskmanager, None)) is not None:
                connection.close()  # it leads nowhere
        for connection in self._answered:
            if now - connection.heard_at >= self._settings.ping_timeout:
                connection.close()


def _words(error: OSError) -> str:
    """An end that was closed, or a time that is over, has none of its own."""
    return str(error) or ("nobody answers" if isinstance(error, TimeoutError) else "it closed the connection")
