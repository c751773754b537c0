"""Interval joins: all pairs with one key whose times are near each other. Whoever is kept is kept for ever."""

from collections.abc import Iterator
from dataclasses import dataclass

from millstream_dataflow.functions import ProcessJoinFunction, resolve_key_selector, resolve_process_join
from millstream_dataflow.operators.two_inputs import IntervalJoinSpecification
from tests.interpreter.stream import BEGINNING, Record, Rule, emitted


@dataclass
class _Around(ProcessJoinFunction.Context):
    left: int
    right: int

    def get_left_timestamp(self) -> int:
        return self.left

    def get_right_timestamp(self) -> int:
        return self.right

    def get_timestamp(self) -> int:
        return max(self.left, self.right)


class IntervalJoinRule(Rule):
    """A record meets all that came before it by the other input; one from before the watermark is late."""

    def __init__(self, specification: IntervalJoinSpecification) -> None:
        self.specification = specification
        self.keys = [resolve_key_selector(key.selector) for key in specification.keys]
        self.function = resolve_process_join(specification.function)
        self.seen: tuple[list[Record], list[Record]] = ([], [])
        self.watermark = BEGINNING

    def element(self, number: int, record: Record) -> Iterator[Record]:
        if record.time < self.watermark:
            tag = self.specification.late[number]
            if tag is not None:
                yield Record(record.value, record.time, tag.tag_id)
            return
        self.seen[number].append(record)
        for other in self.seen[1 - number]:
            left, right = (record, other) if number == 0 else (other, record)
            if self.keys[0](left.value) != self.keys[1](right.value):
                continue
            if self.specification.lower <= right.time - left.time <= self.specification.upper:
                around = _Around(left.time, right.time)
                yield from emitted(self.function(left.value, right.value, around), around.get_timestamp())

    def advance(self, time: int) -> Iterator[Record]:
        self.watermark = time
        return iter(())
