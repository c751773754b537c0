"""Records of a running job, fetched from the operator that collects them, each once and in order.

The operator numbers its records from the job's beginning and keeps them until a question says that the client has
them; an ended task waits for that, for a minute after the last question. So a thread asks all the time, however slowly
the program takes what it brings.

After a restart those records come again that belonged to no completed checkpoint. A job with checkpoints therefore
shows a record when its checkpoint is completed, as Flink does; one without shows it at once, and can't go on if it
restarts.
"""

import io
import pickle
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from millstream.errors import ExecutionError, RequestRefusedError
from millstream.submission.gateway import Gateway
from millstream.submission.quiet import grpc
from millstream.submission.refusals import passes, refusal, words_of
from millstream.submission.verdict import unfinished
from millstream.submission.waiting import WaitingRoom
from millstream_dataflow.identity import JobId, OperatorId
from millstream_dataflow.words import counted
from millstream_runtime.messages.collect import CollectReply, CollectRequest
from millstream_runtime.messages.failures import FailureKind
from millstream_runtime.states import JOB_STATES, JobState

_FIRST_NAP_S, _LONGEST_NAP_S = 0.01, 0.2
"""Between two questions that bring nothing: an interactive program sees a record within a fifth of a second."""

_MOST_READY: Final = 20_000
"""Records that the program hasn't taken; then the thread asks for no more, and at last the job waits."""

_STILL_HERE_S: Final = 10.0
"""Between two questions that only say that the program goes on listening."""

_LONGEST_ABSENCE_S: Final = 50.0
"""After a minute without a question the operator gives up what it has."""


def loaded(data: bytes) -> Any:  # noqa: ANN401  # any record
    """A record. ExecutionError when one of its classes isn't known here."""
    try:
        with io.BytesIO(data) as stream:
            # They come from our own job, over our own connection; PyFlink unpickles them the same way.
            return _Unpickler(stream).load()
    except (AttributeError, ImportError) as error:
        mend = "its classes must be defined at the top of the program or of a module that it can import"
        raise ExecutionError(f"a record can't be unpickled in the program: {error}; {mend}") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # whatever has a name
        """A class of a text that was exec'd in a dictionary of its own lies in no module, but has travelled."""
        try:
            return super().find_class(module, name)
        except (AttributeError, ImportError):
            from millstream.compiler.class_ids import travelled  # noqa: PLC0415  # verbs that fetch nothing do without

            cls = travelled(module, name)
            if cls is None:
                raise
            return cls


class Received:
    """What has come: which records are ready, which might come again. Decides, and knows no wire."""

    def __init__(self, *, checkpointed: bool) -> None:
        self._checkpointed = checkpointed
        self._version = 0
        self._shown = 0
        self._held = deque[bytes]()
        self._part = bytearray()  # of the record behind those
        self.ended = False

    @property
    def question(self) -> CollectRequest:
        """What to ask next."""
        return CollectRequest(self._version, self._shown + len(self._held), len(self._part))

    def take(self, reply: CollectReply) -> list[bytes]:
        """The records that can be shown now. ExecutionError when some were lost, or were shown and come again."""
        if self._version == 0:
            self._shown = reply.offset  # in a job that began at a savepoint its predecessor's client has those before
        elif self._version != reply.version:
            self._restarted(reply)
        self._version = reply.version
        have = self.question.offset
        if reply.offset > have:
            raise ExecutionError(f"record {reply.offset} came where record {have} was to come; those between were lost")
        self._held.extend(self._piece(reply) if reply.size else reply.records[have - reply.offset :])
        self.ended = reply.ended
        sure = reply.committed - self._shown if self._checkpointed and not reply.ended else len(self._held)
        return self._show(sure)

    def _piece(self, reply: CollectReply) -> list[bytes]:
        """A piece has come: its record if it is the last one, unless it is of a record that is there already."""
        if reply.offset < self.question.offset:
            return []
        self._part += reply.records[0]
        if len(self._part) < reply.size:
            return []
        record, self._part = bytes(self._part), bytearray()
        return [record]

    def rest(self) -> list[bytes]:
        """The job has finished, so everything is sure."""
        return self._show(len(self._held))

    def _show(self, count: int) -> list[bytes]:
        shown = [self._held.popleft() for _ in range(min(max(count, 0), len(self._held)))]
        self._shown += len(shown)
        return shown

    def _restarted(self, reply: CollectReply) -> None:
        if self._shown > reply.committed:
            message = (
                f"the job has restarted and gives {counted(self._shown - reply.committed, 'record')} again that this "
                "program has taken; with checkpoints (env.enable_checkpointing) each record is shown once"
            )
            raise ExecutionError(message)
        while self._shown + len(self._held) > reply.committed:
            self._held.pop()
        self._part.clear()


class RecordFetch:
    """The thread that asks, and the iterator for the program."""

    def __init__(
        self, gateway: Gateway, job: JobId, operator: OperatorId, room: WaitingRoom, *, checkpointed: bool
    ) -> None:
        self._gateway = gateway
        self._job = job
        self._operator = operator
        self._room = room
        self._received = Received(checkpointed=checkpointed)
        self._ready = deque[bytes]()
        self._over = False
        self._failure: BaseException | None = None
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._heard_at = time.monotonic()

    def records(self) -> Iterator[Any]:
        """Until the input has ended. What `JobClient.fetch_records` raises when it doesn't come to that."""
        threading.Thread(target=self._run, name=f"records of {self._job[:8]}", daemon=True).start()
        try:
            while True:
                self._room.serve(lambda: bool(self._ready) or self._over)
                if not self._ready:
                    break
                yield loaded(self._ready.popleft())
                self._wanted.set()
        finally:
            self._closed.set()
            self._wanted.set()
        if self._failure is not None:
            raise self._failure

    def is_over(self) -> bool:
        """Nothing more is asked."""
        return self._over

    # ----------------------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        try:
            self._ask_to_the_end()
        except BaseException as error:  # noqa: BLE001  # it belongs to whoever takes the records
            self._failure = error
        finally:
            self._over = True
            self._room.wake()

    def _ask_to_the_end(self) -> None:
        nap = _FIRST_NAP_S
        while not self._closed.is_set():
            full = self._await_room()
            reply = self._ask()
            if not isinstance(reply, CollectReply):
                if self._has_ended(reply):
                    return self._bring(self._received.rest())
            elif not full:
                self._bring(self._received.take(reply))
                if reply.ended and not reply.records:
                    return None  # asked once more, which acknowledged the last ones
                if reply.records:
                    nap = _FIRST_NAP_S
                    continue
            self._closed.wait(nap)
            nap = min(2 * nap, _LONGEST_NAP_S)
        return None

    def _await_room(self) -> bool:
        """Whether the program has so much to take that asking can only say that it is still there."""
        until = time.monotonic() + _STILL_HERE_S
        while len(self._ready) >= _MOST_READY and not self._closed.is_set():
            self._wanted.clear()
            if not self._wanted.wait(until - time.monotonic()):
                return True
        return False

    def _bring(self, records: list[bytes]) -> None:
        self._ready.extend(records)
        if records:
            self._room.wake()

    def _ask(self) -> CollectReply | RequestRefusedError | None:
        """The operator's answer; None when its task isn't running yet, or not any more; an error when it never will be
        while the job runs.
        """
        payload = msgspec.msgpack.encode(self._received.question)
        try:
            reply = self._gateway.ask_operator(self._job, self._operator, payload)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return self._never(words_of(error))
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION and not passes(error):
                raise refusal(error, self._gateway.target, self._job) from error
            return None
        except ValueError:  # gRPC's word for a channel that was closed
            self._gateway.check(self._job)
            raise
        if reply.failure is not None:
            if reply.failure.kind is FailureKind.INTERNAL:
                return self._never(str(reply.failure))
            return None  # its task has failed, or is on its way out; whether the job goes on is asked next
        self._heard_at = time.monotonic()
        return msgspec.msgpack.decode(reply.payload, type=CollectReply)

    def _never(self, reason: str) -> RequestRefusedError:
        return RequestRefusedError(
            f"operator {self._operator} of job {self._job} can't be asked for its records: {reason}", job=self._job
        )

    def _has_ended(self, never: RequestRefusedError | None) -> bool:
        """Whether asking again makes no sense; raises what became of a job that didn't finish, or `never` if it still
        runs.
        """
        if self._received.ended:
            return True  # the last records were acknowledged, and the task is gone
        status = self._gateway.details(self._job).status
        if not JOB_STATES.is_final(status.state):
            if never is not None:
                raise never
            return False
        if status.state is not JobState.FINISHED:
            raise unfinished(status)
        if time.monotonic() - self._heard_at > _LONGEST_ABSENCE_S:
            message = (
                f"job {self._job} finished while it couldn't be asked for its last records, so some may be missing"
            )
            raise ExecutionError(message, job=self._job)
        return True
