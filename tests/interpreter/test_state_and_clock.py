"""The judge of state and of the clock is judged: results written here by hand, from Flink's documentation."""

from tests.interpreter.inputs import PHASE, Pause
from tests.interpreter.keyed_stages import Alarm, Keeping
from tests.interpreter.test_interpreter import given

A_PAUSE = Pause()
DIGITS = 1_000_000_000, 10_000_000, 100_000, 1_000, 1


def result(*parts: int) -> tuple[str, int]:
    """Of `a`: the last even number before, how many there were, how many of the same remainder, the span with this one,
    and the sum before.
    """
    return "a", sum(part * digit for part, digit in zip(parts, DIGITS, strict=True))


def test_state_of_every_kind() -> None:
    """A 4 drops the count of the numbers with its remainder, after which there is none, and the span behind it."""
    records = ((("a", 1), 0), (("b", 8), 0), (("a", 4), 1), (("a", 2), 2))
    assert given(Keeping(), *records) == [
        result(0, 0, 0, 0, 0),
        ("b", 0),
        result(0, 0, 1, 3, 1),
        result(4, 1, 0, 0, 5),
    ]


def test_what_is_written_lives_for_its_time_and_reading_may_renew_it() -> None:
    """The last even number and the list are of phase 0, and were read in phase 1: so they are there in phase 2 only if
    that renews them. The rest was written in phase 1 again. In phase 4 nothing is left.
    """
    items = ((("a", 2), 0), A_PAUSE, (("a", 1), 1), A_PAUSE, (("a", 1), 2), A_PAUSE, A_PAUSE, (("a", 1), 3))
    first, last = [result(0, 0, 0, 0, 0), result(2, 1, 0, 1, 2)], result(0, 0, 0, 0, 0)
    assert given(Keeping(PHASE * 3 // 2), *items) == [*first, result(0, 0, 1, 1, 3), last]
    assert given(Keeping(PHASE * 3 // 2, renews=True), *items) == [*first, result(2, 1, 1, 1, 3), last]


def test_timers_by_the_clock_fire_behind_their_time_unless_they_are_deleted() -> None:
    """Two records of phase 0 have one timer, in phase 1; the one of phase 1 has the next; the nine has none."""
    items = ((("a", 1), 0), (("a", 2), 0), A_PAUSE, (("a", 3), 0), (("b", 1), 0), (("b", 9), 0), A_PAUSE, A_PAUSE)
    assert given(Alarm(PHASE, PHASE * 3 // 2), *items) == [("a", 2), ("a", 1)]


def test_timers_by_the_clock_say_nothing_at_the_end_of_input() -> None:
    assert given(Alarm(PHASE, PHASE * 3 // 2), (("a", 1), 0)) == []
