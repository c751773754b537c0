"""Restart strategies (law 3.6), as tables: wall times of failures, and what the strategy answers to each."""

import pytest

from millstream_jobmanager.core.restart import GiveUp, History, Restart, after_failure
from millstream_jobmanager.core.settings import RestartKind, RestartSettings

FIXED = RestartSettings(RestartKind.FIXED_DELAY, attempts=2, delay=50)
RATE = RestartSettings(RestartKind.FAILURE_RATE, attempts=2, delay=10, interval=1_000)
GROWING = RestartSettings(delay=100, max_delay=300, multiplier=2.0, jitter=0.0, stable_after=10_000)
BOUNDED = RestartSettings(attempts=2, delay=100, stable_after=10_000, jitter=0.0)

CASES: list[tuple[str, RestartSettings, list[int], list[int | None]]] = [
    ("none", RestartSettings(RestartKind.NONE), [0], [None]),
    ("fixed-delay counts all", FIXED, [0, 1_000_000, 2_000_000], [50, 50, None]),
    ("fixed-delay without end", RestartSettings(RestartKind.FIXED_DELAY, delay=7), [0, 1, 2, 3], [7, 7, 7, 7]),
    ("failure-rate forgets", RATE, [0, 500, 1_100, 1_200], [10, 10, 10, None]),
    ("failure-rate is exceeded", RATE, [0, 100, 999], [10, 10, None]),
    (
        "the first has no delay, then it grows to the limit",
        GROWING,
        [0, 10, 200, 500, 900],
        [0, 100, 200, 300, 300],
    ),
    ("a stable run begins anew", GROWING, [0, 10, 10_111, 10_200], [0, 100, 0, 100]),
    ("the delay itself isn't a stable run", GROWING, [0, 10, 10_100], [0, 100, 200]),
    ("exponential-delay with attempts", BOUNDED, [0, 10, 20], [0, 100, None]),
    ("attempts count since the last stable run", BOUNDED, [0, 10, 20_000, 20_010], [0, 100, 0, 100]),
]


@pytest.mark.parametrize(("settings", "failures", "delays"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_law_3_6(settings: RestartSettings, failures: list[int], delays: list[int | None]) -> None:
    """Law 3.6: the first restart after a stable run has no delay."""
    history = History()
    answers: list[int | None] = []
    for wall in failures:
        answer = after_failure(settings, history, wall, lambda: 0.5)
        answers.append(answer.delay if isinstance(answer, Restart) else None)
        history = answer.history if isinstance(answer, Restart) else history
    assert answers == delays


def test_jitter_spreads_and_is_not_carried_on() -> None:
    """Law 3.6: Flink's jitter around the backoff."""
    settings = RestartSettings(delay=1_000, jitter=0.1)
    for chance, delay in ((0.0, 900), (0.5, 1_000), (1.0, 1_100)):
        answer = after_failure(settings, History((0,), 0), 10, lambda chance=chance: chance)  # type: ignore[misc]  # a bound value
        assert isinstance(answer, Restart)
        assert (answer.delay, answer.history.delay) == (delay, 1_000)


@pytest.mark.parametrize("kind", [RestartKind.FIXED_DELAY, RestartKind.FAILURE_RATE, RestartKind.EXPONENTIAL_DELAY])
def test_what_nobody_counts_is_not_kept(kind: RestartKind) -> None:
    """It is part of the record, which is written at every checkpoint of a job that may run and fail for years."""
    history = History()
    for number in range(50):
        answer = after_failure(RestartSettings(kind), history, 10 * number, lambda: 0.5)
        assert isinstance(answer, Restart)
        history = answer.history
    assert history.failures == (490,)


def test_giving_up_says_why() -> None:
    """A sentence names the strategy and its limit."""
    answer = after_failure(FIXED, History((0, 1)), 2, lambda: 0.5)
    assert answer == GiveUp("fixed-delay has used up its 2 restarts")
