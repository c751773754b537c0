"""Windows that would wait for ever are told of when the program is compiled."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from millstream.datastream.data_stream import DataStream
from millstream.datastream.windowed_stream import WindowedStream
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.windows import CountTrigger, TumblingEventTimeWindows, TumblingProcessingTimeWindows
from tests.unit.client.programs import Ticker, compiled, environment, numbers

SILENT, RISING = WatermarkStrategy.no_watermarks(), WatermarkStrategy.for_monotonous_timestamps()
BY_EVENTS = TumblingEventTimeWindows.of(timedelta(seconds=5))
BY_CLOCK = TumblingProcessingTimeWindows.of(timedelta(seconds=5))


def warned(
    caplog: pytest.LogCaptureFixture,
    strategy: WatermarkStrategy[Any],
    program: Callable[[DataStream[Any]], WindowedStream[Any, Any, Any]],
) -> list[str]:
    env = environment()
    ticks = env.from_source(Ticker(), strategy, "ticks")
    with caplog.at_level(logging.WARNING, "millstream"):
        program(ticks).reduce(max).print()
        compiled(env)
    return [record.getMessage() for record in caplog.records]


def keyed(stream: DataStream[Any]) -> Any:  # noqa: ANN401  # of any key
    return stream.map(abs).key_by(lambda value: value)


def test_a_source_without_end_and_watermarks(caplog: pytest.LogCaptureFixture) -> None:
    [said] = warned(caplog, SILENT, lambda ticks: keyed(ticks).window(BY_EVENTS))
    assert said.startswith('windows of event time in Window "Window(Tumbling')
    assert "test_silent_windows.py:" in said
    assert said.endswith("call assign_timestamps_and_watermarks(...) before them, or use windows of processing time")


def test_one_of_several(caplog: pytest.LogCaptureFixture) -> None:
    """The slowest counts."""

    def program(ticks: DataStream[Any]) -> WindowedStream[Any, Any, Any]:
        others = ticks.get_execution_environment().from_source(Ticker(), RISING, "others")
        windows: WindowedStream[Any, Any, Any] = keyed(others.union(ticks)).window(BY_EVENTS)
        return windows

    [said] = warned(caplog, SILENT, program)
    assert "ticks" in said


FINE: dict[str, tuple[WatermarkStrategy[Any], Callable[[DataStream[Any]], WindowedStream[Any, Any, Any]]]] = {
    "watermarks of the source": (RISING, lambda ticks: keyed(ticks).window(BY_EVENTS)),
    "watermarks behind it": (
        SILENT,
        lambda ticks: keyed(ticks.assign_timestamps_and_watermarks(RISING)).window(BY_EVENTS),
    ),
    "the clock": (SILENT, lambda ticks: keyed(ticks).window(BY_CLOCK)),
    "a trigger": (SILENT, lambda ticks: keyed(ticks).window(BY_EVENTS).trigger(CountTrigger.of(3))),
    "an end": (SILENT, lambda ticks: keyed(numbers(ticks.get_execution_environment())).window(BY_EVENTS)),
}


@pytest.mark.parametrize(("strategy", "program"), FINE.values(), ids=FINE)
def test_windows_that_fire(
    caplog: pytest.LogCaptureFixture,
    strategy: WatermarkStrategy[Any],
    program: Callable[[DataStream[Any]], WindowedStream[Any, Any, Any]],
) -> None:
    assert warned(caplog, strategy, program) == []
