"""Windows that no time completes: the one of all records, and those of a number of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from millstream_dataflow.state import ValueStateDescriptor
from millstream_dataflow.types import Types
from millstream_dataflow.windows.assigner import WindowAssigner
from millstream_dataflow.windows.triggers.count import CountTrigger
from millstream_dataflow.windows.triggers.never import NeverTrigger
from millstream_dataflow.windows.triggers.purging import PurgingTrigger
from millstream_dataflow.windows.triggers.trigger import Trigger
from millstream_dataflow.windows.window import CountWindow, GlobalWindow

_ONLY: Final = (GlobalWindow(),)
_SEEN: Final = ValueStateDescriptor("records of count windows", Types.LONG())


@dataclass(frozen=True, slots=True)
class GlobalWindows(WindowAssigner[Any, GlobalWindow]):
    """All records of a key in one window, which never ends: a trigger of yours says when it fires."""

    @staticmethod
    def create() -> GlobalWindows:
        """The assigner."""
        return GlobalWindows()

    def assign_windows(
        self, element: object, timestamp: int, context: WindowAssigner.WindowAssignerContext
    ) -> Sequence[GlobalWindow]:
        """The one window."""
        return _ONLY

    def get_default_trigger(self, env: Any = None) -> NeverTrigger:  # noqa: ANN401  # see there
        """Never."""
        return NeverTrigger()

    def is_event_time(self) -> bool:
        """False."""
        return False


class CountWindows(WindowAssigner[Any, CountWindow]):
    """What both have in common: each key counts its records, and a window fires when it is full, and is forgotten.

    As in PyFlink, windows that aren't full give nothing, at the end of the input neither. (Flink in Java fires sliding
    ones at each slide, the first ones with fewer records.)
    """

    __slots__ = ()

    window_size: int

    def _number(self, context: WindowAssigner.WindowAssignerContext) -> int:
        """How many records of the key have come before this one."""
        seen = context.get_runtime_context().get_state(_SEEN)
        number = seen.value() or 0
        seen.update(number + 1)
        return number

    def get_default_trigger(self, env: Any = None) -> Trigger[Any, Any]:  # noqa: ANN401  # see there
        """When a window is full."""
        return PurgingTrigger(CountTrigger(self.window_size))

    def is_event_time(self) -> bool:
        """False."""
        return False


@dataclass(frozen=True, slots=True)
class CountTumblingWindowAssigner(CountWindows):
    """Windows of so many records of a key, one after another."""

    window_size: int
    """Records."""

    def __post_init__(self) -> None:
        """Refuse what is no number of records."""
        _check("size", self.window_size)

    @staticmethod
    def of(window_size: int) -> CountTumblingWindowAssigner:
        """Windows of so many records."""
        return CountTumblingWindowAssigner(window_size)

    def assign_windows(
        self, element: object, timestamp: int, context: WindowAssigner.WindowAssignerContext
    ) -> Sequence[CountWindow]:
        """The window that isn't full."""
        return (CountWindow(self._number(context) // self.window_size),)


@dataclass(frozen=True, slots=True)
class CountSlidingWindowAssigner(CountWindows):
    """Windows of so many records of a key, one at every so many-th."""

    window_size: int
    """Records."""
    window_slide: int
    """Records from the first of one window to the first of the next."""

    def __post_init__(self) -> None:
        """Refuse what are no numbers of records."""
        _check("size", self.window_size)
        _check("slide", self.window_slide)

    @staticmethod
    def of(window_size: int, window_slide: int) -> CountSlidingWindowAssigner:
        """Windows of so many records, one at every so many-th."""
        return CountSlidingWindowAssigner(window_size, window_slide)

    def assign_windows(
        self, element: object, timestamp: int, context: WindowAssigner.WindowAssignerContext
    ) -> Sequence[CountWindow]:
        """The windows that have begun and aren't full."""
        number = self._number(context)
        first = max(0, (number - self.window_size) // self.window_slide + 1)
        return [CountWindow(window) for window in range(first, number // self.window_slide + 1)]


def _check(what: str, number: int) -> None:
    if not isinstance(cast("object", number), int) or isinstance(number, bool):
        raise TypeError(f"count windows take their {what} as a number of records, but got {number!r}")
    if number <= 0:
        raise ValueError(f"count windows need a {what} above 0, but got {number}")
