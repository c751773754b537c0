"""Watermark alignment: no source of a group runs ahead of the slowest by more than the drift (Flink, "Watermark
alignment"). Without it whoever reads fast fills what waits for the slow one: windows, joins, memory.

    each source, every update     says how far it has come
    the leader                    takes the lowest of the group, and tells each how far it may read: lowest + drift
    a reader                      stops reading splits whose watermark is beyond that

What was said is old when it is used, but watermarks only rise. So a watermark is never above the group's lowest by more
than the drift, but for the batch with which it gets there. A source that is idle, or at its end, doesn't count. While
one has no watermark yet, or isn't there (it is being started again), nobody is told anything, and all stand at what was
told last; a source that was told nothing yet reads up to its first watermark.

Nobody tells anything either where the leader is away, and sources must not stand for ever. So after `PATIENCE` updates
without a word the limit rises with the clock, a millisecond in a millisecond: a source of today's events goes on as it
did, one that catches up with last year's creeps. The first word of a new leader counts again, also if it is lower.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME

PATIENCE: Final = 10
"""Updates without a word until the limit rises by itself: a leader is replaced in less, at a second each."""


@dataclass(frozen=True, slots=True)
class WatermarkAlignment:
    """What a source has in common with others. Times are milliseconds."""

    group: str
    """All sources of the job that name it."""
    max_drift: int
    """How far this source may be ahead of the group's lowest watermark."""
    update_interval: int = 1_000
    """How often it says where it is, and is told how far it may read."""

    def limit(self, lowest: int) -> int:
        """How far this source may read while the group's lowest watermark is that."""
        return min(lowest + self.max_drift, MAX_TIME)


def lowest_of(watermarks: Iterable[int | None]) -> int | None:
    """The lowest watermark of those members of a group that count, `MAX_TIME` when there is none. None: it isn't known,
    since it isn't known of each of them; None and `MIN_TIME` stand for such a member.
    """
    lowest = MAX_TIME
    for watermark in watermarks:
        if watermark is None or watermark == MIN_TIME:
            return None
        lowest = min(lowest, watermark)
    return lowest


class ReadingLimit:
    """How far one source may read. `now` is of a clock that nobody sets, in milliseconds.

    Where it rises by itself it does so from what was told last, or, before the first word, from where the source is.
    """

    def __init__(self, alignment: WatermarkAlignment, now: int) -> None:
        self._patience = PATIENCE * alignment.update_interval
        self._told = MIN_TIME
        self._waits_until = now + self._patience
        self._rises_from: tuple[int, int] | None = None
        """Limit and time, since the patience is at its end."""

    def told(self, limit: int, now: int) -> None:
        """The leader's word."""
        self._told = limit
        self._waits_until = now + self._patience
        self._rises_from = None

    def at(self, now: int, lowest: int) -> int:
        """The limit. `lowest`: the lowest watermark of the source's own splits, from where it rises if nothing was ever
        told.
        """
        if now < self._waits_until:
            return self._told
        if self._rises_from is None:
            base = self._told if self._told > MIN_TIME else lowest
            if base == MIN_TIME:
                return base
            self._rises_from = base, now
        limit, since = self._rises_from
        return min(limit + now - since, MAX_TIME)
