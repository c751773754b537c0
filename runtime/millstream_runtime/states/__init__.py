"""The states of tasks and jobs, each as one table. Read machine, then task, then job."""

from millstream_runtime.states.job import JOB_STATES, JobState
from millstream_runtime.states.machine import IllegalTransitionError, TransitionTable
from millstream_runtime.states.task import TASK_STATES, TaskState

__all__ = ["JOB_STATES", "TASK_STATES", "IllegalTransitionError", "JobState", "TaskState", "TransitionTable"]
