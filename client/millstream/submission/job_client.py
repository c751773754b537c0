"""The handle on a job of a cluster."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from millstream.errors import JobNotFoundError, RequestRefusedError, SavepointFailedError
from millstream.execution.job_client import no_accumulators
from millstream.execution.job_execution_result import JobExecutionResult
from millstream.submission.following import follow
from millstream.submission.gateway import Gateway
from millstream.submission.output import TaskOutputReader
from millstream.submission.places import absolute
from millstream.submission.records import RecordFetch
from millstream.submission.verdict import result_of
from millstream.submission.waiting import AwaitedFuture, WaitingRoom, in_thread
from millstream_dataflow.identity import JobId, OperatorId
from millstream_runtime.messages.client import JobDetails, JobStatus, SavepointStatus, StopJob, TriggerSavepoint
from millstream_runtime.messages.session import StopMode
from millstream_runtime.states import JOB_STATES, JobState

Observer = Callable[[JobDetails], None]


class RemoteJobClient:
    """See JobClient. What takes time is done by threads, which end with the program."""

    def __init__(
        self,
        gateway: Gateway,
        job: JobId,
        room: WaitingRoom | None = None,
        output: TaskOutputReader | None = None,
        *,
        checkpointed: bool = False,
    ) -> None:
        """`output` is what the job's tasks print, if the program wants it. `checkpointed`: see `records`."""
        self.gateway = gateway
        self._job = job
        self._room = room or WaitingRoom()
        self._output = output
        self._checkpointed = checkpointed
        self._observers: list[Observer] = []
        self._starting = threading.Lock()
        self._result: AwaitedFuture[JobExecutionResult] | None = None
        self._asked: list[Callable[[], bool]] = []
        """Whether it is over, of everything that the cluster was asked for."""

    def observe(self, observer: Observer) -> None:
        """Call it with the job's details whenever they change, in the thread that waits for the job's end."""
        self._observers.append(observer)

    # ---------------------------------------------------------------------------------------------- the handle

    def get_job_id(self) -> JobId:
        """See JobClient."""
        return self._job

    def get_job_status(self) -> Future[JobState]:
        """See JobClient."""
        return self._in_thread("state", lambda: self.gateway.details(self._job).status.state)

    def cancel(self) -> Future[None]:
        """See JobClient. A job that has ended is left as it is."""
        return self._in_thread("cancel", self._cancel)

    def stop_with_savepoint(
        self,
        advance_to_end_of_event_time: bool,  # noqa: FBT001  # PyFlink's signature
        savepoint_directory: str | None = None,
    ) -> Future[str]:
        """See JobClient."""
        mode = StopMode.DRAIN if advance_to_end_of_event_time else StopMode.STOP
        request = StopJob(self._job, uuid.uuid4().hex, mode, savepoint_directory or "")
        return self._in_thread("stop", lambda: stop(self.gateway, request))

    def trigger_savepoint(self, savepoint_directory: str | None = None) -> Future[str]:
        """See JobClient."""
        request = TriggerSavepoint(self._job, uuid.uuid4().hex, savepoint_directory or "")
        return self._in_thread("savepoint", lambda: take_savepoint(self.gateway, request))

    def get_accumulators(self) -> Future[dict[str, Any]]:
        """See JobClient."""
        return no_accumulators()

    def get_job_execution_result(self) -> Future[JobExecutionResult]:
        """See JobClient. While one waits for it, what the tasks print is written, where that was asked for."""
        with self._starting:
            if self._result is None:
                self._result = AwaitedFuture[JobExecutionResult](self._room, self.interrupted)
                in_thread(self._follow_to_end, f"end of {self._job[:8]}", self._result)
            return self._result

    def fetch_records(self, operator: OperatorId) -> Iterator[Any]:
        """See JobClient."""
        fetch = RecordFetch(self.gateway, self._job, operator, self._room, checkpointed=self._checkpointed)
        self._asked.append(fetch.is_over)
        yield from fetch.records()
        self.get_job_execution_result().result()

    def interrupted(self, end: BaseException) -> None:
        """Something here ended the waiting for the job's end, such as Ctrl-C. A job of a cluster goes on."""

    def wait_for_end(self, timeout: float) -> bool:
        """Go on writing what the tasks print; whether the job has ended before the time was over."""
        future = self.get_job_execution_result()
        self._room.serve(future.done, timeout)
        return future.done()

    def is_satisfied(self) -> bool:
        """Whether the job's end is known here and nobody waits for an answer, so that its JobManager may go.

        The end is asked for now if nobody has.
        """
        ended = self.get_job_execution_result().done()
        self._asked = [is_over for is_over in self._asked if not is_over()]
        return ended and not self._asked

    # ------------------------------------------------------------------------------------------------- the work

    def _in_thread(self, what: str, work: Callable[[], Any]) -> Future[Any]:
        future = in_thread(work, f"{what} of {self._job[:8]}")
        self._asked.append(future.done)
        return future

    def _follow_to_end(self) -> JobExecutionResult:
        last: JobStatus | None = None
        for details in follow(self.gateway, self._job):
            last = details.status
            for observer in self._observers:
                self._room.say(partial(observer, details))
        if self._output is not None:
            self._output.finish()
        assert last is not None, "following ends with a final state"
        return result_of(last)

    def _cancel(self) -> None:
        cancel(self.gateway, self._job)


# ------------------------------------------------------------------- what the command line does to a job as well


def cancel(gateway: Gateway, job: JobId) -> JobStatus:
    """End a job without a savepoint, and wait until it has ended; one that has ended already is left as it is.

    RequestRefusedError when the JobManager doesn't take the request.
    """
    try:
        gateway.cancel(job)
    except JobNotFoundError:
        raise
    except RequestRefusedError:
        status = gateway.details(job).status
        if not JOB_STATES.is_final(status.state) and status.state is not JobState.CANCELLING:
            raise
    return _last(follow(gateway, job)).status


def take_savepoint(gateway: Gateway, request: TriggerSavepoint) -> str:
    """The savepoint's path; SavepointFailedError when there is none. A relative directory is one of this program's."""
    gateway.savepoint(replace(request, target=absolute(request.target)))
    for details in follow(gateway, request.job):
        if path := _answer(details, request.request):
            return path
    raise _no_answer(request.job)


def stop(gateway: Gateway, request: StopJob) -> str:
    """End a job with a savepoint; gives its path when the job has ended. SavepointFailedError: the job goes on.

    A relative directory is one of this program's.
    """
    gateway.stop(replace(request, target=absolute(request.target)))
    path = ""
    for details in follow(gateway, request.job):
        path = path or _answer(details, request.request)
    if not path:
        raise _no_answer(request.job)
    return path


def _answer(details: JobDetails, request: str) -> str:
    """The path, empty while there is none."""
    found = [savepoint for savepoint in details.savepoints if savepoint.request == request]
    for savepoint in found:
        if savepoint.failure is not None:
            raise _failed(details.status, savepoint)
    return found[0].path if found else ""


def _failed(status: JobStatus, savepoint: SavepointStatus) -> SavepointFailedError:
    return SavepointFailedError(f"no savepoint of job {status.job} was taken: {savepoint.failure}", job=status.job)


def _no_answer(job: JobId) -> SavepointFailedError:
    return SavepointFailedError(f"job {job} ended before a savepoint of it was taken", job=job)


def _last(details: Iterator[JobDetails]) -> JobDetails:
    latest: JobDetails | None = None
    for latest in details:  # noqa: B007  # the last one is what counts
        pass
    assert latest is not None, "following ends with a final state"
    return latest
