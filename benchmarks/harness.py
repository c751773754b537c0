"""Rounds in turn, medians, and the line that is printed."""

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

ROUNDS = 5


class WrongResultError(Exception):
    """One side computed something else than it should have: its time means nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One side of one round: seconds from the first record read to the last result, and what the processes used."""

    records: int
    seconds: float
    rss_mb: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """The line that is printed. Rates are records a second; `ratio` is above 1 where we are faster."""

    benchmark: str
    records: int
    rate: float
    yardstick: str
    yardstick_rate: float
    ratio: float
    rss_mb: float
    cpu_s: float
    unit: str = "records/s"
    """Of both rates; where it is a time, less is better."""

    def as_json(self) -> str:
        """One line for programs."""
        return json.dumps({name: _rounded(value) for name, value in asdict(self).items()})

    def as_text(self) -> str:
        """Lines for people."""
        return (
            f"{self.benchmark}: {_shown(self.rate)} {self.unit}, yardstick {_shown(self.yardstick_rate)} "
            f"({self.yardstick}), ratio {self.ratio:.2f}\n"
            f"  {self.records:,} records, {self.rss_mb:,.0f} MB, {self.cpu_s:.2f} s of processor time"
        )


def compare(
    name: str, yardstick: str, ours: Callable[[], Measured], theirs: Callable[[], Measured], rounds: int = ROUNDS
) -> Report:
    """Medians over rounds in which each side has its turn; the first round of each warms up and doesn't count."""
    ours()
    theirs()
    pairs = [(theirs(), ours()) for _ in range(rounds)]
    rate = _median([mine.records / mine.seconds for _, mine in pairs])
    other = _median([yard.records / yard.seconds for yard, _ in pairs])
    last = pairs[-1][1]
    return Report(
        name,
        last.records,
        rate,
        yardstick,
        other,
        rate / other,
        _median([mine.rss_mb for _, mine in pairs]),
        _median([mine.cpu_s for _, mine in pairs]),
    )


def check(what: str, found: object, expected: object) -> None:
    """WrongResultError unless both are equal."""
    if found != expected:
        raise WrongResultError(f"{what}: {found}, expected {expected}")


def show(report: Report, *, as_json: bool) -> None:
    """To standard output."""
    sys.stdout.write(f"{report.as_json() if as_json else report.as_text()}\n")


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def _rounded(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value
