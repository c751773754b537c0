"""The end of a job, as what `execute()` gives or raises."""

from millstream.errors import ExecutionError, JobCanceledError, JobFailedError
from millstream.execution.job_execution_result import JobExecutionResult
from millstream_dataflow.identity import JobId
from millstream_runtime.messages.client import JobStatus
from millstream_runtime.messages.failures import Failure
from millstream_runtime.states import JobState


def result_of(status: JobStatus) -> JobExecutionResult:
    """The result of a job that has finished; JobFailedError or JobCanceledError when it ended otherwise."""
    if status.state is JobState.FINISHED:
        return JobExecutionResult(status.job, max(status.ended_at - status.submitted_at, 0))
    raise unfinished(status)


def unfinished(status: JobStatus) -> ExecutionError:
    """What a program gets for a job that ended without having finished."""
    if status.state is JobState.CANCELED:
        return JobCanceledError(f'job "{status.name}" ({status.job}) was cancelled', job=status.job)
    return JobFailedError(failure_text(status), job=status.job, failure=status.failure)


def failure_text(status: JobStatus) -> str:
    """The root cause, with all that is known of where it was raised, a line each."""
    if status.failure is None:
        return f"{_head(status.name, status.job)}; its JobManager's log says why"
    return failed_because(status.name, status.job, status.failure)


def failed_because(name: str, job: JobId, failure: Failure) -> str:
    """The same of a job whose failure is known."""
    head = _head(name, job)
    return "\n".join([f"{head}: {failure.message}", *(f"  {line}".rstrip() for line in _places(failure))])


def _head(name: str, job: JobId) -> str:
    return f'job "{name}" ({job}) has failed'


def _places(failure: Failure) -> list[str]:
    named = {"operator": failure.operator, "record": failure.record, "at": failure.source_line}
    lines = [f"{name}: {text}" for name, text in named.items() if text]
    return [*lines, *failure.traceback.rstrip().splitlines()]
