"""Watermark strategies in programs: what is compiled, what is refused, and what comes of it inline."""

from collections.abc import Iterable
from typing import Any

import pytest

from millstream.errors import ArgumentError, NotSupportedError
from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.functions import ProcessFunction
from millstream_dataflow.time import WatermarkAlignment, WatermarkGenerator, WatermarkOutput, WatermarkStrategy
from tests.support.tasks import ListSource
from tests.unit.client.programs import compiled, environment

ALIGNED = WatermarkStrategy.for_monotonous_timestamps().with_watermark_alignment("group", 500, 20)


def at_once(count: int, **options: Any) -> ListSource:  # noqa: ANN401  # those of ListSource
    """One split with a record every 50 ms of event time."""
    return ListSource((tuple((number, number * 50) for number in range(count)),), timed=True, batch=1, **options)


def test_the_group_stands_in_the_graph_for_the_leader_to_see() -> None:
    """Which opens no function (design 2.3)."""
    env = environment()
    env.from_source(at_once(1), ALIGNED, "aligned").print()
    env.from_source(at_once(1), WatermarkStrategy.for_monotonous_timestamps(), "free").print()
    vertices = compiled(env).graph.vertices
    assert [vertex.alignment for vertex in vertices] == [WatermarkAlignment("group", 500, 20), None]


def test_the_group_of_a_source_with_an_enumerator_is_that_of_its_readers() -> None:
    env = environment()
    env.from_source(at_once(1, has_enumerator=True), ALIGNED, "aligned").print()
    alignments = {vertex.name: vertex.alignment for vertex in compiled(env).graph.vertices}
    assert [alignment is not None for alignment in alignments.values()] == [False, True], alignments


def test_behind_a_source_nothing_can_be_aligned() -> None:
    stream = environment().from_collection([1])
    words = "can't align a stream with the group 'group': only a source can be paused; give the strategy to from_source"
    with pytest.raises(ArgumentError, match=words):
        stream.assign_timestamps_and_watermarks(ALIGNED)


@pytest.mark.parametrize("strategy", [None, WatermarkStrategy.for_monotonous_timestamps], ids=["None", "no call"])
def test_what_is_no_strategy_is_refused(strategy: Any) -> None:  # noqa: ANN401  # that is the point
    env = environment()
    with pytest.raises(ArgumentError, match="from_source takes a WatermarkStrategy, but got"):
        env.from_source(at_once(1), strategy)
    with pytest.raises(ArgumentError, match="assign_timestamps_and_watermarks takes a WatermarkStrategy, but got"):
        env.from_collection([1]).assign_timestamps_and_watermarks(strategy)


def test_the_time_characteristic_is_gone_as_in_flink() -> None:
    with pytest.raises(NotSupportedError, match="windows and timers say which time they go by"):
        environment().set_stream_time_characteristic("event time")  # type: ignore[attr-defined]  # what is tested


def test_aligned_sources_run_to_their_ends_inline() -> None:
    env = environment(execution_target="inline")
    fast = env.from_source(at_once(100, boundedness=Boundedness.BOUNDED), ALIGNED, "fast")
    slow = env.from_source(at_once(30), ALIGNED, "slow")
    found = list(fast.union(slow).execute_and_collect())
    assert sorted(found) == sorted([*range(100), *range(30)])
    assert max(found[:10]) <= 500 // 50 + 2, "neither has run away"


class Clocked(ProcessFunction[int, tuple[int, int | None, int, int]]):
    """With each record what the function knows of time."""

    def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterable[tuple[int, int | None, int, int]]:
        timers = ctx.timer_service()
        yield value, ctx.timestamp(), timers.current_watermark(), timers.current_processing_time()


def test_ingestion_time_is_the_clock_of_who_reads() -> None:
    env = environment(execution_target="inline", pipeline_batch_max__records=2)
    stream = env.from_source(at_once(6), WatermarkStrategy.for_ingestion_time(), "clocked")
    rows = list(stream.process(Clocked()).execute_and_collect())
    assert [value for value, *_ in rows] == list(range(6))
    times = [time for _, time, _, _ in rows if time is not None]
    assert times == sorted(times)
    assert len(times) == 6
    for _, time, watermark, now in rows:
        assert time is not None
        assert watermark < time <= now
        assert now - time < 60_000


class Marks(WatermarkGenerator[int]):
    """Written as in Flink's documentation."""

    def on_event(self, value: int, timestamp: int, output: WatermarkOutput) -> None:
        if value % 2:
            output.emit_watermark(timestamp)

    def on_periodic_emit(self, output: WatermarkOutput) -> None:
        pass


def test_a_generator_of_ones_own_as_flink_has_it() -> None:
    env = environment(execution_target="inline")
    stream = env.from_source(at_once(5), WatermarkStrategy.for_generator(Marks), "marked")
    rows = list(stream.process(Clocked()).execute_and_collect())
    assert [watermark for _, _, watermark, _ in rows] == [-(2**63), -(2**63), 50, 50, 150]
