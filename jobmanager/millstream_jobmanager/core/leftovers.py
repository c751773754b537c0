"""Hidden files that former attempts of a region left: when every committer has reported that what it restored is
committed, one subtask per sink deletes them, once per attempt (law 6.2).
"""

from millstream_dataflow.identity import RegionAttempt, SubtaskId, TaskId, TaskManagerId
from millstream_dataflow.plan import RegionPlan
from millstream_jobmanager.core.checkpoints.completed import spared_ids
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.region import Region
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.session import DropLeftovers


class Leftovers:
    """Of one job's sinks."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._swept: set[RegionAttempt] = set()
        self._sinks = {region.id: self._sinks_of(region) for region in context.plan.regions}

    def tick(self, turn: Turn, region: Region) -> None:
        """Tell a running region's sinks, if it is time and hasn't been done."""
        sinks = self._sinks[region.plan.id]
        if not sinks or region.attempt in self._swept:
            return
        if all(region.tasks[subtask].commits_restored for subtask in sinks):
            self._swept.add(region.attempt)
            self._drop(turn, region, sinks)

    def at_end(self, turn: Turn, region: Region) -> None:
        """Once more before the sinks close: a worker that nobody could kill may have gone on until now."""
        if region.attempt.number > 1:
            self._drop(turn, region, self._sinks[region.plan.id])

    def again(self, region: Region) -> None:
        """The order may have been lost with a session."""
        self._swept.discard(region.attempt)

    def _sinks_of(self, region: RegionPlan) -> list[SubtaskId]:
        vertices = self._context.plan.vertices
        return [s for s in region.subtasks if any(o.commits_outside for o in vertices[s.vertex].operators)]

    def _drop(self, turn: Turn, region: Region, sinks: list[SubtaskId]) -> None:
        spared = spared_ids(self._context.journal.record)
        asked: set[str] = set()
        for subtask in sinks:
            for operator in self._context.plan.vertices[subtask.vertex].operators:
                if operator.commits_outside and operator.id not in asked:
                    asked.add(operator.id)
                    holder: TaskManagerId = region.holder(subtask)
                    message = DropLeftovers(TaskId(region.attempt, subtask), operator.id, spared)
                    self._context.send(turn, holder, message)
