"""Restart strategies: what follows a failure. Flink's four, as functions of what is stored about the region.

They are asked once per failure of a region, with the wall times of its former failures that still count; so a new
leader goes on counting where its predecessor stopped. The first restart after a stable run has no delay (law 3.6);
Flink waits its initial backoff.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from millstream_dataflow.words import counted
from millstream_jobmanager.core.settings import RestartKind, RestartSettings

Chance = Callable[[], float]
"""Uniform in [0, 1): an argument, so that a simulation can replay it."""


@dataclass(frozen=True, slots=True)
class History:
    """What counts against a region: wall times of failures, and the last delay that was given, both in milliseconds."""

    failures: tuple[int, ...] = ()
    """The last one alone where nothing counts them: a job may fail every minute for years."""
    delay: int = 0


@dataclass(frozen=True, slots=True)
class Restart:
    """Try again after `delay` milliseconds; `history` is what to store."""

    delay: int
    history: History


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No more tries; the sentence says why."""

    reason: str


def after_failure(settings: RestartSettings, history: History, wall: int, chance: Chance) -> Restart | GiveUp:
    """What the strategy says to one more failure at wall time `wall` (milliseconds)."""
    answer = _STRATEGIES[settings.kind](settings, history, wall, chance)
    if isinstance(answer, Restart) and settings.attempts is None:
        return replace(answer, history=replace(answer.history, failures=answer.history.failures[-1:]))
    return answer


def _none(settings: RestartSettings, history: History, wall: int, chance: Chance) -> Restart | GiveUp:  # noqa: ARG001  # one form for all
    return GiveUp("restart-strategy.type is none")


def _fixed_delay(settings: RestartSettings, history: History, wall: int, chance: Chance) -> Restart | GiveUp:  # noqa: ARG001  # one form for all
    failures = (*history.failures, wall)
    if settings.attempts is not None and len(failures) > settings.attempts:
        return GiveUp(f"fixed-delay has used up its {counted(settings.attempts, 'restart')}")
    return Restart(settings.delay, History(failures, settings.delay))


def _failure_rate(settings: RestartSettings, history: History, wall: int, chance: Chance) -> Restart | GiveUp:  # noqa: ARG001  # one form for all
    recent = tuple(time for time in (*history.failures, wall) if wall - time < settings.interval)
    if settings.attempts is not None and len(recent) > settings.attempts:
        return GiveUp(f"more than {settings.attempts} failures within {settings.interval} ms")
    return Restart(settings.delay, History(recent, settings.delay))


def _exponential_delay(settings: RestartSettings, history: History, wall: int, chance: Chance) -> Restart | GiveUp:
    stable = not history.failures or wall - history.failures[-1] >= settings.stable_after + history.delay
    failures = (wall,) if stable else (*history.failures, wall)
    if settings.attempts is not None and len(failures) > settings.attempts:
        return GiveUp(
            f"{counted(settings.attempts, 'restart')} without a stable run of {settings.stable_after} ms between them"
        )
    if stable:
        return Restart(0, History(failures, 0))
    grown = int(history.delay * settings.multiplier)
    base = min(settings.max_delay, max(settings.delay, grown))
    # The jitter isn't carried on, or the delays would drift.
    jittered = int(base * (1 + settings.jitter * (2 * chance() - 1)))
    return Restart(max(0, jittered), History(failures, base))


_STRATEGIES: dict[RestartKind, Callable[[RestartSettings, History, int, Chance], Restart | GiveUp]] = {
    RestartKind.NONE: _none,
    RestartKind.FIXED_DELAY: _fixed_delay,
    RestartKind.FAILURE_RATE: _failure_rate,
    RestartKind.EXPONENTIAL_DELAY: _exponential_delay,
}
