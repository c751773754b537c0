"""The judge of expressions and columns is judged: results written here by hand."""

import pytest

from millstream_dataflow.windows import TumblingEventTimeWindows
from tests.interpreter.column_stages import Counted, Paired, Told
from tests.interpreter.test_interpreter import given

RECORDS = ((("a", 3), 0), (("b", 5), 1), (("a", 4), 2), (("a", 1), 12))


@pytest.mark.parametrize(
    ("how", "numbers"),
    [("filter", [5, 4, 1]), ("select", [4, 10, 5, 2]), ("with_columns", [1, 2, 0]), ("project", [10, 12, 11, 8])],
)
def test_calls_by_expressions(how: str, numbers: list[int]) -> None:
    assert [number for _, number in given((Told(how, as_columns=False), Paired()), *RECORDS)] == numbers


def test_functions_of_batches() -> None:
    """All numbers are doubled; none of them is odd then."""
    assert given((Told("filter", as_columns=True), Paired()), *RECORDS) == [("b", 10), ("a", 8), ("a", 2)]
    assert given((Told("with_columns", as_columns=True), Paired()), *RECORDS) == []


def test_windows_of_built_in_aggregates() -> None:
    """Sum, count, the least, the greatest modulo 7, and the beginning, moved by 100: of 4 and 5, of 10, and of 2."""
    stages = (Told("select", as_columns=False), Counted(TumblingEventTimeWindows.of(10)))
    assert sorted(given(stages, *RECORDS)) == [
        ("a", 2_001_002_002_110),
        ("a", 9_002_004_005_100),
        ("b", 10_001_010_003_100),
    ]
    sums = (Told("select", as_columns=False), Counted(TumblingEventTimeWindows.of(10), plain=True))
    assert sorted(given(sums, *RECORDS)) == [("all", 2), ("all", 9), ("all", 10)]
