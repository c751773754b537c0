"""Metrics of the user's own: what they count, what is told of them, and how many there may be."""

from typing import Any

import pytest

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.functions import FilterFunction, MapFunction, RuntimeContext
from millstream_dataflow.metrics import MOST_METRICS, MetricGroup
from millstream_dataflow.operators.specifications import FilterSpecification, MapSpecification
from millstream_runtime.messages.codec import from_message, to_message
from millstream_runtime.messages.session import MetricKind, TaskTotals, UserMetric
from millstream_taskmanager.operators.functions import TaskRuntimeContext
from tests.support.tasks import Drawing, ListSource, OperatorBench, VirtualJob


class Metrics:
    """Those of one operator, and its clock."""

    def __init__(self) -> None:
        self.bench = OperatorBench()
        self.context = self.bench.context()
        self.group: MetricGroup = TaskRuntimeContext(self.context).get_metrics_group()

    def told(self) -> list[UserMetric]:
        return list(self.context.metrics.told())


def test_a_counter() -> None:
    metrics = Metrics()
    counter = metrics.group.counter("seen")
    counter.inc()
    counter.inc(5)
    counter.dec(2)
    assert counter.get_count() == 4
    assert metrics.told() == [UserMetric("Operator", "seen", MetricKind.COUNTER, 4)]
    assert metrics.group.counter("seen") is counter


def test_a_gauge_is_asked_when_it_is_told() -> None:
    metrics, values = Metrics(), [1]
    metrics.group.gauge("open", lambda: values[-1])
    values.append(7)
    assert metrics.told() == [UserMetric("Operator", "open", MetricKind.GAUGE, value=7)]
    metrics.group.gauge("open", lambda: 9)
    assert metrics.told() == [UserMetric("Operator", "open", MetricKind.GAUGE, value=9)]


@pytest.mark.parametrize("answer", [lambda: 1 / 0, lambda: "many", lambda: float("nan"), lambda one: one])
def test_a_gauge_that_tells_no_number_ends_nothing(answer: Any) -> None:  # noqa: ANN401  # a function of any kind
    metrics = Metrics()
    metrics.group.gauge("open", answer)
    assert metrics.told() == []


def test_the_rate_of_a_meter_is_that_of_its_span() -> None:
    metrics = Metrics()
    meter = metrics.group.meter("events", time_span_in_seconds=10)
    assert meter.get_rate() == 0
    for second in range(1, 31):
        metrics.bench.time = second * 1_000
        meter.mark_event(3 if second > 15 else 1)
        metrics.told()
    assert meter.get_count() == 60
    assert meter.get_rate() == pytest.approx(3)
    metrics.bench.time = 40_000
    assert meter.get_rate() == pytest.approx(0)
    assert metrics.told() == [UserMetric("Operator", "events", MetricKind.METER, 60, 0.0)]


def test_a_distribution() -> None:
    metrics = Metrics()
    distribution = metrics.group.distribution("size")
    assert metrics.told() == [], "of nothing there is nothing to tell"
    for value in (5, 1, 3):
        distribution.update(value)
    assert metrics.told() == [UserMetric("Operator", "size", MetricKind.DISTRIBUTION, 3, 9, 1, 5)]


def test_groups_stand_before_the_name() -> None:
    metrics = Metrics()
    group = metrics.group.add_group("door").add_group("city", "Oslo")
    group.counter("seen").inc()
    assert [metric.name for metric in metrics.told()] == ["door.city.Oslo.seen"]
    assert metrics.group.add_group("door.city").add_group("Oslo").counter("seen").get_count() == 1


def test_mistakes_are_told() -> None:
    metrics = Metrics()
    metrics.group.counter("seen")
    with pytest.raises(InvalidProgramError, match="'seen' was asked for as a meter, and was a counter before"):
        metrics.group.meter("seen")
    with pytest.raises(InvalidProgramError, match="a metric and its groups have names, but got an empty one"):
        metrics.group.counter("")
    with pytest.raises(InvalidProgramError, match="takes a span above 0 s, but got 0"):
        metrics.group.meter("rate", 0)
    gauge: Any = metrics.group.gauge
    with pytest.raises(InvalidProgramError, match="takes a function without parameters, but got 5"):
        gauge("open", 5)


def test_there_are_not_too_many() -> None:
    metrics = Metrics()
    for number in range(MOST_METRICS):
        metrics.group.counter(f"seen-{number}")
    metrics.group.counter("seen-0").inc()
    with pytest.raises(InvalidProgramError, match="would be one of more than 100"):
        metrics.group.counter("seen-of-another-key")


class Counting(MapFunction[int, int]):
    """Counts what it maps, and what it has been told of its place."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.seen = runtime_context.get_metrics_group().counter("seen")

    def map(self, value: int) -> int:
        self.seen.inc(value)
        return value


class Choosing(FilterFunction[int]):
    """Counts as well, by what it keeps from its runtime context."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.get_runtime_context().get_metrics_group().gauge("fixed", lambda: 2.5)

    def filter(self, value: int) -> bool:
        return True


def test_the_totals_of_a_task_tell_them_by_operator() -> None:
    """Two functions that run in one loop are two operators all the same."""
    drawing = Drawing()
    source = drawing.source("source", ListSource(((1, 2, 3),)))
    vertex = drawing.vertex("map", MapSpecification(Counting()), FilterSpecification(Choosing()))
    drawing.edge(source, vertex)
    job = VirtualJob(drawing)
    job.settle()
    totals = job.task("map").totals()
    assert totals.metrics == (
        UserMetric("Map 0", "seen", MetricKind.COUNTER, 6),
        UserMetric("Filter 1", "fixed", MetricKind.GAUGE, value=2.5),
    )
    assert from_message(TaskTotals, to_message(totals)) == totals
