"""Sessions: windows that grow together, in and out of order, late, behind a restore at another parallelism."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import AggregateFunction, ProcessWindowFunction
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.state import ValueStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.windows import (
    EventTimeSessionWindows,
    Firing,
    ProcessingTimeSessionWindows,
    SessionWindowTimeGapExtractor,
    TimeWindow,
)
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.windows import Windows, joined, summed

GAP = EventTimeSessionWindows.with_gap(10)
LATE: OutputTag[Any] = OutputTag("late")


class Texts(AggregateFunction[tuple[str, str], list[str], str]):
    """Shows the order, in an accumulator that is changed in place."""

    def create_accumulator(self) -> list[str]:
        return []

    def add(self, value: tuple[str, str], accumulator: list[str]) -> list[str]:
        accumulator.append(value[1])
        return accumulator

    def get_result(self, accumulator: list[str]) -> str:
        return "".join(accumulator)

    def merge(self, acc_a: list[str], acc_b: list[str]) -> list[str]:
        acc_a += acc_b
        return acc_a


def whole(key: object, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Any]) -> Iterator[Any]:
    window = context.window()
    yield key, (window.start, window.end), [value for _, value in elements]


def test_a_session_ends_when_nothing_has_come_for_the_gap() -> None:
    windows = Windows(GAP, reduce=joined)
    assert windows.come(("a", "u", 1), ("a", "v", 8), ("b", "x", 5), ("a", "w", 17)) == []
    assert windows.reach(13) == []
    assert windows.reach(14) == [(("b", "x"), 14)]
    assert windows.come(("a", "y", 40)) == []
    assert windows.reach(26) == [(("a", "uvw"), 26)]
    assert windows.end() == [(("a", "y"), 49)]
    assert len(windows.operator._live) == 0
    assert windows.operator._contents._table.entries == {}
    assert len(windows.operator._triggering.event_time) == 0


def test_a_record_between_two_sessions_makes_them_one() -> None:
    windows = Windows(GAP, process=whole)
    windows.come(("a", "v", 20), ("a", "u", 5))
    windows.come(("a", "x", 12))
    assert windows.end() == [(("a", (5, 30), ["u", "v", "x"]), 29)]


def test_sessions_that_touch_are_one() -> None:
    windows = Windows(GAP, process=whole)
    windows.come(("a", "u", 0), ("a", "v", 10), ("a", "w", 21))
    assert [row for row, _ in windows.end()] == [("a", (0, 20), ["u", "v"]), ("a", (21, 31), ["w"])]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"reduce": joined}, ("a", "uvx")),
        ({"aggregate": Texts()}, "uvx"),
        ({"process": whole}, ("a", (5, 30), ["u", "v", "x"])),
    ],
    ids=["reduce", "aggregate", "process"],
)
def test_what_is_merged_stands_in_the_order_of_the_sessions(options: dict[str, Any], expected: object) -> None:
    windows = Windows(GAP, **options)
    windows.come(("a", "v", 20), ("a", "u", 5), ("a", "x", 12))
    assert windows.end() == [(expected, 29)]


def test_a_late_record_joins_sessions_that_have_fired() -> None:
    windows = Windows(GAP, reduce=joined, allowed_lateness=20, late=LATE)
    windows.come(("a", "u", 0), ("a", "v", 15))
    assert windows.reach(26) == [(("a", "u"), 9), (("a", "v"), 24)]
    assert windows.come(("a", "x", 8)) == [(("a", "uvx"), 24)], "both are one now, which is over, and fires"
    assert windows.come(("a", "y", 20)) == [], "it is open again"
    assert windows.reach(29) == [(("a", "uvxy"), 29)]
    assert windows.come(("a", "z", -1)) == [(("a", "uvxyz"), 29)]
    assert windows.reach(49) == []
    assert windows.come(("a", "w", 19)) == [("late", ("a", "w"), 19)]
    assert windows.operator.late == 1
    assert len(windows.operator._live) == 0


def test_a_late_session_of_its_own_is_late() -> None:
    windows = Windows(GAP, reduce=joined, late=LATE)
    windows.reach(100)
    late = windows.come(("a", "u", 90), ("a", "v", 91), ("a", "w", 92))
    assert late == [("late", ("a", "u"), 90), ("late", ("a", "v"), 91)]
    assert windows.end() == [(("a", "w"), 101)]


def test_a_record_that_is_old_but_keeps_a_session_open_is_not_late() -> None:
    windows = Windows(GAP, reduce=joined, late=LATE)
    windows.come(("a", "u", 95))
    windows.reach(100)
    assert windows.come(("a", "v", 86), ("a", "w", 84), ("b", "x", 84)) == [("late", ("b", "x"), 84)]
    assert windows.end() == [(("a", "uvw"), 104)]


def test_results_say_which_of_the_windows_they_are() -> None:
    windows = Windows(GAP, reduce=summed, allowed_lateness=100, with_firings=True)
    windows.come(("a", 1, 0), ("a", 2, 30))
    first, second = windows.reach(50)
    assert first[0] == ("a", TimeWindow(0, 10), ("a", 1), Firing.ON_TIME, 1)
    assert second[0] == ("a", TimeWindow(30, 40), ("a", 2), Firing.ON_TIME, 1)
    windows.come(("a", 4, 10))
    [(late, time)] = windows.come(("a", 8, 20))
    assert late == ("a", TimeWindow(0, 40), ("a", 15), Firing.LATE, 4), "it goes on from the results of both"
    assert time == 39


class Gaps(SessionWindowTimeGapExtractor[tuple[str, int]]):
    def extract(self, element: tuple[str, int]) -> int:
        return element[1]


@pytest.mark.parametrize("extractor", [Gaps(), lambda element: element[1]], ids=["object", "function"])
def test_records_may_bring_their_gaps(extractor: Any) -> None:  # noqa: ANN401  # of either kind
    windows = Windows(EventTimeSessionWindows.with_dynamic_gap(extractor=extractor), reduce=summed)
    windows.come(("a", 5, 0), ("a", 50, 4), ("a", 1, 30), ("b", 5, 0), ("b", 5, 6))
    assert windows.end() == [(("b", 5), 4), (("b", 5), 10), (("a", 56), 53)]


@pytest.mark.parametrize(("gap", "sentence"), [(0, "above 0, but the extractor gave 0"), ("x", "a span of time")])
def test_a_gap_that_is_none_names_the_record(gap: object, sentence: str) -> None:
    windows = Windows(EventTimeSessionWindows.with_dynamic_gap(lambda record: record[1]), reduce=summed)
    with pytest.raises(UserCodeError, match=sentence) as raised:
        windows.come(("a", gap, 0))
    assert raised.value.record == repr(("a", gap))


def test_sessions_by_the_clock() -> None:
    windows = Windows(ProcessingTimeSessionWindows.with_gap(10), reduce=joined, now=100)
    assert windows.untimed(("a", "u")) == []
    windows.clock(105)
    windows.untimed(("a", "v"), ("b", "x"))
    windows.clock(108)
    windows.untimed(("a", "w"))
    assert windows.clock(114) == []
    assert windows.clock(115) == [(("b", "x"), 114)]
    assert windows.clock(118) == [(("a", "uvw"), 117)]
    assert len(windows.operator._live) == 0


def test_sessions_by_the_clock_go_on_behind_a_restore() -> None:
    windows = Windows(ProcessingTimeSessionWindows.with_gap(10), reduce=joined, now=100)
    windows.untimed(("a", "u"))
    again = windows.restored(now=200)
    assert again.benches[0].due, "it has asked for the clock"
    assert again.clock(200) == [(("a", "u"), 109)]


def test_sessions_have_no_state_of_a_window() -> None:
    def process(_key: object, context: Any, _elements: object) -> list[Any]:  # noqa: ANN401  # around a window of any kind
        return [context.window_state().get_state(ValueStateDescriptor("n")).value()]

    windows = Windows(GAP, process=process)
    windows.come(("a", 1, 0))
    with pytest.raises(UserCodeError, match=r"windows that merge, such as sessions, have no window_state"):
        windows.end()


# ------------------------------------------------------------------------------------- against an obvious merge


class Model:
    """The sessions of one key: spans with what they hold, merged by looking at all of them."""

    def __init__(self, gap: int, lateness: int) -> None:
        self.gap, self.lateness = gap, lateness
        self.time = MIN_TIME
        self.sessions: list[tuple[int, int, str]] = []
        self.results: list[tuple[int, int, str]] = []
        self.late = 0

    def add(self, letter: str, time: int) -> None:
        span = (time, time + self.gap, letter)
        touching = [one for one in self.sessions if one[0] <= span[1] and span[0] <= one[1]]
        if not touching and span[1] - 1 + self.lateness <= self.time:
            self.late += 1
            return
        rest = [one for one in self.sessions if one not in touching]
        whole = (
            min(one[0] for one in [*touching, span]),
            max(one[1] for one in [*touching, span]),
            "".join(one[2] for one in sorted(touching)) + letter,
        )
        self.sessions = [*rest, whole]
        if whole[1] - 1 <= self.time:
            self.results.append(whole)

    def advance(self, time: int) -> None:
        due = sorted((one for one in self.sessions if self.time < one[1] - 1 <= time), key=lambda one: one[1])
        self.results += due
        self.time = max(self.time, time)
        self.sessions = [one for one in self.sessions if one[1] - 1 + self.lateness > self.time]


def whole_text(_key: object, context: Any, elements: Iterable[Any]) -> Iterator[Any]:  # noqa: ANN401  # around a window of any kind
    rows = list(elements)
    window = context.window()
    yield rows[0][0], window.start, window.end, "".join(value for _, value in rows)


Steps = list[tuple[list[tuple[str, int]], int | None, int]]
STEPS: st.SearchStrategy[Steps] = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 60)), max_size=6),
        st.one_of(st.none(), st.integers(0, 70)),
        st.sampled_from([0, 0, 1, 2, 3]),
    ),
    min_size=1,
    max_size=6,
)


@given(STEPS, st.integers(1, 12), st.sampled_from([0, 8, 1_000]), st.sampled_from([0, 9]))
def test_sessions_are_what_an_obvious_merge_makes_of_them(steps: Steps, gap: int, lateness: int, apart: int) -> None:
    """Records come in any order, watermarks between them, and restores at another parallelism. Event time comes so far
    apart from subtask to subtask, and for each key as far as it has (law 7.1).
    """
    windows = Windows(EventTimeSessionWindows.with_gap(gap), process=whole_text, allowed_lateness=lateness)
    models = {key: Model(gap, lateness) for key in "abcd"}
    found: list[Any] = []
    letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    late = 0
    for records, watermark, parallelism in steps:
        named = [(key, next(letters), when) for key, when in records]
        found += windows.come(*named)
        for key, letter, when in named:
            models[key].add(letter, when)
        if watermark is not None:
            times = [watermark + apart * subtask for subtask in range(len(windows.operators))]
            found += windows.reach(*times)
            for key, model in models.items():
                model.advance(times[windows.owner(key)])
        if parallelism:
            late += sum(operator.late for operator in windows.operators)
            windows = windows.restored(parallelism)
    found += windows.end()
    for key, model in models.items():
        model.advance(MAX_TIME)
        assert [(start, end, text) for (one, start, end, text), _ in found if one == key] == model.results, key
    assert late + sum(operator.late for operator in windows.operators) == sum(model.late for model in models.values())
    assert all(end - 1 == when for (_, _, end, _), when in found)
