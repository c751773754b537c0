"""Programs for the tests of this folder: environments that read no file, connectors that do nothing, and pictures."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from millstream.compiler.job_graph import CompiledJob, CompileSettings, compile_program
from millstream.datastream.data_stream import DataStream
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.execution.context import ProgramContext
from millstream.execution.job_execution_result import JobExecutionResult
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.connectors import (
    Boundedness,
    Sink,
    SinkContext,
    SinkWriter,
    Source,
    SourceContext,
    SplitReader,
)
from millstream_dataflow.identity import Digest, JobId, OperatorId
from millstream_dataflow.job_graph import JobGraph
from millstream_dataflow.time import WatermarkStrategy
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JobState

T = TypeVar("T")

JOB = JobId("0" * 32)


@dataclass(frozen=True)
class Directory(Source[str]):
    """A source with an enumerator; `Ticker` is the same without an end."""

    path: str = "in"

    def create_reader(self, context: SourceContext, split: str, position: object) -> SplitReader:
        raise NotImplementedError


@dataclass(frozen=True)
class Ticker(Directory):
    boundedness = Boundedness.CONTINUOUS_UNBOUNDED


@dataclass(frozen=True)
class Files(Sink[str]):
    """A sink that commits."""

    commits_outside = True

    def create_writer(self, context: SinkContext, state: object) -> SinkWriter[str]:
        raise NotImplementedError


def environment(executor: "FakeExecutor | None" = None, /, **settings: object) -> StreamExecutionEnvironment:
    """A fresh program; settings with `_` for `.`: `parallelism_default=2`."""
    created = StreamExecutionEnvironment(ProgramContext(Configuration(), executor=executor))
    return created.configure({key.replace("__", "-").replace("_", "."): value for key, value in settings.items()})


def numbers(env: StreamExecutionEnvironment) -> DataStream[int]:
    """A stream of some numbers, from a source of parallelism 1."""
    return env.from_collection([1, 2, 3])


def flights(env: StreamExecutionEnvironment, source: Source[Any] | None = None) -> DataStream[Any]:
    """A stream from a source with an enumerator, and so of any parallelism."""
    return env.from_source(source or Directory(), WatermarkStrategy.no_watermarks(), "Flights")


def compiled(env: StreamExecutionEnvironment, name: str = "test", job: JobId = JOB) -> CompiledJob:
    """The program as a job."""
    return compile_program(env.program, CompileSettings(job, name, env.configuration))


def picture(graph: JobGraph) -> str:
    """Vertices as `name xparallelism`, each followed by its outputs: `  -partitioning-> name`."""
    names = {vertex.id: vertex.name for vertex in graph.vertices}
    lines: list[str] = []
    for vertex in graph.vertices:
        group = "" if vertex.slot_sharing_group == "default" else f" @{vertex.slot_sharing_group}"
        lines.append(f"{vertex.name} x{vertex.parallelism}{group}")
        for edge in graph.edges:
            if edge.source == vertex.id:
                tag = f"[{edge.tag}]" if edge.tag else ""
                lines.append(f"  -{edge.partitioning.value}{tag}-> {names[edge.target]}")
    return "\n".join(lines)


@dataclass
class FakeJobClient:
    """A job that has ended as it is told."""

    job: JobId
    records: list[Any]
    failure: BaseException | None = None
    cancelled: bool = False

    def get_job_id(self) -> JobId:
        return self.job

    def get_job_status(self) -> Future[JobState]:
        return _done(JobState.FINISHED)

    def observe(self, observer: Callable[[JobDetails], None]) -> None:
        """It has nothing to tell."""

    def cancel(self) -> Future[None]:
        self.cancelled = True
        return _done(None)

    def stop_with_savepoint(
        self, advance_to_end_of_event_time: bool, savepoint_directory: str | None = None
    ) -> Future[str]:
        return _done("savepoint")

    def trigger_savepoint(self, savepoint_directory: str | None = None) -> Future[str]:
        return _done("savepoint")

    def get_accumulators(self) -> Future[dict[str, Any]]:
        return _done({})

    def get_job_execution_result(self) -> Future[JobExecutionResult]:
        result = Future[JobExecutionResult]()
        if self.failure is None:
            result.set_result(JobExecutionResult(self.job, 5))
        else:
            result.set_exception(self.failure)
        return result

    def fetch_records(self, operator: OperatorId) -> Iterator[Any]:
        yield from self.records
        if self.failure is not None:
            raise self.failure


def _done(value: T) -> Future[T]:
    future = Future[T]()
    future.set_result(value)
    return future


@dataclass
class FakeExecutor:
    """Keeps what it is given, and gives clients of jobs that have ended."""

    records: list[Any] = field(default_factory=list[Any])
    failure: BaseException | None = None
    graphs: list[JobGraph] = field(default_factory=list[JobGraph])
    blobs: list[Mapping[Digest, bytes]] = field(default_factory=list[Mapping[Digest, bytes]])
    configurations: list[Configuration] = field(default_factory=list[Configuration])
    clients: list[FakeJobClient] = field(default_factory=list[FakeJobClient])

    def submit(self, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration) -> FakeJobClient:
        self.graphs.append(graph)
        self.blobs.append(blobs)
        self.configurations.append(configuration)
        self.clients.append(FakeJobClient(graph.job, self.records, self.failure))
        return self.clients[-1]
