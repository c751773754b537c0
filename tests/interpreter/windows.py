"""Windows of event time (Flink, "Windows"): a list of records for each key and window, whatever becomes of them.

A window fires when the watermark reaches its last millisecond, again at each record that comes within the allowed
lateness, and is forgotten when the watermark has passed that too. A record for a forgotten window is late.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

from millstream_dataflow.functions import (
    KeyedStateStore,
    ProcessWindowFunction,
    resolve_aggregate,
    resolve_key_selector,
    resolve_process_window,
    resolve_reduce,
)
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.windows import Firing, TimeWindow, TumblingEventTimeWindows
from tests.interpreter.stream import BEGINNING, Record, Rule, emitted


class WindowRule(Rule):
    """See the module."""

    def __init__(self, specification: WindowSpecification) -> None:
        assert isinstance(specification.assigner, TumblingEventTimeWindows), "no other family yet"
        others = (specification.trigger, specification.evictor, specification.with_firings or None)
        assert others == (None, None, None), "no triggers, evictors and firings yet"
        self.specification = specification
        self.assigner = specification.assigner
        self.key = resolve_key_selector(specification.key.selector)
        self.watermark = BEGINNING
        self.open: dict[tuple[TimeWindow, Any], list[Any]] = {}
        function: Any = specification.process
        if hasattr(function, "open"):
            function.open(None)  # what pipelines give asks for no state

    def element(self, number: int, record: Record) -> Iterator[Record]:
        size, offset = self.assigner.size, self.assigner.offset
        [start] = [start for start in range(record.time - size + 1, record.time + 1) if (start - offset) % size == 0]
        window = TimeWindow(start, start + size)
        last = start + size - 1
        if last + self.specification.allowed_lateness <= self.watermark:
            if self.specification.late is not None:
                yield Record(record.value, record.time, self.specification.late.tag_id)
            return
        key = self.key(record.value)
        self.open.setdefault((window, key), []).append(record.value)
        if last <= self.watermark:
            yield from self.fire(window, key)

    def advance(self, time: int) -> Iterator[Record]:
        before, self.watermark = self.watermark, time
        for window, key in sorted(self.open, key=lambda place: place[0].end):
            if before < window.end - 1 <= time:
                yield from self.fire(window, key)
        forgotten = time - self.specification.allowed_lateness
        self.open = {place: kept for place, kept in self.open.items() if place[0].end - 1 > forgotten}

    def fire(self, window: TimeWindow, key: Any) -> Iterable[Record]:  # noqa: ANN401  # any key
        """What the window gives; its time is the last that belongs to the window."""
        records, asked = self.open[window, key], self.specification
        if asked.reduce is not None:
            records = [reduce(resolve_reduce(asked.reduce), records)]
        elif asked.aggregate is not None:
            function = resolve_aggregate(asked.aggregate)
            accumulator = function.create_accumulator()
            for value in records:
                accumulator = function.add(value, accumulator)
            records = [function.get_result(accumulator)]
        if asked.process is None:
            return emitted(records, window.end - 1)
        around = _Around(window, self.watermark)
        return emitted(resolve_process_window(asked.process).process(key, around, list(records)), window.end - 1)


@dataclass
class _Around(ProcessWindowFunction.Context[TimeWindow]):
    of: TimeWindow
    watermark: int

    def window(self) -> TimeWindow:
        return self.of

    def current_watermark(self) -> int:
        return self.watermark

    def firing(self) -> Firing:
        raise NotImplementedError("no pipeline has it yet")

    def firing_number(self) -> int:
        raise NotImplementedError("no pipeline has it yet")

    def current_processing_time(self) -> int:
        raise NotImplementedError("the interpreter has no clock")

    def window_state(self) -> KeyedStateStore:
        raise NotImplementedError("no pipeline has it yet")

    def global_state(self) -> KeyedStateStore:
        raise NotImplementedError("no pipeline has it yet")
