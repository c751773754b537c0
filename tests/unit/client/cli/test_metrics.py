"""What `millstream info` shows of metrics that several subtasks tell of."""

from typing import Any

from millstream.cli.metrics import metric_rows
from millstream_dataflow.identity import JobId, RegionAttempt, RegionId, SubtaskId, TaskId, TaskManagerId, VertexId
from millstream_runtime.messages.client import TaskView
from millstream_runtime.messages.session import MetricKind, TaskTotals, UserMetric
from millstream_runtime.states import TaskState


def view(index: int, *metrics: UserMetric) -> TaskView:
    task = TaskId(RegionAttempt(JobId("j"), RegionId(0), 1), SubtaskId(VertexId("v"), index))
    totals = TaskTotals(task, 0, 0, 0, 0, 0, metrics)
    return TaskView(VertexId("v"), index, 1, TaskState.RUNNING, TaskManagerId("t"), totals)


def told(kind: MetricKind, *numbers: Any) -> UserMetric:  # noqa: ANN401  # of any type
    return UserMetric("Map", kind.name, kind, *numbers)


def test_they_are_one_for_each_operator() -> None:
    subtasks = [
        view(
            index,
            told(MetricKind.COUNTER, 2 + index),
            told(MetricKind.GAUGE, 0, 1.5 + index),
            told(MetricKind.METER, 10, 0.25),
            told(MetricKind.DISTRIBUTION, 2, 6, 1 - index, 5),
        )
        for index in range(2)
    ]
    assert metric_rows([*subtasks, TaskView(VertexId("w"), 0, 1, TaskState.CREATED, TaskManagerId(""))]) == [
        ("Map", "COUNTER", "counter", "5"),
        ("Map", "GAUGE", "gauge", "1.5 to 2.5"),
        ("Map", "METER", "meter", "20, 0.5/s"),
        ("Map", "DISTRIBUTION", "distribution", "4, 0 to 5, mean 3"),
    ]
