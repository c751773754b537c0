"""A handle on a job that was submitted. Its names and meanings are PyFlink's; futures are Python's own."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Protocol

from millstream.execution.job_execution_result import JobExecutionResult
from millstream_dataflow.identity import JobId, OperatorId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JobState


class JobClient(Protocol):
    """What can be done with a job from outside. Every call returns at once; what takes time is a future."""

    def get_job_id(self) -> JobId:
        """The id that the client made."""
        ...

    def get_job_status(self) -> Future[JobState]:
        """Where the job is now."""
        ...

    def observe(self, observer: Callable[[JobDetails], None]) -> None:
        """Call it with the job's details whenever they have changed, in the thread that waits for the job's end. An
        inline job has ended by the time one can ask, so it has nothing to tell.
        """
        ...

    def cancel(self) -> Future[None]:
        """End the job without a savepoint; done when it has ended."""
        ...

    def stop_with_savepoint(
        self,
        advance_to_end_of_event_time: bool,  # noqa: FBT001  # PyFlink's signature
        savepoint_directory: str | None = None,
    ) -> Future[str]:
        """Take a savepoint and end the job; gives the savepoint's path. Advancing fires all windows first (a drain)."""
        ...

    def trigger_savepoint(self, savepoint_directory: str | None = None) -> Future[str]:
        """Take a savepoint; the job goes on. Gives the savepoint's path."""
        ...

    def get_accumulators(self) -> Future[dict[str, Any]]:
        """Empty: functions count with metrics, in PyFlink too. Done at once."""
        ...

    def get_job_execution_result(self) -> Future[JobExecutionResult]:
        """The job's end. The future's exception is a JobFailedError or a JobCanceledError where it ended so."""
        ...

    def fetch_records(self, operator: OperatorId) -> Iterator[Any]:
        """What `execute_and_collect` collects, in the order in which it arrives, each record once.

        Ends with the job's input; raises what `get_job_execution_result` would when the job doesn't finish. Closing
        the generator gives up what was not fetched.
        """
        ...


def no_accumulators() -> Future[dict[str, Any]]:
    """What a job has of PyFlink's accumulators."""
    none = Future[dict[str, Any]]()
    none.set_result({})
    return none
