"""Strategies are values that make generators."""

import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from millstream_dataflow.time import (
    BoundedOutOfOrderness,
    Duration,
    NoWatermarks,
    WatermarkGenerator,
    WatermarkStrategy,
)


class Own(WatermarkGenerator[str]):
    pass


def test_each_split_has_a_generator_of_its_own() -> None:
    strategy = WatermarkStrategy.for_bounded_out_of_orderness(Duration.of_seconds(1))
    one, other = strategy.create_watermark_generator(), strategy.create_watermark_generator()
    one.on_batch((), [5_000])
    assert (one.on_periodic(), other.on_periodic()) == (3_999, None)
    assert isinstance(one, BoundedOutOfOrderness)
    assert isinstance(WatermarkStrategy.no_watermarks().create_watermark_generator(), NoWatermarks)
    assert isinstance(WatermarkStrategy.for_generator(Own).create_watermark_generator(), Own)


def test_a_strategy_is_a_value() -> None:
    strategy = WatermarkStrategy.for_bounded_out_of_orderness(timedelta(seconds=1)).with_idleness(timedelta(minutes=1))
    assert strategy == WatermarkStrategy.for_bounded_out_of_orderness(1_000).with_idleness(Duration.of_minutes(1))
    assert strategy.idle_timeout == 60_000
    assert pickle.loads(pickle.dumps(strategy)) == strategy


def test_punctuated_watermarks() -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps()
    assert list(strategy.create_watermark_generator().on_batch((), [5, 7])) == []
    punctuated = strategy.with_punctuated_watermarks().with_idleness(1)
    assert list(punctuated.create_watermark_generator().on_batch((), [5, 7])) == [(1, 4), (2, 6)]


def test_refusals() -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps()
    with pytest.raises(ValueError, match="above 0, but got 0 ms"):
        strategy.with_idleness(0)
    with pytest.raises(ValueError, match="negative time"):
        WatermarkStrategy.for_bounded_out_of_orderness(timedelta(seconds=-1))
    with pytest.raises(TypeError, match="from on_event of a generator of your own"):
        WatermarkStrategy.for_generator(Own).with_punctuated_watermarks()
    with pytest.raises(TypeError, match="each split needs a generator of its own"):
        WatermarkStrategy.for_generator(Own())  # type: ignore[arg-type]  # what is tested
    with pytest.raises(TypeError, match=r"must make a WatermarkGenerator, but .* made 'generator'"):
        WatermarkStrategy.for_generator(lambda: "generator").create_watermark_generator()  # type: ignore[arg-type, return-value]  # as above


CALLS: list[Callable[[WatermarkStrategy[Any]], object]] = []


def dropped(call: Callable[[WatermarkStrategy[Any]], object]) -> Callable[[WatermarkStrategy[Any]], object]:
    CALLS.append(call)
    return call


@dropped
def with_timestamp_assigner(strategy: WatermarkStrategy[Any]) -> None:
    strategy.with_timestamp_assigner(int)


@dropped
def with_idleness(strategy: WatermarkStrategy[Any]) -> None:
    strategy.with_idleness(timedelta(seconds=1))


@dropped
def with_watermark_alignment(strategy: WatermarkStrategy[Any]) -> None:
    for _ in range(1):
        strategy.with_watermark_alignment("group", 20)


@dropped
def with_punctuated_watermarks(strategy: WatermarkStrategy[Any]) -> None:
    if strategy.idle_timeout is None:
        strategy.with_idleness(1).with_punctuated_watermarks()


@pytest.mark.parametrize("call", CALLS)
def test_a_strategy_that_nobody_takes_is_refused(call: Callable[[WatermarkStrategy[Any]], object]) -> None:
    """As a statement these calls would have no effect, where PyFlink's with_timestamp_assigner has one."""
    name = call.__name__
    words = rf"^{name} gives a new strategy .* nobody takes the new one; write: strategy = strategy\.{name}\(\.\.\.\)$"
    with pytest.raises(ValueError, match=words):
        call(WatermarkStrategy.for_monotonous_timestamps())


def test_one_that_is_taken_in_any_way_is_not() -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps()
    _ = strategy.with_idleness(1)
    taken = [strategy.with_idleness(number) for number in (1, 2)] + [*map(strategy.with_idleness, (3,))]
    assert (named := strategy.with_idleness(4)).idle_timeout == strategy.with_idleness(4).idle_timeout
    timed: Callable[[WatermarkStrategy[Any]], WatermarkStrategy[int]] = lambda one: one.with_timestamp_assigner(int)  # noqa: E731  # as users write it
    assert timed(strategy).timestamp_assigner is int
    assert [one.idle_timeout for one in [*taken, named]] == [1, 2, 3, 4]
