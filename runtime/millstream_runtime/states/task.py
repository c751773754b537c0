"""The life of one task (one subtask in one attempt). Flink's execution states and their meaning."""

from enum import Enum

from millstream_runtime.states.machine import TransitionTable


class TaskState(Enum):
    """Where a task is. FINISHED, CANCELED and FAILED are final."""

    CREATED = "created"
    SCHEDULED = "scheduled"
    DEPLOYING = "deploying"
    INITIALIZING = "initializing"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELING = "canceling"
    CANCELED = "canceled"
    FAILED = "failed"
    RECONCILING = "reconciling"


_S = TaskState

TASK_STATES = TransitionTable(
    TaskState.CREATED,
    {
        _S.CREATED: {_S.SCHEDULED, _S.CANCELED},
        _S.SCHEDULED: {_S.DEPLOYING, _S.CANCELED, _S.FAILED},
        _S.DEPLOYING: {_S.INITIALIZING, _S.CANCELING, _S.FAILED},
        _S.INITIALIZING: {_S.RUNNING, _S.CANCELING, _S.FAILED},
        _S.RUNNING: {_S.FINISHED, _S.CANCELING, _S.FAILED},
        _S.CANCELING: {_S.CANCELED, _S.FINISHED, _S.FAILED},
        # A new leader takes a task over in whatever state its worker reports (law 3.4).
        _S.RECONCILING: {_S.DEPLOYING, _S.INITIALIZING, _S.RUNNING, _S.FINISHED, _S.CANCELING, _S.CANCELED, _S.FAILED},
        _S.FINISHED: set(),
        _S.CANCELED: set(),
        _S.FAILED: set(),
    },
)
