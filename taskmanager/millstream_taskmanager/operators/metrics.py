"""Metrics of the user's functions in one operator. Counting is all that a record costs: rates are found when they are
told, once a second.
"""

import math
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TypeVar, cast

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.metrics import MOST_METRICS, Counter, Distribution, Meter, Metric, MetricGroup
from millstream_dataflow.names import name_problem
from millstream_runtime.messages.session import MetricKind, UserMetric

Clock = Callable[[], int]
MetricT = TypeVar("MetricT", bound="_Told")

_SAMPLES_APART = 1_000  # ms between two samples of a meter
_MOST = (1 << 63) - 1  # what a message holds


class _Told(Metric):
    """A metric that can be told."""

    @abstractmethod
    def told(self, operator: str, name: str) -> UserMetric | None:
        """As it is now; None: there is nothing to tell."""


class CountingCounter(_Told, Counter):
    """See Counter."""

    def __init__(self) -> None:
        self._count = 0

    def inc(self, n: int = 1) -> None:
        """See Counter."""
        self._count += n

    def dec(self, n: int = 1) -> None:
        """See Counter."""
        self._count -= n

    def get_count(self) -> int:
        """See Counter."""
        return self._count

    def told(self, operator: str, name: str) -> UserMetric:
        """See _Told."""
        return UserMetric(operator, name, MetricKind.COUNTER, _bounded(self._count))


class AskedGauge(_Told):
    """A function that is asked."""

    def __init__(self, ask: Callable[[], float]) -> None:
        self.ask = ask

    def told(self, operator: str, name: str) -> UserMetric | None:
        """See _Told."""
        try:
            value = float(self.ask())
        except Exception:  # noqa: BLE001  # the user's code, whose metrics end no task
            return None
        return UserMetric(operator, name, MetricKind.GAUGE, value=value) if math.isfinite(value) else None


class SamplingMeter(_Told, Meter):
    """Notes how far it has come whenever it is told."""

    def __init__(self, clock: Clock, span: int) -> None:
        """`span`: milliseconds over which the rate is taken."""
        self._clock = clock
        self._span = span
        self._count = 0
        self._samples = deque([(clock(), 0)])

    def mark_event(self, value: int = 1) -> None:
        """See Meter."""
        self._count += value

    def get_rate(self) -> float:
        """See Meter."""
        now, samples = self._clock(), self._samples
        if now - samples[-1][0] >= _SAMPLES_APART:
            samples.append((now, self._count))
        while len(samples) > 1 and samples[1][0] <= now - self._span:
            samples.popleft()
        since, count = samples[0]
        return (self._count - count) * 1_000 / (now - since) if now > since else 0.0

    def get_count(self) -> int:
        """See Meter."""
        return self._count

    def told(self, operator: str, name: str) -> UserMetric:
        """See _Told."""
        return UserMetric(operator, name, MetricKind.METER, _bounded(self._count), self.get_rate())


class SummingDistribution(_Told, Distribution):
    """See Distribution."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = 0.0
        self._low = math.inf
        self._high = -math.inf

    def update(self, value: int) -> None:
        """See Distribution."""
        self._count += 1
        self._sum += value
        self._low = min(self._low, value)
        self._high = max(self._high, value)

    def told(self, operator: str, name: str) -> UserMetric | None:
        """See _Told."""
        if not self._count:
            return None
        kind = MetricKind.DISTRIBUTION
        return UserMetric(operator, name, kind, self._count, self._sum, float(self._low), float(self._high))


class OperatorMetrics:
    """All of one operator, by name."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._metrics: dict[tuple[str, str], _Told] = {}

    def of(self, operator: str, name: str, kind: type[MetricT], make: Callable[[], MetricT]) -> MetricT:
        """The metric of that name. `operator` is what people call the operator."""
        known = self._metrics.get((operator, name))
        if known is None:
            if len(self._metrics) >= MOST_METRICS:
                what = f"operator {operator}: the metric {name!r} would be one of more than {MOST_METRICS}"
                raise InvalidProgramError(f"{what}; name kinds of things, and leave what they belong to to the records")
            known = self._metrics[operator, name] = make()
        if not isinstance(known, kind):
            both = f"{_kind_of(kind)}, and was a {_kind_of(type(known))} before"
            raise InvalidProgramError(
                f"operator {operator}: the metric {name!r} was asked for as a {both}; name it anew"
            )
        return known

    def told(self) -> tuple[UserMetric, ...]:
        """All as they are now."""
        told = (metric.told(operator, name) for (operator, name), metric in self._metrics.items())
        return tuple(one for one in told if one is not None)


def _kind_of(kind: type[_Told]) -> str:
    names: dict[type[_Told], str] = {CountingCounter: "counter", AskedGauge: "gauge", SamplingMeter: "meter"}
    return names.get(kind, "distribution")


class OperatorMetricGroup(MetricGroup):
    """A group of one operator's."""

    def __init__(self, metrics: OperatorMetrics, operator: str, prefix: str = "") -> None:
        self._metrics = metrics
        self._operator = operator
        self._prefix = prefix

    def add_group(self, name: str, extra: str | None = None) -> MetricGroup:
        """See MetricGroup."""
        group = OperatorMetricGroup(self._metrics, self._operator, f"{self._name(name)}.")
        return group if extra is None else group.add_group(extra)

    def counter(self, name: str) -> Counter:
        """See MetricGroup."""
        return self._metrics.of(self._operator, self._name(name), CountingCounter, CountingCounter)

    def gauge(self, name: str, obj: Callable[[], float]) -> None:
        """See MetricGroup. Who names one again replaces it."""
        if not callable(cast("object", obj)):
            raise InvalidProgramError(f"the gauge {name!r} takes a function without parameters, but got {obj!r:.80}")
        self._metrics.of(self._operator, self._name(name), AskedGauge, lambda: AskedGauge(obj)).ask = obj

    def meter(self, name: str, time_span_in_seconds: int = 60) -> Meter:
        """See MetricGroup."""
        if time_span_in_seconds <= 0:
            raise InvalidProgramError(f"the meter {name!r} takes a span above 0 s, but got {time_span_in_seconds}")
        make = SamplingMeter(self._metrics.clock, time_span_in_seconds * 1_000)
        return self._metrics.of(self._operator, self._name(name), SamplingMeter, lambda: make)

    def distribution(self, name: str) -> Distribution:
        """See MetricGroup."""
        return self._metrics.of(self._operator, self._name(name), SummingDistribution, SummingDistribution)

    def _name(self, name: str) -> str:
        whole = f"{self._prefix}{name}"
        if problem := name_problem(name) or name_problem(whole):
            raise InvalidProgramError(f"operator {self._operator}: a metric and its groups have names, but {problem}")
        return whole


def _bounded(count: int) -> int:
    return max(-_MOST, min(_MOST, count))
