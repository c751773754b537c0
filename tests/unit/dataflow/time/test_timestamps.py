"""Event times of records, by an assigner or a function."""

from typing import Any

import pytest

from millstream_dataflow.time import NO_TIMESTAMP, TimestampAssigner, WatermarkStrategy, assign_all


class Later(TimestampAssigner[int]):
    def extract_timestamp(self, value: int, record_timestamp: int) -> int:
        return value + record_timestamp


def assigned(assigner: Any, values: list[Any], former: list[int] | None = None) -> list[int]:  # noqa: ANN401  # each kind
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(assigner)
    function = strategy.create_timestamp_assigner()
    assert function is not None
    return assign_all(function, values, former)


def test_an_assigner_and_functions_of_one_or_two() -> None:
    assert assigned(Later(), [1, 2], [10, 20]) == [11, 22]
    assert assigned(lambda value: value * 2, [1, 2], [10, 20]) == [2, 4]
    assert assigned(lambda value, former: value - former, [1, 2], [10, 20]) == [-9, -18]
    assert assigned(lambda value, factor=3: value * factor, [1, 2], [10, 20]) == [3, 6]
    assert assigned(int, ["7"]) == [7]


def test_a_record_without_a_time_has_flinks_lowest() -> None:
    assert assigned(lambda _value, former: former, ["a"]) == [NO_TIMESTAMP] == [-(2**63)]


def test_without_an_assigner() -> None:
    assert WatermarkStrategy.no_watermarks().create_timestamp_assigner() is None


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (1.5, r"is float 1\.5 for 'a'; give int"),
        (None, "is NoneType None for 'a'; give milliseconds"),
        (True, "is bool True"),
    ],
)
def test_a_result_that_is_no_time(result: object, sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        assigned(lambda _value: result, ["a"])


def test_a_time_beyond_64_bits() -> None:
    with pytest.raises(ValueError, match="beyond 64 bits"):
        assigned(lambda _value: 2**63, ["a"])


@pytest.mark.parametrize(
    ("assigner", "sentence"),
    [
        (Later, "write it with parentheses"),
        (5, "give a function of the value"),
        (lambda: 1, r"takes \(value, timestamp\) or \(value\)"),
    ],
)
def test_refused_assigners(assigner: Any, sentence: str) -> None:  # noqa: ANN401  # each kind
    with pytest.raises(TypeError, match=sentence):
        WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(assigner)
