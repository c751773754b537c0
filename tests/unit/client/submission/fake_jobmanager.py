"""A gRPC server in the place of a JobManager. It keeps what clients send, and answers as a test says."""
# ruff: noqa: N802  # the methods have the names of the service

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import grpc
import msgspec

from millstream.submission.refusals import FAILURE_KEY
from millstream_dataflow.identity import (
    Epoch,
    JobId,
    RegionAttempt,
    RegionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    VertexId,
)
from millstream_dataflow.job_graph import BlobRef, Versions
from millstream_proto import client_pb2_grpc
from millstream_runtime.messages.client import (
    CancelJob,
    ClusterView,
    JobDetails,
    JobStatus,
    SavepointStatus,
    StopJob,
    SubmitJob,
    TaskManagerView,
    TriggerSavepoint,
)
from millstream_runtime.messages.codec import encode, from_message, to_message
from millstream_runtime.messages.collect import CollectReply, CollectRequest
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import OperatorReply, TaskOutput
from millstream_runtime.states import JOB_STATES, JobState

Message = Any
"""Generated classes are untyped here, and so is gRPC's context."""

JOB = JobId("5f2c" + "0" * 28)
OTHER = JobId("5f2d" + "0" * 28)


def status(state: JobState = JobState.RUNNING, job: JobId = JOB, **changes: object) -> JobStatus:
    """A job called `test` that was submitted at 1000 and, in a final state, has ended at 3500."""
    ended = 3500 if JOB_STATES.is_final(state) else 0
    return replace(JobStatus(job, "test", state, "", 1000, ended), **cast(Any, changes))


def failure(message: str = "no", kind: FailureKind = FailureKind.USER) -> Failure:
    return Failure(kind, message)


def printed(text: str, job: JobId = JOB, *, error_stream: bool = False) -> TaskOutput:
    task = TaskId(RegionAttempt(job, RegionId(0), 1), SubtaskId(VertexId("v" * 32), 0))
    return TaskOutput(task, error_stream, text)


@dataclass
class Refusal:
    """The next call of a method ends so."""

    method: str
    code: grpc.StatusCode
    failure: Failure | None = None
    after_effect: bool = False
    """The request takes effect; only its answer is lost."""


@dataclass
class FakeJobManager(client_pb2_grpc.ClientGatewayServicer):
    """See the module. `changed` guards everything, and tells the streams."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    details: dict[JobId, JobDetails] = field(default_factory=dict[JobId, JobDetails])
    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    chunks: list[int] = field(default_factory=list[int])
    submitted: list[SubmitJob] = field(default_factory=list[SubmitJob])
    asked: list[Any] = field(default_factory=list[Any])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    outputs: dict[JobId, deque[TaskOutput]] = field(default_factory=dict[JobId, "deque[TaskOutput]"])
    listeners: int = 0
    watchers: int = 0
    slots: int = 2
    on_request: Callable[[Any], None] = lambda _: None
    on_watch: Callable[[], None] = lambda: None
    """Called when a watcher has been told of a job for the first time."""
    on_collect: Callable[[CollectRequest], CollectReply | Failure | None] = lambda _: None
    stopping: bool = False

    # --------------------------------------------------------------------------------------- what a test says

    def refuse(
        self, method: str, code: grpc.StatusCode, failure: Failure | None = None, *, after_effect: bool = False
    ) -> None:
        self.refusals.append(Refusal(method, code, failure, after_effect))

    def show(self, status: JobStatus, **changes: object) -> None:
        """From now on the job is so."""
        with self.changed:
            known = self.details.get(status.job, JobDetails(status))
            self.details[status.job] = replace(known, status=status, **cast(Any, changes))
            self.changed.notify_all()

    def answer_savepoint(self, request: str, path: str = "", failure: Failure | None = None, job: JobId = JOB) -> None:
        with self.changed:
            self.details[job] = replace(self.details[job], savepoints=(SavepointStatus(request, path, failure),))
            self.changed.notify_all()

    def print_(self, *outputs: TaskOutput) -> None:
        with self.changed:
            for output in outputs:
                self.outputs.setdefault(output.task.attempt.job, deque()).append(output)
            self.changed.notify_all()

    def stop_streams(self) -> None:
        with self.changed:
            self.stopping = True
            self.changed.notify_all()

    # ---------------------------------------------------------------------------------------------- the calls

    def _meet(self, method: str, context: Message, effect: Callable[[], Message]) -> Message:
        with self.changed:
            found = next((one for one in self.refusals if one.method == method), None)
            if found is not None:
                self.refusals.remove(found)
                if found.after_effect:
                    effect()
                trailer = ((FAILURE_KEY, encode(found.failure)),) if found.failure else ()
                context.set_trailing_metadata(trailer)
                context.abort(found.code, found.failure.message if found.failure else "scripted")
            return effect()

    def UploadBlob(self, request_iterator: Iterator[Message], context: Message) -> Message:
        first = next(request_iterator)

        def store() -> Message:
            if first.digest not in self.blobs:
                data = first.data
                self.chunks.append(len(first.data))
                for chunk in request_iterator:
                    data += chunk.data
                    self.chunks.append(len(chunk.data))
                self.blobs[first.digest] = data
            return to_message(BlobRef(first.digest, len(self.blobs[first.digest])))

        return self._meet("UploadBlob", context, store)

    def Submit(self, request: Message, context: Message) -> Message:
        job = from_message(SubmitJob, request)

        def take() -> Message:
            self.submitted.append(job)
            if job.graph.job not in self.details:
                self.show(replace(status(JobState.CREATED), job=job.graph.job, name=job.graph.name))
            self.on_request(job)
            return to_message(self.details[job.graph.job].status)

        return self._meet("Submit", context, take)

    def _change(self, method: str, ask: Message, context: Message) -> Message:
        def take() -> Message:
            self._known(ask.job, context)
            self.asked.append(ask)
            self.on_request(ask)
            return to_message(self.details[ask.job].status)

        return self._meet(method, context, take)

    def _known(self, job: JobId, context: Message) -> None:
        if job not in self.details:
            missing = failure(f"there is no job {job}")
            context.set_trailing_metadata(((FAILURE_KEY, encode(missing)),))
            context.abort(grpc.StatusCode.NOT_FOUND, missing.message)

    def Cancel(self, request: Message, context: Message) -> Message:
        return self._change("Cancel", from_message(CancelJob, request), context)

    def Stop(self, request: Message, context: Message) -> Message:
        return self._change("Stop", from_message(StopJob, request), context)

    def Savepoint(self, request: Message, context: Message) -> Message:
        return self._change("Savepoint", from_message(TriggerSavepoint, request), context)

    def Details(self, request: Message, context: Message) -> Message:
        def tell() -> Message:
            self._known(request.job, context)
            return to_message(self.details[request.job])

        return self._meet("Details", context, tell)

    def Watch(self, request: Message, context: Message) -> Iterator[Message]:
        self._meet("Watch", context, lambda: self._known(request.job, context))
        self._waking(context)
        shown: JobDetails | None = None
        with self.changed:
            self.watchers += 1
            self.changed.notify_all()
        while True:
            with self.changed:
                while self.details[request.job] == shown and not self.stopping and context.is_active():
                    self.changed.wait()
                if self.stopping or not context.is_active():
                    return
                shown = self.details[request.job]
            yield to_message(shown)
            self.on_watch()
            if JOB_STATES.is_final(shown.status.state):
                return

    def Output(self, request: Message, context: Message) -> Iterator[Message]:
        self._waking(context)
        with self.changed:
            held = self.outputs.setdefault(request.job, deque())
            self.listeners += 1
        context.send_initial_metadata(())
        while True:
            with self.changed:
                while not held and not self._over(request.job) and not self.stopping and context.is_active():
                    self.changed.wait()
                if not held:
                    return
                output = held.popleft()
            yield to_message(output)

    def _over(self, job: JobId) -> bool:
        return job in self.details and JOB_STATES.is_final(self.details[job].status.state)

    def _waking(self, context: Message) -> None:
        def wake() -> None:
            with self.changed:
                self.changed.notify_all()

        context.add_callback(wake)

    def Ask(self, request: Message, context: Message) -> Message:
        def answer() -> Message:
            reply = self.on_collect(msgspec.msgpack.decode(request.payload, type=CollectRequest))
            if reply is None:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the task isn't running; ask again")
            if isinstance(reply, Failure):
                return to_message(OperatorReply(0, b"", reply))
            return to_message(OperatorReply(0, msgspec.msgpack.encode(reply)))

        return self._meet("Ask", context, answer)

    def Cluster(self, request: Message, context: Message) -> Message:
        def tell() -> Message:
            taskmanager = TaskManagerView(TaskManagerId("t" * 32), "localhost", 1, self.slots, self.slots)
            jobs = tuple(one.status for one in self.details.values())
            return to_message(ClusterView("jm", Epoch(1), Versions("3.11", "0", "3", "26"), (taskmanager,), jobs))

        return self._meet("Cluster", context, tell)


@contextmanager
def serving(fake: FakeJobManager, address: str = "127.0.0.1:0", longest: int = 4 << 20) -> Generator[int]:
    """The fake on a port, until the block ends; then its streams break off. `longest`: bytes of a request."""
    fake.stopping = False
    with ThreadPoolExecutor(16) as threads:
        server = grpc.server(threads, options=(("grpc.max_receive_message_length", longest),))
        client_pb2_grpc.add_ClientGatewayServicer_to_server(fake, server)
        port = server.add_insecure_port(address)
        server.start()
        try:
            yield port
        finally:
            fake.stop_streams()
            server.stop(None).wait()  # at once; with a grace, even of 0, a thread of its own outlives it
