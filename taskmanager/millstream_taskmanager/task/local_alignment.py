"""Sources that keep together in event time, where all tasks of a job are in one thread: what a leader does on a cluster
(`core/source_times.py` of the JobManager).
"""

from collections.abc import Iterable, Iterator, Mapping

from millstream_dataflow.identity import TaskId
from millstream_dataflow.plan import Plan
from millstream_dataflow.time import WatermarkAlignment, lowest_of
from millstream_runtime.messages.session import SourceTime
from millstream_taskmanager.task.source_task import SourceTask
from millstream_taskmanager.task.task import Task


class LocalAlignment:
    """Every word of a source leads to one to its group: they come at each update, and cost next to nothing here."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._groups: dict[str, list[tuple[SourceTask, WatermarkAlignment]]] = {}
        self._heard: dict[TaskId, SourceTime] = {}

    def watch(self, tasks: Iterable[Task]) -> None:
        """The job's tasks, before the first of them says something."""
        for task in tasks:
            alignment = self._plan.vertices[task.place.task.subtask.vertex].alignment
            if alignment is not None and isinstance(task, SourceTask):
                self._groups.setdefault(alignment.group, []).append((task, alignment))

    def heard(self, time: SourceTime) -> None:
        """A source says where it is."""
        self._heard[time.task] = time
        alignment = self._plan.vertices[time.task.subtask.vertex].alignment
        group = self._groups[alignment.group] if alignment is not None else []
        lowest = lowest_of(_watermarks((task for task, _ in group), self._heard))
        if lowest is not None:
            for task, its in group:
                task.limit_time(its.limit(lowest))


def _watermarks(group: Iterable[SourceTask], heard: Mapping[TaskId, SourceTime]) -> Iterator[int | None]:
    for task in group:
        time = heard.get(task.place.task)
        if task.ending.emits and not (time is not None and time.idle):
            yield None if time is None else time.watermark
