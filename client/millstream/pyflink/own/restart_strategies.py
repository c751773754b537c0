"""PyFlink's `RestartStrategies`: the keys `restart-strategy.*` as objects, for `env.set_restart_strategy`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from millstream.datastream.described_settings import RestartStrategyConfiguration
from millstream.datastream.settings import duration
from millstream_dataflow.time import Span

__all__ = ["RestartStrategies", "RestartStrategyConfiguration"]


class RestartStrategies:
    """Makes them: `RestartStrategies.fixed_delay_restart(3, 10_000)`. Spans are milliseconds, or a timedelta."""

    @dataclass(frozen=True)
    class NoRestartStrategyConfiguration(RestartStrategyConfiguration):
        """A failure fails the job."""

        def as_settings(self) -> Mapping[str, object]:
            """See DescribedSettings."""
            return {"restart-strategy.type": "none"}

        def get_description(self) -> str:
            """In a few words."""
            return "no restarts"

    @dataclass(frozen=True)
    class FixedDelayRestartStrategyConfiguration(RestartStrategyConfiguration):
        """So many restarts, each after the same time."""

        restart_attempts: int
        delay_between_attempts_interval: Span

        def get_restart_attempts(self) -> int:
            """How many restarts there are before the job fails."""
            return self.restart_attempts

        def get_delay_between_attempts_interval(self) -> timedelta:
            """How long each is waited for."""
            return duration(self.delay_between_attempts_interval)

        def as_settings(self) -> Mapping[str, object]:
            """See DescribedSettings."""
            return {
                "restart-strategy.type": "fixed-delay",
                "restart-strategy.fixed-delay.attempts": self.restart_attempts,
                "restart-strategy.fixed-delay.delay": self.get_delay_between_attempts_interval(),
            }

        def get_description(self) -> str:
            """In a few words."""
            return f"{self.restart_attempts} restarts, each after {self.get_delay_between_attempts_interval()}"

    @dataclass(frozen=True)
    class FailureRateRestartStrategyConfiguration(RestartStrategyConfiguration):
        """Restarts as long as there aren't too many failures in a span of time."""

        max_failure_rate: int
        failure_interval: Span
        delay_between_attempts_interval: Span

        def get_max_failure_rate(self) -> int:
            """How many failures within the interval are answered with a restart."""
            return self.max_failure_rate

        def get_failure_interval(self) -> timedelta:
            """The span in which failures are counted."""
            return duration(self.failure_interval)

        def get_delay_between_attempts_interval(self) -> timedelta:
            """How long each restart is waited for."""
            return duration(self.delay_between_attempts_interval)

        def as_settings(self) -> Mapping[str, object]:
            """See DescribedSettings."""
            return {
                "restart-strategy.type": "failure-rate",
                "restart-strategy.failure-rate.max-failures-per-interval": self.max_failure_rate,
                "restart-strategy.failure-rate.failure-rate-interval": self.get_failure_interval(),
                "restart-strategy.failure-rate.delay": self.get_delay_between_attempts_interval(),
            }

        def get_description(self) -> str:
            """In a few words."""
            times = f"{self.max_failure_rate} in {self.get_failure_interval()}"
            return f"restarts while there are at most {times}, each after {self.get_delay_between_attempts_interval()}"

    @dataclass(frozen=True)
    class FallbackRestartStrategyConfiguration(RestartStrategyConfiguration):
        """As if the program had said nothing: exponential delays for a job with checkpoints, else no restart."""

        def as_settings(self) -> Mapping[str, object]:
            """See DescribedSettings."""
            return {"restart-strategy.type": "default"}

        def get_description(self) -> str:
            """In a few words."""
            return "exponential delays for a job with checkpoints, else no restarts"

    @staticmethod
    def no_restart() -> NoRestartStrategyConfiguration:
        """A failure fails the job."""
        return RestartStrategies.NoRestartStrategyConfiguration()

    @staticmethod
    def fall_back_restart() -> FallbackRestartStrategyConfiguration:
        """As if the program had said nothing."""
        return RestartStrategies.FallbackRestartStrategyConfiguration()

    @staticmethod
    def fixed_delay_restart(
        restart_attempts: int, delay_between_attempts: Span
    ) -> FixedDelayRestartStrategyConfiguration:
        """So many restarts, each after the same time."""
        return RestartStrategies.FixedDelayRestartStrategyConfiguration(restart_attempts, delay_between_attempts)

    @staticmethod
    def failure_rate_restart(
        failure_rate: int, failure_interval: Span, delay_interval: Span
    ) -> FailureRateRestartStrategyConfiguration:
        """Restarts as long as no more than so many failures fall into the interval."""
        return RestartStrategies.FailureRateRestartStrategyConfiguration(failure_rate, failure_interval, delay_interval)
