"""Spans of time, however they are written, are milliseconds."""

import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.time import Duration, Span, Time, to_milliseconds


@pytest.mark.parametrize(
    ("span", "milliseconds"),
    [
        (Time.milliseconds(5), 5),
        (Time(milliseconds=5), 5),
        (pickle.loads(pickle.dumps(Time(5))), 5),
        (Time.seconds(5), 5_000),
        (Time.minutes(-5), -300_000),
        (Time.hours(5), 18_000_000),
        (Time.days(5), 432_000_000),
        (Duration.of_nanos(5_000_000), 5),
        (Duration.of_millis(5), 5),
        (Duration.of_seconds(5), 5_000),
        (Duration.of_minutes(5), 300_000),
        (Duration.of_hours(5), 18_000_000),
        (Duration.of_days(-5), -432_000_000),
        (timedelta(hours=1, milliseconds=1), 3_600_001),
        (7, 7),
    ],
)
def test_to_milliseconds(span: Any, milliseconds: int) -> None:  # noqa: ANN401  # each kind of span
    assert to_milliseconds(span) == milliseconds


@given(st.integers(-(10**14), 10**14))
def test_all_ways_to_write_a_span_agree(milliseconds: int) -> None:
    spans: list[Span] = [Time.milliseconds(milliseconds), Duration.of_millis(milliseconds)]
    if abs(milliseconds) < 86_400_000_000_000:
        spans.append(timedelta(milliseconds=milliseconds))
    assert {to_milliseconds(span) for span in spans} == {milliseconds}


@pytest.mark.parametrize("span", [timedelta(microseconds=1), Duration.of_nanos(1_500_000)])
def test_parts_of_a_millisecond_are_refused(span: Any) -> None:  # noqa: ANN401  # as above
    with pytest.raises(ValueError, match="whole milliseconds"):
        to_milliseconds(span)


@pytest.mark.parametrize("span", [True, 1.5, "1 s", None])
def test_no_span(span: Any) -> None:  # noqa: ANN401  # as above
    with pytest.raises(TypeError, match="a span of time is a timedelta"):
        to_milliseconds(span)


def test_whole_numbers_only() -> None:
    with pytest.raises(TypeError, match=r"Time\.seconds takes a whole number, but got 0\.5"):
        Time.seconds(0.5)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(TypeError, match=r"Time takes a whole number, but got 0\.5"):
        Time(0.5)  # type: ignore[arg-type]  # as above
    with pytest.raises(TypeError, match=r"Duration\.of_days takes a whole number"):
        Duration.of_days(True)
