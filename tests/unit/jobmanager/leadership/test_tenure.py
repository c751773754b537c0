"""A leader decides while its lease runs, by its own clock, whatever it hears and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_jobmanager.leadership.tenure import Hold, Tenure, lease

TIMEOUT = 6_000
LEASE = 4_000


@dataclass(frozen=True)
class Asked:
    """A question, and after how many milliseconds its answer is heard of."""

    answered_after: int


@dataclass(frozen=True)
class Interrupted:
    """The connection is gone."""


@dataclass(frozen=True)
class Slept:
    """Nothing happens, or the process is stopped."""

    milliseconds: int


Step = Asked | Interrupted | Slept
STEPS = st.lists(
    st.one_of(
        st.builds(Asked, st.integers(0, 2 * TIMEOUT)),
        st.builds(Interrupted),
        st.builds(Slept, st.integers(0, 2 * TIMEOUT)),
    )
)


def moments(steps: Sequence[Step]) -> list[tuple[int, int, Step]]:
    """What happens when, as it is heard of: answers may overtake each other. With the time of the question."""
    now = 0
    heard: list[tuple[int, int, Step]] = []
    for step in steps:
        if isinstance(step, Slept):
            now += step.milliseconds
        heard.append((now + (step.answered_after if isinstance(step, Asked) else 0), now, step))
    return sorted(heard, key=lambda moment: moment[0])


@given(STEPS, st.booleans(), st.integers(0, 1_000_000))
def test_it_never_decides_after_its_lease_and_never_again_once_it_is_over(
    steps: Sequence[Step],
    tolerant: bool,  # hypothesis gives it
    begun: int,
) -> None:
    tenure = Tenure(TIMEOUT, begun + LEASE, tolerant)
    may_until, over, interrupted_at = begun + LEASE, False, -inf
    resumed_by = inf
    for now, asked, step in moments(steps):
        if isinstance(step, Asked):
            tenure.answered(begun + asked, begun + now)
            if not over and begun + now < may_until:
                may_until = max(may_until, begun + asked + LEASE)
                resumed_by = asked if asked > interrupted_at else resumed_by
        elif isinstance(step, Interrupted):
            tenure.interrupted(begun + now)
            interrupted_at, resumed_by = now, -inf
        hold = tenure.hold(begun + now)
        over = over or begun + now >= may_until or hold is Hold.OVER
        if over:
            assert hold is Hold.OVER
        else:
            waits = interrupted_at > -inf and not resumed_by > interrupted_at
            assert hold is (Hold.PAUSED if waits and not tolerant else Hold.HOLDS)


@given(st.integers(1_000, 10**9))
def test_a_lease_leaves_room_for_what_zookeeper_has_not_heard(timeout: int) -> None:
    """The question before, and half a tick, where the timeout has three."""
    tenure = Tenure(timeout, 0)
    assert lease(timeout) <= timeout - tenure.renewal_interval - timeout // 3 // 2 + 1
    assert 0 < 3 * tenure.renewal_interval < lease(timeout)


def test_with_questions_at_their_pace_a_lease_is_two_thirds() -> None:
    tenure = Tenure(TIMEOUT, LEASE)
    for asked in range(0, 10 * TIMEOUT, tenure.renewal_interval):
        tenure.answered(asked, asked + 1)
        assert tenure.lease_until == asked + LEASE


def test_behind_a_gap_a_lease_counts_from_before_the_gap() -> None:
    """Nobody but a server that may die now has heard of the last question; the others count from the one before."""
    tenure = Tenure(TIMEOUT, LEASE)
    tenure.answered(0, 1)
    tenure.answered(3_900, 3_901)
    assert tenure.lease_until == TIMEOUT
    tenure.answered(4_900, 4_901)
    assert tenure.lease_until == TIMEOUT
    tenure.answered(5_900, 5_901)
    assert tenure.lease_until == 5_900 + LEASE


def test_a_server_that_grants_less_shortens_what_follows() -> None:
    tenure = Tenure(TIMEOUT, LEASE)
    tenure.granted(3_000)
    tenure.answered(1_000, 1_001)
    tenure.answered(2_000, 2_001)
    assert tenure.lease_until == 2_000 + 2_000
    tenure.granted(TIMEOUT)
    assert tenure.session_timeout == 3_000


def test_a_server_that_grants_less_shortens_the_lease_that_runs() -> None:
    """Its session would end after 4 s of silence, and another one lead while this one held until second 40."""
    tenure = Tenure(60_000, 40_000)
    tenure.answered(1_000, 1_001)
    tenure.answered(2_000, 2_001)
    tenure.granted(4_000)
    assert tenure.lease_until == 2_000 + lease(4_000)
    assert tenure.hold(2_000 + lease(4_000)) is Hold.OVER


def test_the_first_lease_is_shortened_too_before_any_question_was_answered() -> None:
    tenure = Tenure(60_000, 1_000 + 40_000)
    tenure.granted(4_000)
    assert tenure.lease_until == 1_000 + lease(4_000)


@given(st.lists(st.integers(0, TIMEOUT)), st.integers(1_000, TIMEOUT))
def test_no_lease_outlasts_what_is_granted_now(gaps: Sequence[int], granted: int) -> None:
    """Counted from the newest answered question."""
    tenure, asked = Tenure(TIMEOUT, LEASE), 0
    for gap in gaps:
        asked += gap
        tenure.answered(asked, asked)
    tenure.granted(granted)
    assert tenure.lease_until <= asked + lease(granted)


def test_it_is_over_in_the_very_millisecond() -> None:
    tenure = Tenure(TIMEOUT, 1_000)
    assert tenure.hold(999) is Hold.HOLDS
    assert tenure.hold(1_000) is Hold.OVER
    assert tenure.hold(0) is Hold.OVER, "a clock that is set back wakes nobody"
    assert tenure.reason == "ZooKeeper has not answered for 4000 ms"


def test_an_answer_that_comes_when_all_is_over_mends_nothing() -> None:
    tenure = Tenure(TIMEOUT, 1_000)
    tenure.answered(999, 1_000)
    assert tenure.hold(1_001) is Hold.OVER


def test_an_answer_asked_before_an_interruption_extends_the_lease_but_not_the_pause() -> None:
    tenure = Tenure(TIMEOUT, 1_000)
    tenure.interrupted(500)
    tenure.answered(500, 600)
    assert tenure.hold(1_001) is Hold.PAUSED
    tenure.answered(501, 1_002)
    assert tenure.hold(1_003) is Hold.HOLDS


def test_an_older_answer_that_comes_last_shortens_nothing() -> None:
    tenure = Tenure(TIMEOUT, 1_000)
    tenure.answered(900, 950)
    tenure.answered(100, 960)
    assert tenure.lease_until == 900 + LEASE


def test_a_tolerant_leader_does_not_pause_but_its_lease_runs_out() -> None:
    tenure = Tenure(TIMEOUT, 1_000, tolerant=True)
    tenure.interrupted(10)
    assert tenure.hold(999) is Hold.HOLDS
    assert tenure.hold(1_000) is Hold.OVER


@pytest.mark.parametrize("tolerant", [False, True])
def test_the_first_reason_for_its_end_is_kept(tolerant: bool) -> None:  # pytest gives it
    tenure = Tenure(TIMEOUT, 1_000, tolerant)
    tenure.lost("the session has ended")
    tenure.lost("another one leads")
    tenure.answered(1, 2)
    assert tenure.hold(3) is Hold.OVER
    assert tenure.reason == "the session has ended"
