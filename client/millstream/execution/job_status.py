"""The states of a job, under PyFlink's name for them."""

from millstream_runtime.states import JobState as JobStatus

__all__ = ["JobStatus"]
