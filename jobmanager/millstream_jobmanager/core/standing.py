"""How a job stands: its state, and the failure that it ends with, if it does."""

from dataclasses import dataclass

from millstream_dataflow.identity import JobId
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.failures import Failure
from millstream_runtime.states import JOB_STATES, JobState

GOING = frozenset({JobState.CREATED, JobState.RUNNING, JobState.RESTARTING})
"""The states in which regions are deployed and checkpoints taken."""


@dataclass(slots=True)
class Standing:
    """See the module."""

    job: JobId
    state: JobState
    failure: Failure | None = None
    ended_monotonic: int = 0
    """When this leader saw the job end, or found it ended; its tombstone stays from then on."""
    sweeps: int = 0
    """How often its data were to be deleted: at its end, then what came too late for that, until that has succeeded."""
    swept_at: int | None = None
    """When that last time was; None before its tombstone has served its time, and after a failure."""
    is_swept: bool = False
    """Its data are gone, and the record may go."""
    sweep_not_before: int = 0
    """Storage that let it down is asked again then."""

    def move(self, turn: Turn, state: JobState, reason: str) -> None:
        """Take a listed step of the job's table."""
        if state is self.state:
            return
        JOB_STATES.check(f"job {self.job[:8]}", self.state, state, reason)
        turn.tell(self.job, f"{self.state.name} -> {state.name}: {reason}")
        self.state = state
