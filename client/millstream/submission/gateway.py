"""The calls of a JobManager, from a program's threads. No call hangs: each has a deadline, and is tried again until
`client.timeout` is over. Every request may come twice, so an answer that was lost is simply asked for again (law 1.1).
"""

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar, cast

from millstream.errors import ClusterUnreachableError, ExecutionError
from millstream.submission.connection import Connection, ConnectionLeftError
from millstream.submission.quiet import grpc
from millstream.submission.refusals import (
    MORE_DESCRIPTORS,
    NO_DESCRIPTORS,
    Reason,
    is_unsent,
    is_without_effect,
    leader_of,
    passes,
    refusal,
)
from millstream.submission.routes import Route
from millstream_dataflow.identity import Digest, JobId, OperatorId
from millstream_dataflow.job_graph import BlobRef
from millstream_proto import blobs_pb2, client_pb2
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
from millstream_runtime.messages.codec import from_message, to_message
from millstream_runtime.messages.session import OperatorReply

T = TypeVar("T")
Chunks = Callable[[], Iterator[blobs_pb2.BlobChunk]]

_ATTEMPT_S: Final = 10.0
"""The deadline of one try. A JobManager answers when it has stored something, which takes milliseconds; ten seconds of
silence are a lost connection. An upload gets the whole time, for its size has no limit here."""

_SHORTEST_S: Final = 0.5  # of the last try: who is there answers by then, and what it says is told
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_LONG_S: Final = 0.5  # then somebody at a terminal wonders


def _alive() -> str:
    return ""


class Gateway:
    """The leading JobManager, wherever it is. Thread-safe; its connection is made when it is first needed."""

    def __init__(
        self,
        route: Route,
        timeout: float,
        why_gone: Callable[[], str] = _alive,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        """`timeout` is client.timeout in seconds. `why_gone` says why the cluster can't answer any more, where
        that can be known. `waiting` hears, once each time, that the JobManager is waited for.
        """
        self._route = route
        self.timeout = timeout
        self.process = os.getpid()
        self.closed = threading.Event()
        self._why_gone = why_gone
        self._waiting = waiting
        self._said_waiting = False
        self._moving = threading.Lock()
        self._target = route.target
        self._connections = set[Connection]()
        """Former ones too, on which others have calls under way."""
        self._connection = self._connected()
        _open.add(self)

    @property
    def target(self) -> str:
        """Where the leader is believed to be."""
        return self._target

    def close(self) -> None:
        """Every call and stream that is under way ends."""
        self.closed.set()
        for connection in list(self._connections):
            connection.close()

    def move(self, tried: str, error: grpc.RpcError | None = None) -> None:
        """Nobody leads at the address that was tried: go where the leader is, if that is known, by a new connection.
        Calls that others have under way end as they would have.
        """
        with self._moving:
            if self.closed.is_set() or tried != self._target:
                return  # another thread has gone already
            named = "" if error is None else leader_of(error)
            if named and named != tried:
                self._route.redirected(named)
            else:
                self._route.lost()
            former, self._connection = self._connection, self._connected()
            self._target = self._route.target
            former.leave()

    def _connected(self) -> Connection:
        """A new one, to the route's target."""
        connection = Connection(self._route.channel(), self._connections.discard)
        self._connections.add(connection)
        return connection

    @contextmanager
    def _call(self) -> Generator[ClientGatewayStub]:
        with ExitStack() as use:
            yield self._current(lambda connection: use.enter_context(connection.call()))

    def _stream(self, begin: Callable[[ClientGatewayStub], Any]) -> Any:  # noqa: ANN401  # gRPC's stream has no public type
        return self._current(lambda connection: connection.stream(begin))

    def _current(self, take: Callable[[Connection], T]) -> T:
        """What is taken of the newest connection: a former one is left only when that is there."""
        while True:
            try:
                return take(self._connection)
            except ConnectionLeftError:
                continue

    # ------------------------------------------------------------------------------------------------ the calls

    def upload(self, digest: Digest, chunks: Chunks) -> BlobRef:
        """Bring a blob to the store. The JobManager answers at once when it has it."""
        answer = self._ask(lambda calls, timeout: calls.UploadBlob(chunks(), timeout=timeout), None, self.timeout)
        return from_message(BlobRef, answer)

    def submit(self, job: SubmitJob) -> JobStatus:
        """Answered when the job is stored; a known id gives that job's state."""
        return self._unary("Submit", job, job.graph.job, f'job "{job.graph.name}" ({job.graph.job}) may be there')

    def cancel(self, job: JobId) -> JobStatus:
        """Answered when the intent is stored."""
        return self._unary("Cancel", CancelJob(job), job, kept=f"so the job goes on, not cancelled; {_WHEN}")

    def stop(self, request: StopJob) -> JobStatus:
        """Answered when the intent is stored; the savepoint's path appears in the job's details."""
        return self._unary("Stop", request, request.job, kept=f"so the job goes on, not stopped; {_WHEN}")

    def savepoint(self, request: TriggerSavepoint) -> JobStatus:
        """Answered when the intent is stored; the savepoint's path appears in the job's details."""
        return self._unary("Savepoint", request, request.job, kept=f"so no savepoint is taken; {_WHEN}")

    def details(self, job: JobId) -> JobDetails:
        """Everything about a job, now."""
        asked = client_pb2.JobRequest(job=job)
        answer = self._ask(lambda calls, timeout: calls.Details(asked, timeout=timeout), job)
        return from_message(JobDetails, answer)

    def cluster(self) -> ClusterView:
        """The TaskManagers and the jobs."""
        asked = client_pb2.ClusterRequest()
        answer = self._ask(lambda calls, timeout: calls.Cluster(asked, timeout=timeout), None)
        return from_message(ClusterView, answer)

    def ask_operator(self, job: JobId, operator: OperatorId, payload: bytes) -> OperatorReply:
        """One try. grpc.RpcError as it comes: the caller knows whether the operator can be there yet."""
        question = client_pb2.OperatorQuestion(job=job, operator=operator, payload=payload)
        with self._call() as calls:
            return from_message(OperatorReply, calls.Ask(question, timeout=_ATTEMPT_S))

    # ---------------------------------------------------------------------------------------------- the streams

    def watch(self, job: JobId) -> Any:  # noqa: ANN401  # gRPC's stream has no public type
        """A stream of `client_pb2.JobDetails`. Ends by its deadline as well, and is then asked for anew: the next one
        tells at once how the job is, unless the connection is lost, which is noticed so.
        """
        return self._stream(lambda calls: calls.Watch(client_pb2.JobRequest(job=job), timeout=_ATTEMPT_S))

    def output(self, job: JobId) -> Any:  # noqa: ANN401  # gRPC's stream has no public type
        """A stream of `session_pb2.TaskOutput`; its initial metadata comes when somebody listens to the tasks."""
        return self._stream(lambda calls: calls.Output(client_pb2.JobRequest(job=job)))

    # ---------------------------------------------------------------------------------------------------- tries

    def _unary(
        self,
        method: str,
        request: SubmitJob | CancelJob | StopJob | TriggerSavepoint,
        job: JobId,
        effect: str = "what was asked may be done",
        kept: str = "",
    ) -> JobStatus:
        """`effect` is what may be so where the answer was lost, `kept` what is so where the request wasn't stored."""
        message = to_message(request)
        lost = f"{effect} all the same, and 'millstream info {job}' shows it then"
        answer = self._ask(
            lambda calls, timeout: getattr(calls, method)(message, timeout=timeout), job, of_job=(lost, kept)
        )
        return from_message(JobStatus, answer)

    def _ask(
        self,
        call: Callable[[ClientGatewayStub, float], T],
        job: JobId | None,
        attempt: float = _ATTEMPT_S,
        of_job: tuple[str, str] = ("", ""),
    ) -> T:
        """`of_job` is said at the end: where a try may have taken effect, and where the last could not be stored."""
        pause = Pause(self)
        lost, kept = of_job
        undecided = ""
        while True:
            tried = self._target
            try:
                with self._call() as calls:
                    answer = call(calls, max(min(attempt, pause.left), _SHORTEST_S))
            except grpc.RpcError as error:
                if not passes(error) and not self.closed.is_set():
                    raise refusal(error, self.target, job) from error
                without_effect = is_without_effect(error)
                if not (without_effect or is_unsent(error)):
                    undecided = lost
                pause.take(self.reason_of(error), job, undecided or (kept if without_effect else ""))
                self.move(tried, error)
            except ValueError as error:  # gRPC's word for a channel that was closed
                pause.take(Reason(str(error)), job, undecided)
            else:
                self.answers()
                return answer

    def reason_of(self, error: grpc.RpcError) -> Reason:
        """What is known of it."""
        return self._route.reason_of(error)

    def check(self, job: JobId | None) -> None:
        """ClusterUnreachableError when the cluster is known to be gone."""
        if self.closed.is_set():
            raise ClusterUnreachableError(f"the connection with {self.target} was closed by this program", job=job)
        if why := self._why_gone():
            raise ClusterUnreachableError(why, job=job)

    def say_waiting(self, reason: str, meanwhile: str) -> None:
        """A call takes long, or nobody tells of a job; said once until somebody `answers`."""
        if self._waiting is not None and not self._said_waiting:
            self._said_waiting = True
            self._waiting(f"waiting for the JobManager at {self.target} ({reason}){meanwhile}")

    def answers(self) -> None:
        """The JobManager is there."""
        self._said_waiting = False


class Pause:
    """Between two tries: longer each time, until the patience is over."""

    def __init__(self, gateway: Gateway, patience: float | None = None, meanwhile: str = "") -> None:
        """`meanwhile` is said behind why one waits."""
        self._gateway = gateway
        self._patience = gateway.timeout if patience is None else patience
        self._meanwhile = meanwhile
        self._start()

    def begin(self) -> None:
        """Somebody answered: start counting anew."""
        self._gateway.answers()
        self._start()

    def _start(self) -> None:
        self._begun = time.monotonic()
        self._length = _FIRST_PAUSE_S

    @property
    def left(self) -> float:
        """Seconds of patience that are left."""
        return self._begun + self._patience - time.monotonic()

    def take(self, reason: Reason, job: JobId | None, of_job: str = "") -> None:
        """Wait; ClusterUnreachableError when there is no sense in it any more, with what is to be said of the job.
        ExecutionError for a reason that no waiting mends.
        """
        self._gateway.check(job)
        if NO_DESCRIPTORS in reason.words:
            where = f"the JobManager at {self._gateway.target} answers" if reason.answered else "this program fails"
            raise ExecutionError(f"{where}: {reason.words}; {MORE_DESCRIPTORS}", job=job)
        if self.left <= 0:
            words = _given_up(self._gateway.target, self._patience, reason)
            raise ClusterUnreachableError(f"{words}; {of_job}" if of_job else words, job=job)
        if time.monotonic() - self._begun > _LONG_S:
            self._gateway.say_waiting(reason.words, self._meanwhile)
        self._gateway.closed.wait(min(self._length, max(self.left, 0.0)))
        self._length = min(2 * self._length, _LONGEST_PAUSE_S)


_WHEN: Final = "ask again when high-availability.storageDir of the cluster has room"

_MEND: Final = (
    "'millstream jobmanager' starts one, jobmanager.rpc.address and jobmanager.rpc.port (or -m) say where it is"
)
"""Where nobody knows better."""


def _given_up(target: str, patience: float, reason: Reason) -> str:
    if reason.answered:
        return f"the JobManager at {target} could not do it, though it was asked for {patience:g} s: {reason.words}"
    words = f"the JobManager at {target} gave no answer for {patience:g} s ({reason.words})"
    return words if reason.has_mend else f"{words}; {_MEND}"


_open: "weakref.WeakSet[Gateway]" = weakref.WeakSet()


def _close_all() -> None:
    """The threads that listen end before Python takes itself apart."""
    for gateway in list(_open):
        if gateway.process == os.getpid():  # in the child of a fork gRPC's threads are missing, so it would hang
            gateway.close()


atexit.register(_close_all)


def details_of(message: object) -> JobDetails:
    """A message of `Gateway.watch` as a value."""
    return from_message(JobDetails, cast(Any, message))
