"""Many sorted streams of blocks as one, without a heap of records: what stands at or before the lowest end of the
blocks at hand can have nothing before it that isn't at hand as well.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from millstream_taskmanager.sorting.blocks import Block, last_of, ordered, up_to


@dataclass(slots=True)
class _Cursor:
    """One stream, and what is at hand of it."""

    rest: Iterator[Block]
    block: Block

    def advance(self, count: int) -> bool:
        """So many records are gone; False when nothing is left."""
        if count < len(self.block.values):
            self.block = self.block.part(count, len(self.block.values))
            return True
        following = next(self.rest, None)
        if following is None:
            return False
        self.block = following
        return True


def merged(streams: Iterable[Iterator[Block]]) -> Iterator[Block]:
    """Blocks of all streams in one order. Each stream has one block in memory."""
    cursors = [_Cursor(stream, first) for stream in streams if (first := next(stream, None)) is not None]
    while len(cursors) > 1:
        bound = min(last_of(cursor.block) for cursor in cursors)
        counts = [up_to(cursor.block, bound) for cursor in cursors]
        parts = [cursor.block.part(0, count) for cursor, count in zip(cursors, counts, strict=True) if count]
        yield parts[0] if len(parts) == 1 else ordered(parts)
        taken = zip(cursors, counts, strict=True)
        cursors = [cursor for cursor, count in taken if not count or cursor.advance(count)]
    for cursor in cursors:
        yield cursor.block
        yield from cursor.rest
