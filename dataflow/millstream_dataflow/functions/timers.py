"""Timers: calls of `on_timer` at a time to come, one at most per key, time and domain."""

from abc import ABC, abstractmethod
from enum import Enum
from typing import ClassVar, NoReturn

from millstream_dataflow.errors import InvalidProgramError


class TimeDomain(Enum):
    """Which clock a timer goes by."""

    EVENT_TIME = 0
    PROCESSING_TIME = 1


class TimerService(ABC):
    """The times of now, and timers for the current key (Flink, "Process Function"), in milliseconds since the epoch.

    A timer is state: it is in the checkpoints. Registering one again does nothing; deleting one that isn't there too.
    """

    @abstractmethod
    def current_processing_time(self) -> int:
        """The clock of the machine."""

    @abstractmethod
    def current_watermark(self) -> int:
        """The operator's watermark: -2**63 before the first."""

    @abstractmethod
    def register_processing_time_timer(self, timestamp: int) -> None:
        """Call `on_timer` for this key when the clock has reached the time."""

    @abstractmethod
    def register_event_time_timer(self, timestamp: int) -> None:
        """Call `on_timer` for this key when the watermark has reached the time; at the next one if it has already."""

    @abstractmethod
    def delete_processing_time_timer(self, timestamp: int) -> None:
        """Forget this key's timer by the clock at that time."""

    @abstractmethod
    def delete_event_time_timer(self, timestamp: int) -> None:
        """Forget this key's timer by the watermark at that time."""


class NoTimersError(InvalidProgramError, RuntimeError):
    """A timer was asked for where there is nobody whose it could be."""


class NonKeyedTimerService(TimerService):
    """For functions on a stream without keys: it tells the times, as in Flink, and refuses timers by NoTimersError."""

    needed: ClassVar[str] = "KeyedProcessFunction"
    """The class that would have timers."""

    def register_processing_time_timer(self, timestamp: int) -> None:
        """Refused."""
        refuse_timers(self.needed)

    def register_event_time_timer(self, timestamp: int) -> None:
        """Refused."""
        refuse_timers(self.needed)

    def delete_processing_time_timer(self, timestamp: int) -> None:
        """Refused."""
        refuse_timers(self.needed)

    def delete_event_time_timer(self, timestamp: int) -> None:
        """Refused."""
        refuse_timers(self.needed)


def refuse_timers(function: str = "KeyedProcessFunction") -> NoReturn:
    """A timer belongs to a key. `function` is the class that has them."""
    mend = f"call key_by first, and process with a {function}"
    raise NoTimersError(f"timers belong to keys, and this stream has none; {mend}")
