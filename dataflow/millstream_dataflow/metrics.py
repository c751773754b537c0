"""Metrics of a user's own: numbers that a function keeps and people see (Flink, "Metrics"; PyFlink's names).

They travel with the counters of their task, once a second, and are shown by `millstream info` for each operator. They
begin anew when the task is started again, and are no state.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

MOST_METRICS = 100
"""Of one operator in one subtask: names are for kinds of things, not for each thing."""


class Metric(ABC):  # noqa: B024  # PyFlink's base, which has nothing in common but its name
    """Base of all."""


class Counter(Metric):
    """A number that goes up and down."""

    @abstractmethod
    def inc(self, n: int = 1) -> None:
        """Add so many."""

    @abstractmethod
    def dec(self, n: int = 1) -> None:
        """Take so many away."""

    @abstractmethod
    def get_count(self) -> int:
        """What it has come to."""


class Meter(Metric):
    """How many events there were, and how many a second."""

    @abstractmethod
    def mark_event(self, value: int = 1) -> None:
        """So many have happened."""

    @abstractmethod
    def get_rate(self) -> float:
        """Events a second, over the span that the meter was asked for with."""

    @abstractmethod
    def get_count(self) -> int:
        """How many in all."""


class Distribution(Metric):
    """Count, sum, least and greatest of many values."""

    @abstractmethod
    def update(self, value: int) -> None:
        """One more value."""


class MetricGroup(ABC):
    """Where metrics are asked for. Who asks for one again gets the same; one name for two kinds, and more than
    `MOST_METRICS`, is an InvalidProgramError.
    """

    @abstractmethod
    def add_group(self, name: str, extra: str | None = None) -> "MetricGroup":
        """A group within this one: its metrics are called `name.metric`. With `extra` a group within that, as PyFlink
        takes a key and its value.
        """

    @abstractmethod
    def counter(self, name: str) -> Counter:
        """A counter."""

    @abstractmethod
    def gauge(self, name: str, obj: Callable[[], float]) -> None:
        """A number that `obj` is asked for when it is shown, once a second. What it raises, or gives that is no number,
        isn't shown.
        """

    @abstractmethod
    def meter(self, name: str, time_span_in_seconds: int = 60) -> Meter:
        """A meter, whose rate is that of the last so many seconds."""

    @abstractmethod
    def distribution(self, name: str) -> Distribution:
        """A distribution."""
