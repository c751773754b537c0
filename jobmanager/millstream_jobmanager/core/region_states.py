"""The life of a region, as one table. The job's and the tasks' own tables are in `millstream_runtime.states`."""

from enum import Enum

from millstream_runtime.states import TransitionTable


class RegionState(Enum):
    """Where a region is. ENDED is final."""

    WAITING = "waiting"
    """For its restart delay, for a completing checkpoint, for slots."""
    RECORDING = "recording"
    """Placed; attempt and placement are being stored (law 1.3)."""
    LOADING = "loading"
    """The metadata of the checkpoint to restore from is being read."""
    DEPLOYING = "deploying"
    RUNNING = "running"
    FINISHED = "finished"
    """All its tasks are FINISHED; the workers stay until the job's end is recorded."""
    ENDING = "ending"
    """The job ends; its workers are asked to leave."""
    ENDED = "ended"
    RECONCILING = "reconciling"
    """A new leader waits for the reports of its tasks (law 3.4)."""


_S = RegionState

REGION_STATES = TransitionTable(
    RegionState.WAITING,
    {
        _S.WAITING: {_S.RECORDING, _S.ENDING},
        _S.RECORDING: {_S.LOADING, _S.DEPLOYING, _S.WAITING},
        _S.LOADING: {_S.DEPLOYING, _S.WAITING},
        _S.DEPLOYING: {_S.RUNNING, _S.WAITING, _S.ENDING},
        _S.RUNNING: {_S.FINISHED, _S.WAITING, _S.ENDING},
        # WAITING: the final checkpoint is damaged, and an older one is taken (law 4.6).
        _S.FINISHED: {_S.WAITING, _S.ENDING, _S.ENDED},
        _S.ENDING: {_S.ENDED},
        _S.RECONCILING: {_S.DEPLOYING, _S.WAITING, _S.ENDING},
        _S.ENDED: set(),
    },
)
