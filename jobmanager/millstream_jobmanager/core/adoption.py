"""How a new leader takes over a region that is running (law 3.4).

It is adopted when every task of its recorded attempt has been reported, in any state from DEPLOYING to FINISHED. It
is missing something for good when every TaskManager of its placement has registered (or one that stands for it), or
when the time for silent ones is over.
"""

from millstream_dataflow.identity import CheckpointId
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.region import Region
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.session import CheckpointAborted


def adopt(turn: Turn, context: JobContext, region: Region) -> None:
    """Go on with the region as it runs; what the predecessor had pending is given up."""
    region.move(RegionState.DEPLOYING, "all its tasks are reported")
    reserved = context.journal.record.reserved_checkpoints
    for taskmanager in sorted(region.taskmanagers) if reserved else ():
        highest = CheckpointId(reserved - 1)
        context.send(turn, taskmanager, CheckpointAborted(region.attempt, highest, older_too=True))
    turn.tell(context.job, f"region {region.plan.id} is adopted at attempt {region.number}")


def overdue(turn: Turn, context: JobContext, region: Region, since: int) -> bool:
    """Waiting longer for the region's missing tasks makes no sense."""
    if turn.now.monotonic >= since + context.cluster.settings.adoption_timeout:
        return True
    stored = next(r for r in context.journal.record.regions if r.attempt == region.attempt)
    return all(context.cluster.registered(worker.taskmanager, worker.resource) for worker in stored.workers)
