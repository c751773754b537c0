"""Metrics of the users' own for people: those of one operator over all its subtasks. `--json` has each subtask's."""

from collections.abc import Iterable, Sequence

from millstream_runtime.messages.client import TaskView
from millstream_runtime.messages.session import MetricKind, UserMetric

COLUMNS = ("OPERATOR", "METRIC", "KIND", "VALUE")


def metric_rows(tasks: Iterable[TaskView]) -> list[tuple[object, ...]]:
    """A row for each metric, in the order in which operators first told of them."""
    found: dict[tuple[str, str, MetricKind], list[UserMetric]] = {}
    for task in tasks:
        for metric in () if task.totals is None else task.totals.metrics:
            found.setdefault((metric.operator, metric.name, metric.kind), []).append(metric)
    return [
        (operator, name, kind.name.lower(), _value(kind, metrics)) for (operator, name, kind), metrics in found.items()
    ]


def _value(kind: MetricKind, metrics: Sequence[UserMetric]) -> str:
    """Counts and rates of subtasks are summed; gauges aren't, for who knows what they mean."""
    count, value = sum(metric.count for metric in metrics), sum(metric.value for metric in metrics)
    match kind:
        case MetricKind.COUNTER:
            return str(count)
        case MetricKind.METER:
            return f"{count}, {value:.6g}/s"
        case MetricKind.GAUGE:
            low, high = min(metric.value for metric in metrics), max(metric.value for metric in metrics)
            return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
        case MetricKind.DISTRIBUTION:
            low, high = min(metric.low for metric in metrics), max(metric.high for metric in metrics)
            return f"{count}, {low:.6g} to {high:.6g}, mean {value / count:.6g}"
