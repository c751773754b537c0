"""Objects that stand for settings, as PyFlink has them: a restart strategy, a state backend, a checkpoint storage. The
ones to choose from are in `millstream.pyflink.own`; here is what the setters that take them accept.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping


class DescribedSettings(ABC):
    """Keys and values under the name of what they describe."""

    @abstractmethod
    def as_settings(self) -> Mapping[str, object]:
        """The keys that it sets, with values as text or as the option holds them."""


class RestartStrategyConfiguration(DescribedSettings):
    """What follows a failure. `RestartStrategies` makes them."""

    @abstractmethod
    def get_description(self) -> str:
        """In a few words."""


class StateBackend(DescribedSettings):
    """Where keyed state lies while a job runs."""


class CheckpointStorage(DescribedSettings):
    """Where checkpoints lie."""
