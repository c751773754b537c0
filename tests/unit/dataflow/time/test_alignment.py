"""Who may read how far (law 7.4), as arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.time import Duration, ReadingLimit, WatermarkAlignment, WatermarkStrategy, lowest_of
from millstream_dataflow.time.alignment import PATIENCE

ALIGNED = WatermarkAlignment("group", 50, 100)
IN_TIME = PATIENCE * 100
"""Milliseconds without a word that say nothing."""


@pytest.mark.parametrize(
    ("watermarks", "lowest"),
    [
        ((7, 5, 9), 5),
        ((), MAX_TIME),
        ((7, None), None),
        ((7, MIN_TIME), None),
        ((MAX_TIME,), MAX_TIME),
    ],
    ids=["lowest", "nobody counts", "not heard of", "has none yet", "at its end"],
)
def test_the_lowest_of_a_group(watermarks: tuple[int | None, ...], lowest: int | None) -> None:
    assert lowest_of(watermarks) == lowest


def test_the_drift_is_added_within_64_bits() -> None:
    assert ALIGNED.limit(1_000) == 1_050
    assert ALIGNED.limit(MAX_TIME) == MAX_TIME


def test_told_nothing_it_stays_at_its_first_watermark() -> None:
    limit = ReadingLimit(ALIGNED, now=0)
    assert limit.at(0, MIN_TIME) == MIN_TIME
    assert limit.at(IN_TIME - 1, 5_000) == MIN_TIME, "whatever watermark it has"


def test_a_word_counts_at_once_also_if_it_is_lower() -> None:
    limit = ReadingLimit(ALIGNED, now=0)
    limit.told(1_000, now=10)
    assert limit.at(10, 0) == 1_000
    limit.told(400, now=20)
    assert limit.at(20, 0) == 400


def test_without_a_word_the_limit_rises_with_the_clock_until_there_is_one() -> None:
    limit = ReadingLimit(ALIGNED, now=0)
    limit.told(1_000, now=0)
    assert limit.at(IN_TIME - 1, 900) == 1_000
    assert limit.at(IN_TIME, 900) == 1_000
    assert limit.at(IN_TIME + 30, 900) == 1_030
    assert limit.at(IN_TIME + 5_000, 900) == 6_000
    limit.told(1_100, now=IN_TIME + 5_001)
    assert limit.at(IN_TIME + 5_001, 900) == 1_100
    assert limit.at(2 * IN_TIME + 5_001, 900) == 1_100, "and it waits again"
    assert limit.at(2 * IN_TIME + 5_002, 900) == 1_101


def test_who_was_never_told_anything_rises_from_its_own_watermark_once_it_has_one() -> None:
    limit = ReadingLimit(ALIGNED, now=0)
    assert limit.at(IN_TIME + 700, MIN_TIME) == MIN_TIME
    assert limit.at(IN_TIME + 800, 5_000) == 5_000
    assert limit.at(IN_TIME + 900, 5_050) == 5_100


@given(
    words=st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 10_000)), max_size=8),
    asked=st.integers(0, 3_000),
    lowest=st.integers(0, 10_000),
)
def test_it_is_never_further_than_the_last_word_and_the_silence_since(
    words: list[tuple[int, int]], asked: int, lowest: int
) -> None:
    limit, now, told = ReadingLimit(ALIGNED, 0), 0, MIN_TIME
    for after, word in words:
        now += after
        limit.told(word, now)
        told = word
    first, later = limit.at(now + asked, lowest), limit.at(now + 2 * asked, lowest)
    assert first <= max(told, lowest) + asked
    assert told <= first <= later, "and it never falls by itself"


def test_a_strategy_names_its_group() -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps()
    assert strategy.alignment is None
    aligned = strategy.with_watermark_alignment("group", Duration.of_seconds(20))
    assert aligned.alignment == WatermarkAlignment("group", 20_000, 1_000)
    aligned = strategy.with_watermark_alignment("group", 20, Duration.of_millis(50)).with_idleness(7)
    assert aligned.alignment == WatermarkAlignment("group", 20, 50)
    assert aligned.idle_timeout == 7


def test_what_can_not_be_aligned_is_refused() -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps()
    with pytest.raises(TypeError, match="takes the name of a group, but got ''"):
        strategy.with_watermark_alignment("", 20)
    with pytest.raises(ValueError, match="must not be negative, but got -1 ms"):
        strategy.with_watermark_alignment("group", -1)
    with pytest.raises(ValueError, match="at least 10 ms, but got 9 ms"):
        strategy.with_watermark_alignment("group", 20, 9)
    with pytest.raises(ValueError, match=r"no_watermarks\(\) has none; take a strategy that has"):
        WatermarkStrategy.no_watermarks().with_watermark_alignment("group", 20)
