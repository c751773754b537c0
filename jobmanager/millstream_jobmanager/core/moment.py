"""Time as an argument. Nothing in this folder reads a clock."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """When an event happened: `monotonic` for everything that is measured or awaited, `wall` for people and for what is
    stored. Both in milliseconds.
    """

    monotonic: int
    wall: int

    def later(self, milliseconds: int) -> int:
        """The monotonic time that much later."""
        return self.monotonic + milliseconds
