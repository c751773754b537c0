"""Ingestion time: the clock of who reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.time import GeneratorDriver, IngestionTime, WatermarkStrategy


def test_a_watermark_is_below_the_time_that_the_next_record_may_get() -> None:
    driver = GeneratorDriver(time := IngestionTime())
    assert driver.periodic() is None, "the clock wasn't looked at"
    assert time.at(1_000) == 1_000
    assert driver.periodic() == 999


@given(st.lists(st.integers(0, 1_000), min_size=1), st.integers(0, 1_000))
def test_time_never_falls_whatever_is_done_to_the_clock_and_over_a_restart(clock: list[int], other: int) -> None:
    time = IngestionTime()
    times = [time.at(now) for now in clock]
    assert times == sorted(times)
    again = IngestionTime()
    again.restore(time.snapshot())
    assert again.at(other) == max([other, *clock])


def test_an_assigner_makes_no_sense() -> None:
    strategy = WatermarkStrategy.for_ingestion_time()
    assert isinstance(strategy.create_watermark_generator(), IngestionTime)
    with pytest.raises(ValueError, match="the clock says when a record happened, not an assigner; leave"):
        strategy.with_timestamp_assigner(int)
