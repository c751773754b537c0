"""Law 7.1: what was said of event time before a restore is said again, also by who has nothing new to say."""

from collections.abc import Iterator

import pytest

from millstream_dataflow.functions import KeyedCoProcessFunction
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.base import OperatorSpecification
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    KeySelection,
    TimestampsSpecification,
)
from millstream_dataflow.operators.two_inputs import CoCall, KeyedCoProcessSpecification
from millstream_dataflow.time import WatermarkStrategy
from tests.support.tasks import Drawing, ListSource, VirtualJob

RISING = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(int)
ITSELF = KeySelection(lambda record: record)
LONG = (None,) * 20
"""A part of a split that brings nothing at so many reads."""


class Waiting(KeyedCoProcessFunction[int, int, int, int]):
    """Gives each record when event time has reached it."""

    def process_element1(self, value: int, ctx: KeyedCoProcessFunction.Context) -> None:
        ctx.timer_service().register_event_time_timer(value)

    def process_element2(self, value: int, ctx: KeyedCoProcessFunction.Context) -> None:
        ctx.timer_service().register_event_time_timer(value)

    def on_timer(self, timestamp: int, ctx: KeyedCoProcessFunction.OnTimerContext) -> Iterator[int]:
        yield timestamp


def passing(value: int, _around: object) -> Iterator[int]:
    yield value


def source(*records: int | None) -> ListSource:
    """Records that are their times; None: nothing for a while."""
    return ListSource((tuple(None if time is None else (time, time) for time in records),), timed=True)


def drawn(between: OperatorSpecification, parallelism: int = 1) -> Drawing:
    """A stream that is soon far ahead, and says nothing for long then, passes an operator of its own; then it meets a
    slow one.
    """
    drawing = Drawing()
    ahead = drawing.source("ahead", source(10, 20, 30, *LONG * 10), RISING)
    slow = drawing.source("slow", source(15, *LONG, 40, *LONG * 10), RISING)
    middle = drawing.vertex("between", between, parallelism=parallelism)
    both = drawing.vertex("both", KeyedCoProcessSpecification(Waiting(), CoCall.PROCESS, (ITSELF, ITSELF)))
    drawing.edge(ahead, middle, Partitioning.HASH, key=lambda record: record)
    drawing.edge(middle, both, Partitioning.HASH, key=lambda record: record)
    drawing.edge(slow, both, Partitioning.HASH, key=lambda record: record, number=1)
    drawing.edge(both, drawing.collect("out"))
    return drawing


@pytest.mark.parametrize("then", [1, 2])
@pytest.mark.parametrize("between", [KeyedProcessSpecification(passing, ITSELF), TimestampsSpecification(RISING)])
def test_who_has_nothing_new_holds_nobody_back(between: OperatorSpecification, then: int) -> None:
    job = VirtualJob(drawn(between))
    job.pass_time(500)
    assert job.task("both").totals().watermark == 14
    assert job.collected("out") == [10]
    job.trigger(1)
    job.settle()
    onto = drawn(between, then)
    again = VirtualJob(onto, restored=job.restored_from(1, onto), now=job.now)
    again.pass_time(1_500)
    assert again.task("both").totals().watermark == 29, "of the one that is ahead; the slow one is at 39"
    assert again.collected("out") == [15, 20]
