"""What a watermark generator says by its output, Flink's `WatermarkOutput`."""

from abc import ABC, abstractmethod

from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.time.timestamps import checked_time


class WatermarkOutput(ABC):
    """Given to a generator's `on_event` and `on_periodic_emit`. Valid during the call only."""

    @abstractmethod
    def emit_watermark(self, watermark: int) -> None:
        """No more records with a time at or before this one, in milliseconds. Not above the last one it says nothing,
        but that the split isn't idle any more.
        """

    @abstractmethod
    def mark_idle(self) -> None:
        """The split doesn't hold back the others any more, until it is marked active or a watermark is emitted."""

    @abstractmethod
    def mark_active(self) -> None:
        """The split counts again."""


class HeardOutput(WatermarkOutput):
    """Keeps what was said until it is asked for."""

    def __init__(self) -> None:
        self.idle = False
        """Whether the generator has marked its split as idle."""
        self.call = "a watermark"
        """How an error names what was said."""
        self.emitted = False
        """Whether there is something to take."""
        self._highest = MIN_TIME

    def emit_watermark(self, watermark: int) -> None:
        """See WatermarkOutput. InvalidTypesError or InvalidProgramError for what is no time."""
        self._highest = max(self._highest, checked_time(watermark, f"what {self.call} emits"))
        self.emitted, self.idle = True, False

    def mark_idle(self) -> None:
        """See WatermarkOutput."""
        self.idle = True

    def mark_active(self) -> None:
        """See WatermarkOutput."""
        self.idle = False

    def take(self) -> int | None:
        """The highest watermark since the last call, if there was one."""
        highest, self._highest = self._highest, MIN_TIME
        emitted, self.emitted = self.emitted, False
        return highest if emitted else None
