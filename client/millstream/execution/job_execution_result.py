"""What is known of a job when `execute()` returns."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from millstream.errors import DetachedResultError
from millstream_dataflow.identity import JobId


@dataclass(frozen=True, slots=True)
class JobExecutionResult:
    """The end of a job that has finished. One that was not waited for (`execution.attached: false`) has an id only."""

    job_id: JobId
    net_runtime: int | None = None
    """Milliseconds from start to end; None for a job that was not waited for."""

    def get_job_id(self) -> JobId:
        """The job's id."""
        return self.job_id

    def is_job_execution_result(self) -> bool:
        """Whether the program waited for the job, so that more than the id is known."""
        return self.net_runtime is not None

    def get_net_runtime(self) -> int:
        """Milliseconds from start to end; DetachedResultError for a job that was not waited for."""
        if self.net_runtime is None:
            message = (
                f"job {self.job_id} was submitted detached, so this program doesn't know how long it ran; "
                f"'millstream info {self.job_id}' tells, or set execution.attached: true"
            )
            raise DetachedResultError(message, job=self.job_id)
        return self.net_runtime

    def get_all_accumulator_results(self) -> dict[str, Any]:
        """None: functions count with metrics, in PyFlink too. DetachedResultError as above."""
        self.get_net_runtime()
        return {}

    def get_accumulator_result(self, accumulator_name: str) -> Any:  # noqa: ANN401  # PyFlink's signature
        """None: there are no accumulators."""
        return self.get_all_accumulator_results().get(accumulator_name)

    def __str__(self) -> str:
        if self.net_runtime is None:
            return f"job {self.job_id} was submitted"
        return f"job {self.job_id} has finished after {timedelta(milliseconds=self.net_runtime)}"
