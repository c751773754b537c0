"""The session with the leading JobManager: one stream, kept up for ever (laws 3.1 to 3.3).

What stands between two tries: nothing after a session that ended in order, else 100 ms, twice as long after each
failure, up to 3 s. Whoever was refused asks every 15 s. Each try has a channel of its own, since gRPC's own waiting
between two connections of one channel can't be told that the JobManager is back.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import grpc
import grpc.aio

from millstream_dataflow.identity import Epoch, SessionId, TaskManagerId
from millstream_proto.session_pb2 import JobManagerMessage
from millstream_proto.session_pb2_grpc import TaskManagerGatewayStub
from millstream_runtime.leadership.nodes import LEADER_KEY
from millstream_runtime.messages.codec import MalformedMessageError, body_reader, from_message
from millstream_runtime.messages.parts import PartJoiner
from millstream_runtime.messages.session import FromJobManager, FromTaskManager, Registered
from millstream_runtime.security import GRPC_OPTIONS, disagreement
from millstream_taskmanager.core.events import Event, LeaderConnected, LeaderDisconnected, LeaderSaid
from millstream_taskmanager.service.leaders import Leaders
from millstream_taskmanager.service.outgoing import Outgoing, TooMuchUnsentError
from millstream_taskmanager.service.settings import LinkSettings

log = logging.getLogger("millstream.taskmanager")

CHANNEL_OPTIONS: Final = (
    # A JobManager's host that is gone without a word is noticed after 25 s, heartbeats say it after 50.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Channels to one target would share connections, and the waiting after one that failed.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)
FAREWELL_S: Final = 0.5  # what a JobManager gets to end the stream when we leave
LASTED_MS: Final = 100  # a session that ended sooner doesn't earn an immediate next one

_read_body = body_reader(FromJobManager)


@dataclass(slots=True)
class _Open:
    """The session that stands."""

    id: SessionId
    channel: grpc.aio.Channel
    outgoing: Outgoing
    closed: "asyncio.Future[str]"
    registered: bool = False


@dataclass(frozen=True, slots=True)
class _Ended:
    reason: str
    clean: bool = False
    registered: bool = False


class LeaderLink:
    """Looks for the leader, speaks with it, looks again. `run` is its task."""

    def __init__(
        self,
        leaders: Leaders,
        me: TaskManagerId,
        settings: LinkSettings,
        tell: Callable[[Event], None],
        epoch: Callable[[], Epoch],
    ) -> None:
        self._leaders = leaders
        self._target = "?"
        self._me = me
        self._settings = settings
        self._tell = tell
        self._epoch = epoch
        self._number = 0
        self._backoff = settings.first_backoff
        self._refused = False
        self._complained = False
        self._open: _Open | None = None
        self._opened = asyncio.Event()

    # ------------------------------------------------------------ what the core asks for

    def send(self, session: SessionId, message: FromTaskManager) -> None:
        """Into the session, if it still stands."""
        if self._open is None or self._open.id != session:
            return
        try:
            self._open.outgoing.put(message, self._epoch())
        except TooMuchUnsentError as error:
            self._close(self._open, str(error))

    def close(self, session: SessionId, reason: str, *, refused: bool) -> None:
        """End it and look for the leader anew; not at once if we were refused."""
        if self._open is not None and self._open.id == session:
            self._refused = refused
            self._close(self._open, reason)

    def _close(self, opened: _Open, reason: str) -> None:
        if not opened.closed.done():
            opened.closed.set_result(reason)

    async def channel(self) -> grpc.aio.Channel:
        """The channel to the leader; waits until there is one."""
        while self._open is None:
            await self._opened.wait()
        return self._open.channel

    # ------------------------------------------------------------ one session after the other

    async def run(self) -> None:
        """Until cancelled; then the last session has been ended in order."""
        while True:
            self._number += 1
            began = time.monotonic_ns()
            ended = await self._session(SessionId(self._me, self._number))
            lasted = (time.monotonic_ns() - began) // 1_000_000
            await self._rest(self._pause(ended, lasted))

    async def _rest(self, pause: int) -> None:
        """So many milliseconds, or until another leader is announced."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause / 1_000):
                await self._leaders.another()
                self._backoff = self._settings.first_backoff

    def _pause(self, ended: _Ended, lasted: int) -> int:
        """Milliseconds until the next try."""
        if self._refused:
            self._refused = False
            return self._settings.refused_backoff
        if lasted >= LASTED_MS and ended.registered:
            self._backoff = self._settings.first_backoff
            if ended.clean:
                return 0
        pause = self._backoff
        self._backoff = min(2 * pause, self._settings.longest_backoff)
        return pause

    async def _session(self, session: SessionId) -> _Ended:
        self._target = await self._leaders.find()
        try:
            async with self._connected() as channel:
                ended = await self._converse(session, channel)
        except (grpc.RpcError, ConnectionError, TimeoutError) as error:
            self._complain(str(error) or type(error).__name__)
            self._leaders.lost()
            return _Ended(str(error))
        log.info("session %s with the JobManager at %s ended: %s", session, self._target, ended.reason)
        return ended

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncGenerator[grpc.aio.Channel]:
        channel = self._channel()
        try:
            async with asyncio.timeout(self._settings.call_timeout / 1_000):
                await self._ready_or_moved(channel)
            yield channel
        finally:
            await channel.close()

    async def _ready_or_moved(self, channel: grpc.aio.Channel) -> None:
        """A host that is gone swallows every try, while the next leader is announced elsewhere."""
        ready = asyncio.create_task(self._ready(channel))
        moved = asyncio.create_task(self._leaders.another())
        try:
            await asyncio.wait((ready, moved), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise ConnectionError("another JobManager leads")
            ready.result()
        finally:
            for task in (ready, moved):
                task.cancel()
            await asyncio.gather(ready, moved, return_exceptions=True)

    def _channel(self) -> grpc.aio.Channel:
        tls = self._settings.tls
        if tls is None or self._target.startswith("unix:"):  # a socket of this user alone
            return grpc.aio.insecure_channel(self._target, CHANNEL_OPTIONS)
        return grpc.aio.secure_channel(self._target, tls.grpc_channel_credentials(), (*CHANNEL_OPTIONS, *GRPC_OPTIONS))

    async def _ready(self, channel: grpc.aio.Channel) -> None:
        """ConnectionError at the first failure: waiting between two tries is ours."""
        state = channel.get_state(try_to_connect=True)
        while state is not grpc.ChannelConnectivity.READY:
            if state in (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN):
                raise ConnectionError("no connection" if self._complained else await self._trouble(channel))
            await channel.wait_for_state_change(state)
            state = channel.get_state(try_to_connect=True)

    async def _trouble(self, channel: grpc.aio.Channel) -> str:
        """Why it isn't connected. A channel tells that only to a call, which fails at once."""
        call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            await call(b"")
        except grpc.aio.AioRpcError as error:
            words, by_tls = error.details() or error.code().name, self._settings.tls is not None
            return await asyncio.to_thread(disagreement, words, self._target, "internal", by_tls=by_tls) or words
        return "it was connected too late"

    def _complain(self, reason: str) -> None:
        """Once an outage, not once a try."""
        if not self._complained:
            self._complained = True
            log.warning("the JobManager at %s can't be reached (%s); trying again until it can", self._target, reason)

    async def _converse(self, session: SessionId, channel: grpc.aio.Channel) -> _Ended:
        call = TaskManagerGatewayStub(channel).Session()
        outgoing = Outgoing(session, self._settings)
        opened = self._open = _Open(session, channel, outgoing, asyncio.get_running_loop().create_future())
        self._opened.set()
        self._tell(LeaderConnected(session))
        writing = asyncio.create_task(_write(call, outgoing), name=f"writes session {session}")
        reading = asyncio.create_task(self._read(call, opened), name=f"reads session {session}")
        moving = asyncio.create_task(self._move(opened), name=f"looks who leads in session {session}")
        ended = _Ended("the TaskManager ends it")
        try:
            await _either(reading, opened.closed, writing)
            reason = _Ended(opened.closed.result()) if opened.closed.done() else await reading
            ended = replace(reason, registered=opened.registered)
        except asyncio.CancelledError:
            outgoing.finish()
            await asyncio.wait({writing, reading}, timeout=FAREWELL_S)
            raise
        finally:
            self._open = None
            self._opened.clear()
            call.cancel()
            for task in (writing, reading, moving):
                task.cancel()
            await asyncio.gather(writing, reading, moving, return_exceptions=True)
            self._tell(LeaderDisconnected(session, ended.reason))
        return ended

    async def _move(self, opened: _Open) -> None:
        """The one that we follow doesn't lead any more, whatever it says or keeps silent about."""
        await self._leaders.another()
        self._close(opened, "another JobManager leads")

    async def _read(self, call: Any, opened: _Open) -> _Ended:  # noqa: ANN401  # grpc has no type for it
        """Everything that the leader says, until the stream ends."""
        joiner: PartJoiner[JobManagerMessage] = PartJoiner()
        try:
            while True:
                # Until the registration is answered, silence is a broken JobManager; then heartbeats count.
                limit = None if opened.registered else self._settings.call_timeout / 1_000
                async with asyncio.timeout(limit):
                    envelope = await call.read()
                if envelope is grpc.aio.EOF:
                    return _Ended(f"the JobManager ended it ({await call.details() or 'in order'})", clean=True)
                whole = joiner.feed(envelope)
                if whole is not None:
                    self._heard(opened, whole)
        except MalformedMessageError as error:
            log.warning("session %s: what the JobManager at %s says can't be read: %s", opened.id, self._target, error)
            return _Ended(str(error))
        except TimeoutError:
            return _Ended(f"the JobManager didn't answer the registration for {self._settings.call_timeout} ms")
        except grpc.RpcError as error:
            return self._broken(error)

    def _broken(self, error: grpc.RpcError) -> _Ended:
        """A standby names the leader, which is tried at once."""
        named = next((str(value) for key, value in _metadata(error) if key == LEADER_KEY), "")
        if named and named != self._target:
            self._leaders.redirected(named)
            self._backoff = self._settings.first_backoff
        else:
            self._leaders.lost()
        return _Ended(_sentence(error))

    def _heard(self, opened: _Open, envelope: JobManagerMessage) -> None:
        session = from_message(SessionId, envelope.session)
        if session != opened.id:
            raise MalformedMessageError(f"a message for session {session} came in session {opened.id}")
        message: FromJobManager = _read_body(envelope)
        if isinstance(message, Registered) and not opened.registered:
            opened.registered = True
            self._complained = False
            log.info("registered with JobManager %s at %s as %s", message.leader, self._target, opened.id)
        self._tell(LeaderSaid(opened.id, Epoch(envelope.epoch), message))


async def _either(reading: asyncio.Future[Any], closed: asyncio.Future[Any], writing: asyncio.Future[Any]) -> None:
    """Wait for one of the first two. A stream that broke ends the writing, but only reading says how it broke."""
    waiting = {reading, closed, writing}
    while not reading.done() and not closed.done():
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if writing.done():
            writing.result()
            waiting.discard(writing)


async def _write(call: Any, outgoing: Outgoing) -> None:  # noqa: ANN401  # grpc has no type for it
    """Everything that is put, until the last."""
    try:
        while (envelope := await outgoing.next()) is not None:
            await call.write(envelope)
        await call.done_writing()
    except (grpc.RpcError, asyncio.InvalidStateError):
        return  # the stream has ended; whoever reads says why


def _metadata(error: grpc.RpcError) -> list[tuple[str, str | bytes]]:
    return list(error.trailing_metadata() or ()) if isinstance(error, grpc.aio.AioRpcError) else []


def _sentence(error: grpc.RpcError) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error)
