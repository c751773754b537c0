"""A JobManager that does what a test tells it to: a real gRPC server, no scheduler behind it."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, TypeVar

import grpc
import grpc.aio

from millstream_dataflow.identity import Digest, Epoch, RegionAttempt, RegionId, SessionId, TaskManagerId, worker_id
from millstream_dataflow.job_graph import BlobRef, JobGraph
from millstream_dataflow.plan import Plan
from millstream_proto.blobs_pb2 import BlobChunk, FetchRequest
from millstream_proto.session_pb2 import JobManagerMessage, TaskManagerMessage
from millstream_proto.session_pb2_grpc import TaskManagerGatewayServicer, add_TaskManagerGatewayServicer_to_server
from millstream_runtime.messages.codec import body_reader, encode, from_message, to_body, to_message
from millstream_runtime.messages.deployments import DataAddress, DeployWorker, RegionDeployment, WorkerPlacement
from millstream_runtime.messages.parts import PartJoiner, split_message
from millstream_runtime.messages.session import FromJobManager, FromTaskManager, Heartbeat, Register, Registered

T = TypeVar("T")
Context = Any  # grpc's own has no types
CHUNK = 64 << 10

_read_body = body_reader(FromTaskManager)


async def eventually(condition: Callable[[], object]) -> None:
    """Wait for what announces itself to nobody."""
    while not condition():  # noqa: ASYNC110  # a file or a process that others change sets no event
        await asyncio.sleep(0.005)


class Stream:
    """A stream of one TaskManager, as the JobManager sees it."""

    def __init__(self, id_: SessionId, epoch: Epoch, context: Context) -> None:
        self.id = id_
        self.epoch = epoch
        self.heard: list[FromTaskManager] = []
        self.envelopes = 0
        """In which it came: a large message has several."""
        self.ended = False
        self.end = asyncio.Event()
        self.reading = asyncio.Event()
        self.reading.set()
        self._context: Context = context
        self._writing = asyncio.Lock()

    def over(self) -> None:
        """The stream is closed; its context would keep the whole server."""
        self.ended = True
        self._context = None

    async def say(self, message: FromJobManager, *, epoch: int | None = None, limit: int = 256 << 10) -> None:
        """In the epoch of the JobManager, or another."""
        spoken = self.epoch if epoch is None else epoch
        envelope = to_body(JobManagerMessage, message, session=to_message(self.id), epoch=spoken)
        async with self._writing:
            for part in split_message(envelope, limit):
                await self._context.write(part)

    async def said(self) -> None:
        """Wait until what is being written is written: of a call that ends meanwhile the other side hears no end."""
        async with self._writing:
            pass

    async def say_raw(self, envelope: JobManagerMessage) -> None:
        """Whatever it is."""
        async with self._writing:
            await self._context.write(envelope)

    def of(self, cls: type[T]) -> list[T]:
        """What was heard of one kind."""
        return [message for message in self.heard if isinstance(message, cls)]


class ScriptedJobManager(TaskManagerGatewayServicer):
    """Answers registrations and fetches; the rest is the test's."""

    def __init__(self, epoch: int = 1, *, heartbeat: tuple[int, int] = (1_000, 5_000)) -> None:
        self.epoch = Epoch(epoch)
        self.blobs: dict[str, bytes] = {}
        self.damage: Callable[[bytes], bytes] = bytes
        self.fetches: list[str] = []
        self.fetches_go_on = asyncio.Event()
        self.fetches_go_on.set()
        self.answer: Callable[[], FromJobManager | None] = self._registered
        self.heartbeat = heartbeat
        self.sessions: list[Stream] = []
        self.port = 0
        self._changed = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    def _registered(self) -> FromJobManager | None:
        return Registered("scripted", *self.heartbeat)

    async def start(self, port: int = 0) -> None:
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        add_TaskManagerGatewayServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self._server.start()

    async def stop(self) -> None:
        """As a process that dies: every stream breaks."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def session(self) -> Stream:
        """The latest."""
        return self.sessions[-1]

    async def until(self, condition: Callable[[], T]) -> T:
        """Wait for something that a TaskManager says."""
        while not (result := condition()):
            self._changed.clear()
            await self._changed.wait()
        return result

    async def heard(self, cls: type[T], matching: Callable[[T], object] = lambda _: True) -> T:
        """The first message of that kind in the present session."""
        found = await self.until(lambda: [m for m in self._heard_now(cls) if matching(m)])
        return found[0]

    def _heard_now(self, cls: type[T]) -> list[T]:
        return self.session.of(cls) if self.sessions else []

    def all_of(self, cls: type[T]) -> list[T]:
        """What any TaskManager has said of one kind, in any session."""
        return [message for stream in self.sessions for message in stream.of(cls)]

    async def say_all(self, message: FromJobManager) -> None:
        """To every TaskManager."""
        for stream in self.sessions:
            if not stream.ended:
                await stream.say(message)

    def keep(self, data: bytes) -> BlobRef:
        """A blob that can be fetched."""
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return BlobRef(Digest(digest), len(data))

    # ------------------------------------------------------------ the calls

    async def Session(self, request_iterator: AsyncIterator[TaskManagerMessage], context: Context) -> None:  # noqa: N802  # gRPC's name
        joiner: PartJoiner[TaskManagerMessage] = PartJoiner()
        session, register = await self._read(request_iterator, context, joiner)
        tasks: set[asyncio.Task[Any]] = {
            asyncio.create_task(self._beat(session)),
            asyncio.create_task(session.end.wait()),
            asyncio.create_task(self._follow(session, register, request_iterator, joiner)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await session.said()
        finally:
            session.over()  # first: who leaves in order and then cancels the call cancels what is awaited here
            self._changed.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(
        self, requests: AsyncIterator[TaskManagerMessage], context: Context, joiner: PartJoiner[TaskManagerMessage]
    ) -> tuple[Stream, TaskManagerMessage]:
        """The stream and what it begins with."""
        envelopes = 0
        async for envelope in requests:
            envelopes += 1
            whole = joiner.feed(envelope)
            if whole is not None:
                session = Stream(from_message(SessionId, whole.session), self.epoch, context)
                session.envelopes = envelopes
                self.sessions.append(session)
                return session, whole
        raise ConnectionError("the TaskManager left before it had registered")

    async def _follow(
        self,
        session: Stream,
        register: TaskManagerMessage,
        requests: AsyncIterator[TaskManagerMessage],
        joiner: PartJoiner[TaskManagerMessage],
    ) -> None:
        await self._hear(session, register)
        async for envelope in requests:
            await session.reading.wait()
            session.envelopes += 1
            whole = joiner.feed(envelope)
            if whole is not None:
                await self._hear(session, whole)

    async def _hear(self, session: Stream, envelope: TaskManagerMessage) -> None:
        message: FromTaskManager = _read_body(envelope)
        session.heard.append(message)
        self._changed.set()  # before the answer, at which the TaskManager may leave
        if isinstance(message, Register) and (answer := self.answer()) is not None:
            await session.say(answer)

    async def _beat(self, session: Stream) -> None:
        while True:
            await asyncio.sleep(self.heartbeat[0] / 1_000)
            with contextlib.suppress(Exception):
                await session.say(Heartbeat(0))

    async def Fetch(self, request: FetchRequest, context: Context) -> None:  # noqa: N802  # gRPC's name
        self.fetches.append(request.digest)
        self._changed.set()
        await self.fetches_go_on.wait()
        data = self.blobs.get(request.digest)
        if data is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no blob {request.digest}")
            return
        sent = self.damage(data)
        for start in range(0, max(len(sent), 1), CHUNK):
            piece = BlobChunk(digest=request.digest, size=len(data), data=sent[start : start + CHUNK])
            await context.write(piece)


def deployments(
    jobmanager: ScriptedJobManager, graph: JobGraph, blobs: Iterable[bytes], places: Mapping[TaskManagerId, DataAddress]
) -> list[DeployWorker]:
    """All workers of the job's only region, dealt out to these TaskManagers, slot by slot."""
    for blob in blobs:
        jobmanager.keep(blob)
    [region] = Plan(graph).regions
    attempt = RegionAttempt(graph.job, RegionId(0), 1)
    dealt = list(places.items())
    placements = tuple(
        WorkerPlacement(
            worker_id(attempt, worker.ordinal),
            worker.ordinal,
            dealt[worker.ordinal % len(dealt)][0],
            worker.ordinal // len(dealt),
            dealt[worker.ordinal % len(dealt)][1],
        )
        for worker in region.workers
    )
    deployment = jobmanager.keep(encode(RegionDeployment(attempt, jobmanager.epoch, b"s" * 32, placements)))
    whole = jobmanager.keep(encode(graph))
    return [
        DeployWorker(placement.worker, attempt, placement.slot, placement.ordinal, worker.subtasks, whole, deployment)
        for placement, worker in zip(placements, region.workers, strict=True)
    ]
