"""Tasks with two inputs: which edge feeds which, whose watermark counts, when an input ends, what an idle one does."""

from collections.abc import Iterator
from typing import Any

import pytest

from millstream_dataflow.functions import KeyedCoProcessFunction
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import KeySelection
from millstream_dataflow.operators.two_inputs import CoCall, CoProcessSpecification, KeyedCoProcessSpecification
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.time import WatermarkStrategy
from millstream_taskmanager.operators.co_process import CoProcessOperator
from tests.support.tasks import Draft, Drawing, ListSource, VirtualJob

RISING = WatermarkStrategy.for_monotonous_timestamps()
QUIET = (None,) * 200
"""A split without an end in the time of a test."""
ITSELF = KeySelection(lambda record: record)
NAMING = CoProcessSpecification((lambda one: ("first", one), lambda one: ("second", one)), CoCall.MAP)


def numbers(*times: int | None) -> ListSource:
    """A record at each of these times, which is the time itself."""
    return ListSource((tuple(None if time is None else (time, time) for time in times),), timed=True)


def of_two(
    first: list[Draft],
    second: list[Draft],
    specification: Any,  # noqa: ANN401  # of any operator
    drawing: Drawing,
    parallelism: int = 1,
) -> None:
    """An operator of two inputs, each a union of streams, and what collects its records."""
    both = drawing.vertex("both", specification, parallelism=parallelism)
    for number, drafts in enumerate((first, second)):
        for draft in drafts:
            drawing.edge(draft, both, Partitioning.HASH, key=lambda record: record, number=number)
    drawing.edge(both, drawing.collect("out", parallelism=parallelism))


@pytest.mark.parametrize("parallelism", [1, 3])
def test_edges_of_a_union_feed_one_input(parallelism: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []

    def end_of_input(operator: CoProcessOperator, number: int) -> Iterator[Any]:
        ended.append(number)
        return iter(())

    monkeypatch.setattr(CoProcessOperator, "end_of_input", end_of_input)
    drawing = Drawing()
    sources = [drawing.source(f"s{number}", numbers(number, 10 + number), parallelism=2) for number in range(3)]
    of_two([sources[0], sources[2]], [sources[1]], NAMING, drawing, parallelism)
    run = VirtualJob(drawing)
    assert run.task("both").gate is not None
    assert run.task("both").gate.inputs == (0, 0, 0, 0, 1, 1)  # type: ignore[union-attr]  # see above
    run.finish()
    assert sorted(run.collected("out")) == [
        *[("first", number) for number in (0, 2, 10, 12)],
        *[("second", number) for number in (1, 11)],
    ]
    assert sorted(ended) == sorted([0, 1] * parallelism), "an input ends once, with the last of its channels"


def test_a_stream_may_be_both_inputs() -> None:
    drawing = Drawing()
    source = drawing.source("s", numbers(1, 2))
    of_two([source], [source], NAMING, drawing)
    run = VirtualJob(drawing)
    run.finish()
    assert sorted(run.collected("out")) == [("first", 1), ("first", 2), ("second", 1), ("second", 2)]


class Waiting(KeyedCoProcessFunction[int, int, int, int]):
    """Gives each record when event time has reached its own."""

    def process_element1(self, value: int, ctx: KeyedCoProcessFunction.Context) -> None:
        ctx.timer_service().register_event_time_timer(value)

    def process_element2(self, value: int, ctx: KeyedCoProcessFunction.Context) -> None:
        ctx.timer_service().register_event_time_timer(value)

    def on_timer(self, timestamp: int, ctx: KeyedCoProcessFunction.OnTimerContext) -> Iterator[int]:
        yield ctx.get_current_key()


def waiting(first: ListSource, second: ListSource, strategies: tuple[Any, Any] = (RISING, RISING)) -> VirtualJob:
    drawing = Drawing()
    sources = [drawing.source(f"s{number}", one, strategies[number]) for number, one in enumerate((first, second))]
    of_two(
        [sources[0]], [sources[1]], KeyedCoProcessSpecification(Waiting(), CoCall.PROCESS, (ITSELF, ITSELF)), drawing
    )
    return VirtualJob(drawing)


def test_event_time_is_that_of_the_input_that_is_behind() -> None:
    run = waiting(numbers(10, 20, 30, *QUIET), numbers(15, *QUIET))
    run.pass_time(500)
    assert run.task("both").totals().watermark == 14
    assert run.collected("out") == [10]


@pytest.mark.parametrize("silent", [0, 1])
def test_watermarks_of_one_side_alone_move_nothing(silent: int) -> None:
    sides = [numbers(10, 20, 30, *QUIET)] * 2
    strategies = [RISING, RISING]
    strategies[silent] = WatermarkStrategy.no_watermarks()
    run = waiting(sides[0], sides[1], (strategies[0], strategies[1]))
    run.pass_time(500)
    assert run.task("both").totals().watermark == MIN_TIME
    assert run.collected("out") == []


@pytest.mark.parametrize("ending", [0, 1])
def test_an_input_that_has_ended_holds_nobody_back(ending: int) -> None:
    sides = [numbers(10, 20, 30, *QUIET), numbers(10, 20, 30, *QUIET)]
    sides[ending] = numbers(5)
    run = waiting(sides[0], sides[1])
    run.pass_time(500)
    assert run.task("both").totals().watermark == 29
    assert run.collected("out") == [5, 10, 20]
    assert not run.ended


@pytest.mark.parametrize("idle", [0, 1])
def test_an_idle_input_holds_nobody_back(idle: int) -> None:
    sides = [numbers(10, 20, 30, *QUIET), numbers(10, 20, 30, *QUIET)]
    sides[idle] = numbers(*QUIET)
    strategies = [RISING, RISING]
    strategies[idle] = RISING.with_idleness(500)
    run = waiting(sides[0], sides[1], (strategies[0], strategies[1]))
    run.pass_time(450)
    assert run.collected("out") == []
    run.pass_time(150)
    assert run.collected("out") == [10, 20]


@pytest.mark.parametrize("ending", [0, 1])
def test_an_input_that_has_ended_doesnt_end_the_time_of_one_that_is_idle(ending: int) -> None:
    strategy = RISING.with_idleness(500)
    sides = [numbers(*QUIET[:14], 10, 20, 30, *QUIET), numbers(*QUIET[:14], 10, 20, 30, *QUIET)]
    sides[ending] = numbers(5)
    run = waiting(sides[0], sides[1], (strategy, strategy))
    run.pass_time(650)
    assert run.collected("out") == []
    run.pass_time(500)
    assert run.task("both").totals().watermark == 29
    assert run.collected("out") == [5, 10, 20]


def test_both_ends_end_the_task() -> None:
    run = waiting(numbers(1, 3), numbers(2, 4))
    run.finish()
    assert run.collected("out") == [1, 2, 3, 4]
    assert run.task("both").totals().watermark == MAX_TIME
