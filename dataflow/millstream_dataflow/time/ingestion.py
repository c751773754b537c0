"""Ingestion time: the clock of whoever reads a record says when it happened (Flink's `IngestionTimeAssigner`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.time.generators import Cut, WatermarkGenerator

if TYPE_CHECKING:
    from millstream_dataflow.records.batches import Times
    from millstream_dataflow.time.output import WatermarkOutput


class IngestionTime(WatermarkGenerator[Any]):
    """Gives each batch the time of the clock, and a watermark one millisecond below it: more records may be read within
    the same. The watermark follows the clock whether records come or not, so no split is ever waited for.

    A clock that is set back, or is another machine's after a restart, doesn't turn time back: it stands until the clock
    has caught up.
    """

    reads_values = False

    def __init__(self) -> None:
        self._last = MIN_TIME

    def at(self, now: int) -> int:
        """The clock says so; what time it is here."""
        self._last = max(self._last, now)
        return self._last

    def on_batch(self, values: Sequence[Any], timestamps: Sequence[int] | Times) -> Sequence[Cut]:
        """Nothing: the times were given by `at`."""
        return ()

    def on_periodic_emit(self, output: WatermarkOutput) -> int | None:
        """One below the clock, once that was looked at."""
        return None if self._last == MIN_TIME else self._last - 1

    def snapshot(self) -> int:
        """The time last given: those given after a restore are not below it."""
        return self._last

    def restore(self, state: int) -> None:
        """Go on from there."""
        self._last = max(self._last, state)
