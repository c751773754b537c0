"""Where in time records lie: the panes of aligned windows. Tumbling windows are panes themselves."""

from bisect import bisect_left
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from millstream_dataflow.records.batches import Times
from millstream_dataflow.windows import AlignedWindows, TimeWindow
from millstream_taskmanager.state.key_space import StateError

FEW = 32  # times; below, numpy costs more than it saves
_SAMPLE = 64  # times: every so many-th is looked at first
_MANY_KNOWN = 1_024  # panes; most jobs have a few open, and late records may ask for any


@dataclass(slots=True)
class Pane:
    """A span of time whose records belong to the same windows, and its entries in the table. It doesn't hold the
    windows: there may be as many panes as records, and hundreds of windows of each.
    """

    span: TimeWindow
    first: int
    """The last millisecond of the window that ends first; of a gap, its first one."""
    last: int
    """That of the one that ends last."""
    is_gap: bool = False
    """Whether it lies between windows, so that its records belong to none."""
    entries: dict[Hashable, Any] | None = None


class Places:
    """The panes of aligned windows. Those of one period are the same, so they are made once (46 ns a record instead of
    312).
    """

    def __init__(self, assigner: AlignedWindows) -> None:
        self._assigner = assigner
        self._size = assigner.pane
        self._offset = assigner.offset
        self.shared = assigner.size != assigner.distance
        """Whether windows have panes in common, or gaps between them."""
        self._known: dict[int, Pane] = {}
        self._limit = _MANY_KNOWN

    def stretches(self, times: Sequence[int]) -> list[tuple[int, int]]:
        """Places of times that follow one another in one pane: where such a stretch begins, and ends."""
        if len(times) < FEW:
            size, offset = self._size, self._offset
            few = [(time - offset) // size for time in times]
            cuts = [place for place in range(1, len(few)) if few[place] != few[place - 1]]
        elif _is_sorted(times):
            cuts = self._ends(times)
        else:
            periods = self._periods(times)
            cuts = (np.flatnonzero(periods[1:] != periods[:-1]) + 1).tolist()
        return list(pairwise([0, *cuts, len(times)])) if times else []

    def _ends(self, times: Sequence[int]) -> list[int]:
        """Where panes end in times that never fall, the last one left out."""
        size, offset = self._size, self._offset
        cuts: list[int] = []
        place = 0
        while (place := bisect_left(times, times[place] - (times[place] - offset) % size + size, place)) < len(times):
            cuts.append(place)
        return cuts

    def order(self, times: Sequence[int]) -> list[int]:
        """The places of times, by their pane; within one as they are."""
        order: list[int] = np.argsort(self._periods(times), kind="stable").tolist()
        return order

    def _periods(self, times: Sequence[int]) -> Times:
        """The numbers of their panes, by steps that overflow at no time."""
        size = self._size
        offset = self._offset % size
        moments = np.array(times, np.int64)
        periods = moments // size
        return periods - (moments % size < offset) if offset else periods

    def at(self, time: int) -> Pane:
        """The pane of a time."""
        start = time - (time - self._offset) % self._size
        pane = self._known.get(start)
        if pane is None:
            if len(self._known) >= self._limit:
                self._known = {start: known for start, known in self._known.items() if known.entries is not None}
                self._limit = max(_MANY_KNOWN, 2 * len(self._known))
            pane = self._known[start] = self._made(start)
        return pane

    def _made(self, start: int) -> Pane:
        span = TimeWindow(start, start + self._size)
        windows = self.windows_of(span)
        if not windows:
            return Pane(span, start, start, is_gap=True)
        return Pane(span, windows[0].max_timestamp(), windows[-1].max_timestamp())

    def windows_of(self, span: TimeWindow) -> tuple[TimeWindow, ...]:
        """The windows that have a pane, the one that ends first first, none in a gap; a window itself where none are
        shared, whatever their size was when it was stored.
        """
        return self._assigner.windows_at(span.start) if self.shared else (span,)

    def panes_of(self, window: TimeWindow, filled: Collection[TimeWindow]) -> Sequence[TimeWindow]:
        """The panes of a window, in order; those that aren't among the filled ones may be left out."""
        return self._assigner.panes_of(window, filled) if self.shared else (window,)

    def left_by(self, window: TimeWindow, filled: Collection[TimeWindow]) -> Sequence[TimeWindow]:
        """Those of its panes that nobody needs when it is forgotten; see `panes_of`."""
        return self._assigner.panes_left_by(window, filled) if self.shared else (window,)

    def forget(self, span: TimeWindow) -> None:
        """A pane's entries are gone."""
        self._known.pop(span.start, None)

    def forget_all(self) -> None:
        """The entries of all are gone."""
        self._known.clear()


def _is_sorted(times: Sequence[int]) -> bool:
    """Whether times never fall, as they mostly do not within a batch: 20 ns a time, where an array costs 90. Some are
    looked at before all are, since sorting what isn't sorted is dear.
    """
    some = times[::_SAMPLE]
    return sorted(some) == list(some) and sorted(times) == times


def refuse_other_panes(operator: str, assigner: AlignedWindows, spans: Iterable[TimeWindow]) -> None:
    """StateError where restored panes aren't those of the windows that a program has now."""
    for span in spans:
        if span != assigner.pane_at(span.start):
            what = f"{span} of the checkpoint is no pane of {assigner}"
            raise StateError(f"operator {operator}: {what}; slide as before, or give the operator another uid")
