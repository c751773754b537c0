"""Which of its records a window forgets when it fires, and what is made of those that are left."""

from collections.abc import Iterable
from typing import Any

import pytest

from millstream_dataflow.functions import AggregateFunction
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import Time
from millstream_dataflow.windows import (
    CountEvictor,
    CountTrigger,
    DeltaEvictor,
    EventTimeSessionWindows,
    Evictor,
    GlobalWindows,
    SlidingEventTimeWindows,
    TimeEvictor,
    TimestampedValue,
    TumblingEventTimeWindows,
    Window,
)
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.windows import Windows, joined

TENS = TumblingEventTimeWindows.of(10)
LATE: OutputTag[Any] = OutputTag("late")


def whole(_key: object, _context: object, elements: Iterable[Any]) -> list[str]:
    return ["".join(str(value) for _, value in elements)]


class Texts(AggregateFunction[tuple[str, str], str, str]):
    def create_accumulator(self) -> str:
        return ""

    def add(self, value: tuple[str, str], accumulator: str) -> str:
        return accumulator + value[1]

    def get_result(self, accumulator: str) -> str:
        return f"<{accumulator}>"

    def merge(self, acc_a: str, acc_b: str) -> str:
        return acc_a + acc_b


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"process": whole}, ["vw", "wx"]),
        ({"reduce": joined}, [("a", "vw"), ("a", "wx")]),
        ({"aggregate": Texts()}, ["<vw>", "<wx>"]),
        ({"reduce": joined, "process": whole}, ["vw", "wx"]),
    ],
    ids=["process", "reduce", "aggregate", "process behind reduce"],
)
def test_the_last_so_many(options: dict[str, Any], expected: list[Any]) -> None:
    windows = Windows(GlobalWindows(), trigger=CountTrigger(1), evictor=CountEvictor.of(2), **options)
    rows = windows.come(*[("a", letter, 1) for letter in "uvwx"])
    assert [row for row, _ in rows][2:] == expected


def test_behind_the_function() -> None:
    windows = Windows(GlobalWindows(), process=whole, trigger=CountTrigger(2), evictor=CountEvictor.of(1, True))
    rows = windows.come(*[("a", letter, 1) for letter in "uvwxyz"])
    assert [row for row, _ in rows] == ["uv", "vwx", "xyz"]


def test_by_time() -> None:
    windows = Windows(GlobalWindows(), process=whole, trigger=CountTrigger(1), evictor=TimeEvictor.of(10))
    rows = windows.come(("a", "u", 5), ("a", "v", 14), ("a", "w", 15), ("a", "x", 6), ("a", "y", 40))
    assert [row for row, _ in rows] == ["u", "uv", "vw", "vwx", "y"]


def test_records_without_times_all_stay() -> None:
    windows = Windows(GlobalWindows(), process=whole, trigger=CountTrigger(1), evictor=TimeEvictor.of(10))
    assert [row for row, _ in windows.untimed(("a", "u"), ("a", "v"))] == ["u", "uv"]


def test_by_distance_from_the_last() -> None:
    evictor = DeltaEvictor.of(10, lambda one, last: last[1] - one[1])
    windows = Windows(GlobalWindows(), process=whole, trigger=CountTrigger(1), evictor=evictor)
    rows = windows.come(*[("a", number, 1) for number in (1, 5, 12, 15)])
    assert [row for row, _ in rows] == ["1", "15", "512", "1215"]


def test_each_window_that_slides_forgets_by_itself() -> None:
    windows = Windows(SlidingEventTimeWindows.of(20, 10), process=whole, evictor=CountEvictor.of(2))
    windows.come(("a", "u", 1), ("a", "v", 2), ("a", "w", 3), ("a", "x", 15))
    assert [row for row, _ in windows.end()] == ["vw", "wx", "x"]


def test_sessions_keep_times_when_they_become_one() -> None:
    windows = Windows(EventTimeSessionWindows.with_gap(10), process=whole, evictor=TimeEvictor.of(12))
    windows.come(("a", "v", 15), ("a", "u", 0), ("a", "w", 8))
    assert [row for row, _ in windows.end()] == ["vw"]


def test_late_records_go_over_what_was_left() -> None:
    windows = Windows(TENS, process=whole, evictor=CountEvictor.of(2), allowed_lateness=9)
    windows.come(("a", "u", 1), ("a", "v", 2), ("a", "w", 3))
    assert [row for row, _ in windows.reach(9)] == ["vw"]
    assert [row for row, _ in windows.come(("a", "x", 4))] == ["wx"]


def of_one(_key: object, _context: object, elements: Iterable[Any]) -> list[Any]:
    return [next(iter(elements))]


def test_no_records_come_to_nothing_by_reduce_or_aggregate() -> None:
    ways: tuple[dict[str, Any], ...] = (
        {"reduce": joined},
        {"reduce": joined, "process": of_one},
        {"aggregate": Texts()},
        {"aggregate": Texts(), "process": of_one},
    )
    for options in ways:
        windows = Windows(TENS, evictor=CountEvictor.of(0), **options)
        windows.come(("a", "u", 1))
        assert windows.end() == []
        assert windows.operator._contents._table.entries == {}


class Named(Evictor[Any, Window]):
    """Takes out records by their letter, and tells what it sees."""

    told: list[Any] = []  # noqa: RUF012  # shared on purpose

    def evict_before(
        self, elements: list[TimestampedValue[Any]], size: int, window: Window, ctx: Evictor.EvictorContext
    ) -> None:
        self.told.append((size, window.max_timestamp(), ctx.get_current_watermark(), ctx.get_current_processing_time()))
        elements[:] = [one for one in elements if one.get_value()[1] != "u"]

    def evict_after(
        self, elements: list[TimestampedValue[Any]], size: int, window: Window, ctx: Evictor.EvictorContext
    ) -> None:
        assert all(one.has_timestamp() and one.get_timestamp() == one.timestamp for one in elements)
        elements.clear()


def test_one_of_a_users_own() -> None:
    Named.told.clear()
    windows = Windows(TENS, process=whole, evictor=Named(), allowed_lateness=9, now=77)
    windows.come(("a", "u", 1), ("a", "v", 2))
    assert [row for row, _ in windows.reach(11)] == ["v"]
    assert windows.operator._contents._table.entries == {}, "all was taken out behind it"
    assert [row for row, _ in windows.come(("a", "w", 4))] == ["w"]
    assert Named.told == [(2, 9, 11, 77), (1, 9, 11, 77)]


def test_an_evictor_that_fails_names_the_window() -> None:
    class Failing(Named):
        def evict_before(
            self, elements: list[TimestampedValue[Any]], size: int, window: Window, ctx: Evictor.EvictorContext
        ) -> None:
            raise ValueError("no")

    windows = Windows(TENS, process=whole, evictor=Failing())
    windows.come(("a", "u", 1))
    with pytest.raises(UserCodeError) as raised:
        windows.end()
    assert raised.value.record == "<TimeWindow(1970-01-01T00:00:00Z, 1970-01-01T00:00:00.010Z) of key 'a'>"


class Adding(Evictor[Any, Any]):
    def __init__(self, *, before: bool) -> None:
        self.before = before

    def evict_before(
        self, elements: list[TimestampedValue[Any]], size: int, window: Window, ctx: Evictor.EvictorContext
    ) -> None:
        if self.before:
            elements.append(odd("x"))

    def evict_after(
        self, elements: list[TimestampedValue[Any]], size: int, window: Window, ctx: Evictor.EvictorContext
    ) -> None:
        elements.append(odd("y"))


@pytest.mark.parametrize(("before", "what"), [(True, "'x'"), (False, "'y'")])
def test_an_evictor_adds_nothing(before: bool, what: str) -> None:
    windows = Windows(TENS, process=whole, evictor=Adding(before=before))
    windows.come(("a", "u", 1))
    with pytest.raises(UserCodeError, match=f"Adding has put {what} among the elements of a window, which are Time"):
        windows.end()


def test_what_is_kept_is_shared_with_nobody() -> None:
    def changing(_key: object, _context: object, elements: Iterable[Any]) -> list[Any]:
        rows = list(elements)
        texts = [row[1] for row in rows]
        for row in rows:
            row[1] = "changed"
        return texts

    windows = Windows(GlobalWindows(), process=changing, trigger=CountTrigger(1), evictor=CountEvictor.of(3))
    rows = windows.come(["a", "u", 1], ["a", "v", 1])
    assert [row for row, _ in rows] == ["u", "u", "v"]


@pytest.mark.parametrize("parallelism", [1, 3])
def test_records_and_times_go_on_behind_a_restore(parallelism: int) -> None:
    windows = Windows(GlobalWindows(), process=whole, trigger=CountTrigger(2), evictor=TimeEvictor.of(10))
    windows.come(("a", "u", 5), ("a", "v", 14), ("a", "w", 16))
    again = windows.restored(parallelism)
    assert [row for row, _ in again.come(("a", "x", 17))] == ["vwx"]


def odd(value: object) -> Any:  # noqa: ANN401  # what no type checker would let through
    return value


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: CountEvictor.of(-1), "CountEvictor needs a number of records, at least 0, but got -1"),
        (lambda: CountEvictor.of(odd("2")), "CountEvictor takes a number of records, but got '2'"),
        (lambda: TimeEvictor.of(-1), "TimeEvictor needs a span of 0 or more, but got -1 ms"),
        (lambda: TimeEvictor(odd(Time.seconds(1))), "TimeEvictor takes its span in milliseconds, but got Time"),
        (lambda: DeltaEvictor.of(1, odd(None)), "DeltaEvictor takes a function of two records"),
    ],
)
def test_refusals(make: Any, sentence: str) -> None:  # noqa: ANN401  # what makes an evictor
    with pytest.raises((TypeError, ValueError), match=sentence):
        make()
