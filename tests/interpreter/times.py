"""Times and watermarks of a stream's own (Flink, "Generating Watermarks")."""

from collections.abc import Iterable
from dataclasses import replace

from millstream_dataflow.operators.specifications import TimestampsSpecification
from millstream_dataflow.time.timestamps import resolve_assigner
from tests.interpreter.stream import BEGINNING, END, Record, Rule


class TimestampsRule(Rule):
    """Records get the times of the assigner, and the generator is asked at each. The watermarks of the input are
    dropped, but for the end.
    """

    def __init__(self, specification: TimestampsSpecification) -> None:
        strategy = specification.strategy
        self.assign = None if strategy.timestamp_assigner is None else resolve_assigner(strategy.timestamp_assigner)
        self.generator = strategy.generator()
        self.time = BEGINNING

    def element(self, number: int, record: Record) -> Iterable[Record]:
        time = record.time if self.assign is None else self.assign(record.value, record.time)
        watermark = self.generator.on_event(record.value, time)
        self.time = max(self.time, BEGINNING if watermark is None else watermark)
        return [replace(record, time=time)]

    def passed_on(self, time: int) -> int:
        return END if time == END else self.time
