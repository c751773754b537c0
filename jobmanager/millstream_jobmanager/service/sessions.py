"""TaskManagers: one stream each, and the blobs that messages in it name (laws 3.1 and 3.3).

A stream begins with `Register`; from then on its messages are events of the core, but for printed text and answers to
questions, which change nothing and go past it. Whatever contradicts the protocol closes the stream with a line in the
log; the TaskManager opens another and tells the whole truth again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc

from millstream_dataflow.identity import Digest, Epoch, JobId, SessionId
from millstream_dataflow.words import counted
from millstream_jobmanager.core.events import MessageReceived, SessionClosed, SessionOpened
from millstream_jobmanager.service.blobs import CHUNK, PublishedBlobs
from millstream_jobmanager.service.carrier import Carrier, LeadershipLostError
from millstream_jobmanager.service.names import check_digest, is_taskmanager
from millstream_jobmanager.service.outbox import Outbox
from millstream_jobmanager.service.output import Outputs
from millstream_jobmanager.service.questions import Questions
from millstream_jobmanager.service.refusals import invalid, not_found, not_now
from millstream_jobmanager.service.rpc import Context, Method, checked, service_handler
from millstream_jobmanager.service.settings import ServiceSettings
from millstream_jobmanager.service.shell import Shell
from millstream_proto import session_pb2
from millstream_proto.blobs_pb2 import BlobChunk, FetchRequest
from millstream_proto.session_pb2 import JobManagerMessage, TaskManagerMessage
from millstream_runtime.messages.codec import MalformedMessageError, body_reader, from_message, to_body, to_message
from millstream_runtime.messages.parts import PartJoiner
from millstream_runtime.messages.session import (
    FromJobManager,
    FromTaskManager,
    ListenOutput,
    OperatorReply,
    Refused,
    Register,
    Registered,
    TaskOutput,
)
from millstream_runtime.running_limit import running_limit
from millstream_runtime.versions import own_version

MAX_SLOTS = 1024
"""Of one TaskManager, as its option says; a number from the wire must not become a list of that length."""
LAST_WORDS = 5.0
"""Seconds that a closed stream gets to take what was sent before."""
IN_ORDER = "its TaskManager ended it"
"""Why a stream ended, when nothing is wrong."""

_body = body_reader(FromTaskManager)
_log = logging.getLogger("millstream.jobmanager.sessions")


class OpenSessions:
    """The streams that stand, as the core commands them."""

    def __init__(self, epoch: Epoch) -> None:
        self._epoch = epoch
        self._outboxes: dict[SessionId, Outbox] = {}
        self._registered: set[SessionId] = set()
        self.outputs = Outputs(self._tell_all, self.send)
        self.questions = Questions(self.send)

    def open(self, session: SessionId, outbox: Outbox) -> bool:
        """A stream stands; False when another one of that very number does."""
        if session in self._outboxes:
            return False
        self._outboxes[session] = outbox
        return True

    def closed(self, session: SessionId) -> None:
        """The stream has ended."""
        self._outboxes.pop(session, None)
        self._registered.discard(session)
        self.questions.session_closed(session)

    def send(self, session: SessionId, message: FromJobManager) -> None:
        """Into the stream, in order; nowhere when it is closed."""
        outbox = self._outboxes.get(session)
        if outbox is None:
            return
        outbox.put(envelope(self._epoch, session, message))
        if isinstance(message, Registered):
            self._registered.add(session)
            self.outputs.registered(lambda listen: self.send(session, listen))

    def close(self, session: SessionId, reason: str) -> None:
        """End the stream; what was sent before still goes out."""
        if session in self._outboxes:
            self._outboxes[session].close(reason)

    def job_ended(self, job: JobId) -> None:
        """Whoever listens to it has heard everything."""
        self.outputs.job_ended(job)

    def end(self, reason: str) -> None:
        """End all streams."""
        self.outputs.end()
        for outbox in self._outboxes.values():
            outbox.close(reason)

    def _tell_all(self, message: ListenOutput) -> None:
        for session in list(self._registered):
            self.send(session, message)


def envelope(epoch: Epoch, session: SessionId, message: FromJobManager) -> JobManagerMessage:
    """A message as it goes into the stream."""
    made: JobManagerMessage = to_body(JobManagerMessage, message, session=to_message(session), epoch=epoch)
    return made


@dataclass(frozen=True, slots=True)
class Around:
    """What serves TaskManagers."""

    epoch: Epoch
    shell: Shell
    sessions: OpenSessions
    carrier: Carrier
    blobs: PublishedBlobs
    settings: ServiceSettings


class TaskManagerGateway:
    """Serves `session.proto`."""

    def __init__(self, around: Around) -> None:
        self._around = around

    def handler(self) -> grpc.GenericRpcHandler:
        """For the server."""
        methods: dict[str, Method] = {"Session": self.session, "Fetch": self.fetch}
        return service_handler(session_pb2.DESCRIPTOR.services_by_name["TaskManagerGateway"], methods)

    # ------------------------------------------------------------ the stream

    async def session(self, _: object, context: Context) -> None:
        """One stream, from its registration to its end, whoever ends it."""
        stream = _Stream(self._around, context)
        try:
            async with running_limit(self._around.settings.call_timeout):
                session, registration = await stream.registration()
        except TimeoutError:
            raise invalid(f"no registration came within {self._around.settings.call_timeout:g} s") from None
        if not self._around.shell.leads:
            raise LeadershipLostError
        if (refusal := self._refusal(registration)) is not None:
            _log.warning("TaskManager %s is refused: %s", session.taskmanager, refusal)
            await context.write(envelope(self._around.epoch, session, Refused(refusal)))
            return
        outbox = Outbox(self._around.settings.max_message_size)
        if not self._around.sessions.open(session, outbox):
            raise invalid(f"session {session} stands already")
        self._around.shell.post(SessionOpened(session, registration))
        _log.info("TaskManager %s opened session %s", session.taskmanager, session.number)
        reason = "the connection was closed"
        try:
            reason = await stream.run(session, outbox)
        except MalformedMessageError as error:
            reason = f"it sent nonsense: {error}"
            raise
        finally:
            self._around.sessions.closed(session)
            self._around.shell.post(SessionClosed(session, reason))
            level = logging.INFO if reason == IN_ORDER else logging.WARNING
            _log.log(level, "session %s of TaskManager %s ended: %s", session.number, session.taskmanager, reason)
        raise not_now(reason)

    def _refusal(self, registration: Register) -> str | None:
        here, there = own_version(), registration.versions.millstream
        if registration.epoch_seen > self._around.epoch:
            return (
                f"it has followed a JobManager of epoch {registration.epoch_seen}, this one leads in epoch "
                f"{self._around.epoch} and is older; stop it if another one runs, else restart the TaskManager"
            )
        if there != here:
            return f"it runs millstream {there}, this JobManager {here}; install the same version on both"
        if not 1 <= registration.slots <= MAX_SLOTS:
            return f"it offers {counted(registration.slots, 'slot')}; from 1 to {MAX_SLOTS} are possible"
        return None

    # ------------------------------------------------------------ blobs

    async def fetch(self, request: FetchRequest, _: Context) -> AsyncIterator[BlobChunk]:
        """The blob in chunks; the first names digest and size."""
        digest = Digest(request.digest)
        check_digest(digest)
        data = self._around.blobs.find(digest)
        if data is not None:
            for start in range(0, max(1, len(data)), CHUNK):
                piece = data[start : start + CHUNK]
                yield BlobChunk(digest=digest, size=len(data), data=piece) if start == 0 else BlobChunk(data=piece)
            return
        file = await self._around.carrier.open_blob(digest)
        if file is None:
            raise not_found(f"there is no blob {digest}; its job has ended, or it was never uploaded")
        try:
            for start in range(0, max(1, file.size), CHUNK):
                piece = await self._around.carrier.read(partial(file.read_at, start, CHUNK))
                yield BlobChunk(digest=digest, size=file.size, data=piece) if start == 0 else BlobChunk(data=piece)
        finally:
            file.close()


class _Stream:
    """One call of `Session`, read and written by two tasks."""

    def __init__(self, around: Around, context: Context) -> None:
        self._around = around
        self._context = context
        self._joiner: PartJoiner[TaskManagerMessage] = PartJoiner()

    async def registration(self) -> tuple[SessionId, Register]:
        """The first message; MalformedMessageError for anything else."""
        message = await self._read()
        if message is None:
            raise MalformedMessageError("the stream ended before its registration")
        body = _body(message)
        session = from_message(SessionId, message.session)
        if not isinstance(body, Register):
            raise MalformedMessageError(f"the first message is {type(body).__name__}, it must be Register")
        if not is_taskmanager(session.taskmanager) or session.number < 1:
            raise MalformedMessageError(f"session {session.number} of TaskManager {session.taskmanager[:80]!r}")
        return session, body

    async def run(self, session: SessionId, outbox: Outbox) -> str:
        """Read and write until one of both ends; why it ended."""
        writer = asyncio.create_task(outbox.run(self._context.write))
        reader = asyncio.create_task(self._listen(session))
        closed = asyncio.create_task(outbox.closed.wait())
        tasks: set[asyncio.Task[Any]] = {writer, reader, closed}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if outbox.closing is not None:
                await asyncio.wait({writer}, timeout=LAST_WORDS)
                return outbox.closing
            if reader.done():
                reader.result()
                return IN_ORDER
            writer.result()
            raise AssertionError("a writer ends when its outbox is closed")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, session: SessionId) -> None:
        while (message := await self._read()) is not None:
            self._take(session, message)
            await self._around.shell.room()

    def _take(self, session: SessionId, message: TaskManagerMessage) -> None:
        if (message.session.taskmanager, message.session.number) != (session.taskmanager, session.number):
            raise MalformedMessageError(f"a message of session {message.session.number} in the stream of {session}")
        if message.epoch > self._around.epoch:
            raise MalformedMessageError(f"it follows epoch {message.epoch}, this JobManager leads in an older one")
        match _body(message):
            case Register():
                raise MalformedMessageError("a second registration in one stream")
            case TaskOutput() as output:
                self._around.sessions.outputs.heard(session, output)
            case OperatorReply() as reply:
                self._around.sessions.questions.answered(session, reply)
            case body:
                self._around.shell.post(MessageReceived(session, body))

    async def _read(self) -> TaskManagerMessage | None:
        """The next whole message; None at the end of the stream."""
        while True:
            received: Any = await self._context.read()
            if received is grpc.aio.EOF:
                return None
            part: TaskManagerMessage = checked(received)
            if part.ByteSize() > self._around.settings.max_message_size:
                limit = self._around.settings.max_message_size
                raise MalformedMessageError(f"a message of {part.ByteSize()} bytes; above {limit} they come in parts")
            whole = self._joiner.feed(part)
            if whole is not None:
                return whole
