"""Generators: a batch says what its records would have said one by one (laws 7.1 and 7.2)."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.time import BoundedOutOfOrderness, Cut, MonotonousTimestamps, NoWatermarks, WatermarkGenerator

times = st.integers(-20, 20) | st.integers(MIN_TIME, MAX_TIME)
batches = st.lists(st.lists(times, max_size=8), max_size=4)


def one_by_one(generator: WatermarkGenerator[int], timestamps: Sequence[int]) -> list[Cut]:
    """The inherited loop, which asks `on_event` of each record."""
    return list(WatermarkGenerator.on_batch(generator, timestamps, timestamps))


@given(batches, st.integers(0, 10), st.booleans(), st.booleans())
def test_a_batch_equals_its_records(batches: list[list[int]], delay: int, punctuated: bool, arrays: bool) -> None:
    of_batches = BoundedOutOfOrderness(delay, punctuated=punctuated)
    of_records = BoundedOutOfOrderness(delay, punctuated=punctuated)
    for batch in batches:
        cuts = of_batches.on_batch((), np.array(batch, np.int64) if arrays else batch)
        assert list(cuts) == one_by_one(of_records, batch)
        assert all(type(part) is int for cut in cuts for part in cut)
        assert of_batches.on_periodic() == of_records.on_periodic()
        assert of_batches.snapshot() == of_records.snapshot()


@given(batches, st.integers(0, 10))
def test_cuts_stand_behind_each_record_that_raised_the_watermark(batches: list[list[int]], delay: int) -> None:
    generator = BoundedOutOfOrderness(delay, punctuated=True)
    highest = MIN_TIME
    for batch in batches:
        expected: list[Cut] = []
        for count, time in enumerate(batch, start=1):
            if time - delay - 1 > highest:
                highest = time - delay - 1
                expected.append(Cut(count, highest))
        assert list(generator.on_batch((), batch)) == expected


@given(batches, batches, st.integers(0, 10), st.integers(0, 10))
def test_a_restart_does_not_turn_time_back(
    before: list[list[int]], after: list[list[int]], delay: int, new_delay: int
) -> None:
    """Not even when the program comes back with another delay."""
    generator = BoundedOutOfOrderness(delay)
    for batch in before:
        generator.on_batch((), batch)
    restored = BoundedOutOfOrderness(new_delay)
    restored.restore(generator.snapshot())
    assert restored.snapshot() == generator.snapshot()
    for batch in after:
        restored.on_batch((), batch)
    assert restored.snapshot() == max(generator.snapshot(), *(t - new_delay - 1 for b in after for t in b), MIN_TIME)


def test_flinks_watermark_is_one_less() -> None:
    generator = BoundedOutOfOrderness(20)
    assert generator.on_periodic() is None
    generator.on_batch((), [100, 90])
    assert generator.on_periodic() == 79
    assert generator.snapshot() == 79
    monotonous = MonotonousTimestamps()
    assert monotonous.on_event("any", 5) is None
    assert monotonous.on_periodic() == 4
    assert MonotonousTimestamps(punctuated=True).on_event("any", 5) == 4


def test_no_watermarks() -> None:
    assert list(NoWatermarks().on_batch((), [1, 2])) == []
    assert NoWatermarks().on_periodic() is None


class EveryThird(WatermarkGenerator[str]):
    """One of a user: a watermark where the value says so."""

    def on_event(self, value: str, timestamp: int) -> int | None:
        return timestamp if value == "mark" else None


def test_a_generator_of_ones_own() -> None:
    generator = EveryThird()
    values = ["a", "mark", "mark", "mark", "b"]
    assert generator.reads_values
    assert list(generator.on_batch(values, [1, 5, 3, 7, 9])) == [Cut(2, 5), Cut(4, 7)]
    assert list(generator.on_batch(values, np.array([1, 5, 3, 7, 9]))) == [Cut(2, 5), Cut(4, 7)]
    assert (generator.on_periodic(), generator.snapshot()) == (None, None)
    generator.restore(None)


def test_a_negative_delay_is_refused() -> None:
    with pytest.raises(ValueError, match="negative time: got -1 ms"):
        BoundedOutOfOrderness(-1)
