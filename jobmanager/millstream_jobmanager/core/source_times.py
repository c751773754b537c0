"""Sources that keep together in event time: how far each has come, and how far it may read
(`millstream_dataflow.time.alignment`).

Nothing of it is stored, and nothing is asked for by a timer: each source of a group says at every update where it is,
and one of these messages leads to the next word to all. So when a leader is new it knows nothing, tells nothing, and
speaks as soon as it has heard every source once. A source whose region is down says nothing, and the others of its
group stand until it does; one that has ended, or is idle, doesn't count.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from millstream_dataflow.identity import SubtaskId, TaskId, TaskManagerId, VertexId
from millstream_dataflow.job_graph import Vertex
from millstream_dataflow.time import WatermarkAlignment, lowest_of
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.session import LimitSources, SourceTime
from millstream_runtime.states import TaskState


class SourceTimes:
    """The alignment groups of one job."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._groups = _groups(context.graph.vertices)
        self._heard: dict[SubtaskId, SourceTime] = {}
        self._told_at: dict[VertexId, int] = {}

    def heard(self, turn: Turn, time: SourceTime) -> None:
        """A source of the present attempt says where it is."""
        vertex = self._context.plan.vertices[time.task.subtask.vertex]
        if vertex.alignment is None:
            return
        self._heard[time.task.subtask] = time
        group = self._groups[vertex.alignment.group]
        due = [(member, alignment) for member, alignment in group if self._is_due(turn, member, alignment)]
        lowest = lowest_of(self._watermarks(member for member, _ in group)) if due else None
        if lowest is not None:
            for member, alignment in due:
                self._tell(turn, member, alignment.limit(lowest))

    def _is_due(self, turn: Turn, vertex: Vertex, alignment: WatermarkAlignment) -> bool:
        """Messages that come every second come some earlier, some later."""
        told = self._told_at.get(vertex.id)
        return told is None or 4 * (turn.now.monotonic - told) >= 3 * alignment.update_interval

    def _watermarks(self, group: Iterable[Vertex]) -> Iterator[int | None]:
        """Of the sources that count; None for one that hasn't said where it is."""
        for vertex in group:
            for index in range(vertex.parallelism):
                subtask = SubtaskId(vertex.id, index)
                region = self._context.region_of(subtask)
                time = self._heard.get(subtask)
                if not region.deployed:
                    yield None
                elif (status := region.tasks[subtask]).ended is not None or status.state is TaskState.FINISHED:
                    continue
                elif time is None or time.task.attempt != region.attempt:
                    yield None
                elif not time.idle:
                    yield time.watermark

    def _tell(self, turn: Turn, vertex: Vertex, limit: int) -> None:
        self._told_at[vertex.id] = turn.now.monotonic
        tasks = defaultdict[TaskManagerId, list[TaskId]](list)
        for index in range(vertex.parallelism):
            region = self._context.region_of(subtask := SubtaskId(vertex.id, index))
            if region.deployed:
                tasks[region.holder(subtask)].append(TaskId(region.attempt, subtask))
        for taskmanager, held in tasks.items():
            self._context.send(turn, taskmanager, LimitSources(tuple(held), limit))


def _groups(vertices: tuple[Vertex, ...]) -> dict[str, list[tuple[Vertex, WatermarkAlignment]]]:
    groups: dict[str, list[tuple[Vertex, WatermarkAlignment]]] = {}
    for vertex in vertices:
        if vertex.alignment is not None:
            groups.setdefault(vertex.alignment.group, []).append((vertex, vertex.alignment))
    return groups
