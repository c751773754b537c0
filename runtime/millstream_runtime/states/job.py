"""The life of a job. Flink's job states and their meaning."""

from enum import Enum

from millstream_runtime.states.machine import TransitionTable


class JobState(Enum):
    """Where a job is. FINISHED, CANCELED and FAILED are final."""

    CREATED = "created"
    """Accepted and stored; waiting for slots, or its first deployment under way."""
    RUNNING = "running"
    RESTARTING = "restarting"
    """At least one region is down and will be started again."""
    FAILING = "failing"
    """Given up; its tasks are being cancelled."""
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELED = "canceled"
    FINISHED = "finished"
    RECONCILING = "reconciling"
    """A new leader waits for the TaskManagers' reports (law 3.4)."""

    def is_terminal_state(self) -> bool:
        """Whether the job is over. PyFlink's name."""
        return self in {JobState.FINISHED, JobState.CANCELED, JobState.FAILED}

    def is_globally_terminal_state(self) -> bool:
        """The same: no job is over for one JobManager alone. PyFlink's name."""
        return self.is_terminal_state()

    def __str__(self) -> str:
        """The name, as people read it everywhere: `CANCELED`."""
        return self.name


_S = JobState

JOB_STATES = TransitionTable(
    JobState.CREATED,
    {
        _S.CREATED: {_S.RUNNING, _S.FAILING, _S.CANCELLING},
        _S.RUNNING: {_S.RESTARTING, _S.FAILING, _S.CANCELLING, _S.FINISHED},
        _S.RESTARTING: {_S.RUNNING, _S.FAILING, _S.CANCELLING},
        _S.FAILING: {_S.FAILED},
        _S.CANCELLING: {_S.CANCELED},
        # Recovered jobs begin here and go on where their record says they were.
        _S.RECONCILING: {_S.CREATED, _S.RUNNING, _S.RESTARTING, _S.FAILING},
        _S.FINISHED: set(),
        _S.CANCELED: set(),
        _S.FAILED: set(),
    },
)
