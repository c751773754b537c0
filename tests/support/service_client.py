"""A JobManager service over a store in a directory, and a client of it, as tests use them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import grpc

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import Digest, JobId, OperatorId
from millstream_dataflow.job_graph import BlobRef, JobGraph
from millstream_jobmanager.leadership.single import SingleElection
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_jobmanager.service.refusals import FAILURE_KEY
from millstream_jobmanager.service.server import JobManagerService
from millstream_jobmanager.store import JobStore, LocalJobStore
from millstream_proto.blobs_pb2 import BlobChunk
from millstream_proto.client_pb2 import ClusterRequest, JobRequest, OperatorQuestion
from millstream_proto.client_pb2_grpc import ClientGatewayStub
from millstream_runtime.messages.client import (
    CancelJob,
    ClusterView,
    JobDetails,
    JobStatus,
    StopJob,
    SubmitJob,
    TriggerSavepoint,
)
from millstream_runtime.messages.codec import decode, encode, from_message, to_message
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.session import OperatorReply, TaskOutput
from millstream_runtime.states import JobState
from tests.support.graphs import keyed_job
from tests.support.session_taskmanager import SessionTaskManager

JOB = JobId("5" * 32)
FUNCTIONS = b"functions of a vertex"


def digest_of(data: bytes) -> Digest:
    """The name of a blob."""
    return Digest(hashlib.sha256(data).hexdigest())


def job_of(
    job: JobId = JOB, options: Mapping[str, str] | None = None, *, bounded: bool = False, parallelism: int = 1
) -> JobGraph:
    """A job with one region, a worker for each of its parallelism: source -> count -> sink. `options` are its own, by
    key.
    """
    graph = keyed_job(parallelism, bounded=bounded, commits=False, job=job)
    reference = BlobRef(digest_of(FUNCTIONS), len(FUNCTIONS))
    vertices = tuple(replace(vertex, functions=reference) for vertex in graph.vertices)
    return replace(graph, vertices=vertices, configuration=dict(options or {}))


CHECKPOINTED = {"execution.checkpointing.interval": "20ms"}


@asynccontextmanager
async def leading(
    directory: Path,
    options: Mapping[str, str] | None = None,
    address: ListenAddress | None = None,
    store: JobStore | None = None,
) -> AsyncGenerator[JobManagerService]:
    """A JobManager over the store in a directory; `options` by key."""
    configuration = Configuration.from_strings(options or {})
    service = await JobManagerService.start(
        configuration,
        address or ListenAddress.unix(f"{directory}/jm.sock"),
        SingleElection(store or LocalJobStore(directory / "store")),
        f"{directory}/store/checkpoints",
    )
    try:
        yield service
    finally:
        await service.stop()


@asynccontextmanager
async def client_of(service: JobManagerService) -> AsyncGenerator[Client]:
    """A client with a connection of its own."""
    async with grpc.aio.insecure_channel(service.target) as channel:
        yield Client(channel)


@dataclass(frozen=True)
class SmallCluster:
    """A JobManager, one TaskManager with a session, a client."""

    service: JobManagerService
    client: Client
    taskmanager: SessionTaskManager


@asynccontextmanager
async def small_cluster(
    directory: Path,
    options: Mapping[str, str] | None = None,
    address: ListenAddress | None = None,
    store: JobStore | None = None,
) -> AsyncGenerator[SmallCluster]:
    """All three of them."""
    async with (
        leading(directory, options, address, store) as service,
        client_of(service) as client,
        SessionTaskManager(service.target).connected() as taskmanager,
    ):
        yield SmallCluster(service, client, taskmanager)


class Client:
    """The calls of `client.proto` with dataclasses."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.gateway: Any = ClientGatewayStub(channel)

    async def upload(self, data: bytes, digest: Digest | None = None, size: int | None = None) -> BlobRef:
        """A blob, in three chunks."""

        def chunks() -> Iterator[BlobChunk]:
            third = len(data) // 3
            announced = len(data) if size is None else size
            yield BlobChunk(digest=digest or digest_of(data), size=announced, data=data[:third])
            yield BlobChunk(data=data[third : 2 * third])
            yield BlobChunk(data=data[2 * third :])

        return from_message(BlobRef, await self.gateway.UploadBlob(chunks()))

    async def submit(self, graph: JobGraph, **options: Any) -> JobStatus:  # noqa: ANN401  # fields of SubmitJob
        """Blobs first, then the job."""
        await self.upload(FUNCTIONS)
        blob = await self.upload(encode(graph))
        ask = SubmitJob(graph, options.pop("graph_blob", blob), **options)
        return from_message(JobStatus, await self.gateway.Submit(to_message(ask)))

    async def cancel(self, job: JobId = JOB) -> JobStatus:
        """End it."""
        return from_message(JobStatus, await self.gateway.Cancel(to_message(CancelJob(job))))

    async def stop(self, ask: StopJob) -> JobStatus:
        """End it with a savepoint."""
        return from_message(JobStatus, await self.gateway.Stop(to_message(ask)))

    async def savepoint(self, ask: TriggerSavepoint) -> JobStatus:
        """A savepoint."""
        return from_message(JobStatus, await self.gateway.Savepoint(to_message(ask)))

    async def details(self, job: JobId = JOB) -> JobDetails:
        """Everything about it."""
        return from_message(JobDetails, await self.gateway.Details(JobRequest(job=job)))

    async def watch(self, job: JobId = JOB) -> AsyncIterator[JobDetails]:
        """As it changes."""
        async for message in self.gateway.Watch(JobRequest(job=job)):
            yield from_message(JobDetails, message)

    async def until(self, state: JobState, job: JobId = JOB) -> JobDetails:
        """The first view that shows the state."""
        async for details in self.watch(job):
            if details.status.state is state:
                return details
        raise AssertionError(f"job {job} never was {state.name}")

    async def cluster(self) -> ClusterView:
        """The whole."""
        return from_message(ClusterView, await self.gateway.Cluster(ClusterRequest()))

    async def ask(self, operator: OperatorId, payload: bytes, job: JobId = JOB) -> OperatorReply:
        """A question to an operator."""
        question = OperatorQuestion(job=job, operator=operator, payload=payload)
        return from_message(OperatorReply, await self.gateway.Ask(question))

    @asynccontextmanager
    async def output(self, job: JobId = JOB) -> AsyncGenerator[AsyncIterator[TaskOutput]]:
        """What its tasks print; inside the block it is listened to."""
        call = self.gateway.Output(JobRequest(job=job))
        await call.initial_metadata()

        async def lines() -> AsyncIterator[TaskOutput]:
            async for message in call:
                yield from_message(TaskOutput, message)

        try:
            yield lines()
        finally:
            call.cancel()


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """What a refusal carries beside its status."""
    found = [value for key, value in error.trailing_metadata() or () if key == FAILURE_KEY]
    assert isinstance(found[0], bytes)
    return decode(Failure, found[0])


T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    """Look again and again until it is good; for what nobody can be asked to announce."""
    while not good(seen := await look()):  # noqa: ASYNC110  # there is no event to wait for
        await asyncio.sleep(0.01)
    return seen
