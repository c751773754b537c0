"""What process functions yield, sorted into batches: values for the main output, pairs of a tag and a value for the
side.

A function may keep what it yields, and change it before the batch is full. So what can be changed is copied as it
comes, as if it were serialised there and then.
"""

from collections.abc import Iterator
from typing import Any, cast

from millstream_dataflow.records import RowBatch
from millstream_dataflow.tags import OutputTag
from millstream_taskmanager.operators.base import SLICE, SideBatch
from millstream_taskmanager.user_code.copies import IMMUTABLE, are_immutable, copy_of


class Collector:
    """Batches as they fill. Records of one output keep their order; all carry the time of the record they came of."""

    def __init__(self, *, timed: bool, reuse: bool = False) -> None:
        """`reuse`: nobody changes what was emitted (`pipeline.object-reuse`), so nothing is copied."""
        self._timed = timed
        self._reuse = reuse
        self._main = self._batch()
        self._sides: dict[str, RowBatch] = {}
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether a slice is at hand."""
        return self._count >= SLICE

    def add(self, item: Any, time: int | None) -> None:  # noqa: ANN401  # a record, or a pair of a tag and one
        """Something that a function gave."""
        batch = self._main
        if type(item) is tuple and len(item) == 2 and isinstance(item[0], OutputTag):
            tag, item = cast("tuple[OutputTag[Any], Any]", item)
            batch = self._sides.get(tag.tag_id) or self._sides.setdefault(tag.tag_id, self._batch())
        if type(item) not in IMMUTABLE and not self._reuse:
            item = copy_of(item)
        batch.values.append(item)
        if batch.timestamps is not None and time is not None:
            batch.timestamps.append(time)
        self._count += 1

    def add_immutable(self, items: list[Any], time: int) -> bool:
        """Several at once, all of one time; False, and nothing is done, when they need to be looked at one by one."""
        if not are_immutable(items):  # nor is one a tag, or a pair with one
            return False
        self._main.values += items
        if self._main.timestamps is not None:
            self._main.timestamps += [time] * len(items)
        self._count += len(items)
        return True

    def take(self) -> Iterator[RowBatch | SideBatch]:
        """All batches; the collector is empty then."""
        if not self._count:
            return
        main, sides = self._main, self._sides
        self._main, self._sides, self._count = self._batch(), {}, 0
        if main.values:
            yield main
        for tag, batch in sides.items():
            yield SideBatch(tag, batch)

    def _batch(self) -> RowBatch:
        return RowBatch([], [] if self._timed else None)
