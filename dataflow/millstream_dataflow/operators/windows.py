"""Windows of a stream, with a key or of all records."""

from dataclasses import dataclass
from typing import Any

from millstream_dataflow.operators.base import Function, KeySelection, OperatorSpecification
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.windows import AlignedWindows, Evictor, Trigger, WindowAssigner


@dataclass(frozen=True, slots=True)
class NoKey:
    """The one key of all records, None, where windows are of the whole stream."""

    def __call__(self, record: object) -> None:
        """None."""
        return


@dataclass(frozen=True, slots=True)
class WindowSpecification(OperatorSpecification):
    """Windows of a keyed stream. `reduce` or `aggregate` keep one accumulator per key and window, neither keeps all
    records; `process` sees the window's result (or records) when it fires.
    """

    key: KeySelection
    assigner: WindowAssigner[Any, Any]
    reduce: Function | None = None
    aggregate: Function | None = None
    process: Function | None = None
    allowed_lateness: int = 0
    """Milliseconds for which a fired window is kept."""
    late: OutputTag[Any] | None = None
    trigger: Trigger[Any, Any] | None = None
    """None: the assigner's own."""
    evictor: Evictor[Any, Any] | None = None
    with_firings: bool = False
    """Results of `reduce` and `aggregate` say which of the window's they are (WindowResult)."""

    @property
    def fires_whole(self) -> bool:
        """Whether all keys of a window fire together, at its end: so they need no timers of their own. Sliding windows
        of the clock don't: which of the windows that share a pane had fired isn't known behind a restore.
        """
        assigner = self.assigner
        if not isinstance(assigner, AlignedWindows) or assigner.is_overridden or self.evictor is not None:
            return False
        trigger = assigner.get_default_trigger(None) if self.trigger is None else self.trigger
        if trigger != AlignedWindows.get_default_trigger(assigner):
            return False
        return assigner.is_event_time() or assigner.distance == assigner.size
