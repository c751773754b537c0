"""What batch mode means (Flink, "Execution Mode (Batch/Streaming)"): each operator of keys gets its records in the
order of their times when all are there, and then the end of event time; and results are final.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from millstream_dataflow.operators.specifications import KeyedReduceSpecification, TimestampsSpecification
from millstream_dataflow.operators.two_inputs import KeyedBroadcastProcessSpecification
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.windows import ContinuousEventTimeTrigger, GlobalWindows
from tests.interpreter.keyed import ReduceRule
from tests.interpreter.stream import BEGINNING, END, Record, Rule
from tests.interpreter.times import TimestampsRule


class GroupedRule(Rule):
    """Records wait for the end. Those of an input without keys, which is broadcast, come before."""

    def __init__(self, inner: Rule, *, broadcast: bool) -> None:
        self.inner = inner
        self.broadcast = broadcast
        self.waiting: list[tuple[int, Record]] = []

    def element(self, number: int, record: Record) -> Iterable[Record]:
        if self.broadcast and number == 1:
            return self.inner.element(number, record)
        self.waiting.append((number, record))
        return ()

    def advance(self, time: int) -> Iterator[Record]:
        if time == END:
            for number, record in sorted(self.waiting, key=lambda one: one[1].time):
                yield from self.inner.element(number, record)
            yield from self.inner.advance(END)


class FinalReduceRule(ReduceRule):
    """One record a key, with the time of its last."""

    def __init__(self, specification: KeyedReduceSpecification) -> None:
        super().__init__(specification)
        self.last: dict[Any, Record] = {}

    def element(self, number: int, record: Record) -> Iterable[Record]:
        [self.last[self.key(record.value)]] = super().element(number, record)
        return ()

    def advance(self, time: int) -> Iterable[Record]:
        return self.last.values()


class TimesAloneRule(TimestampsRule):
    """Times, and the watermark of the end."""

    def passed_on(self, time: int) -> int:
        return END if time == END else BEGINNING


def batch_rule(specification: Any, rule: Any) -> Rule:  # noqa: ANN401  # a specification and what makes its rule
    """The rule of an operator in batch mode."""
    match specification:
        case TimestampsSpecification():
            return TimesAloneRule(specification)
        case KeyedReduceSpecification():
            inner: Rule = FinalReduceRule(specification)
        case WindowSpecification(trigger=ContinuousEventTimeTrigger(), evictor=None, assigner=assigner):
            # The last result alone, where a window has one: that of its end.
            inner = rule(specification if isinstance(assigner, GlobalWindows) else replace(specification, trigger=None))
        case _:
            inner = rule(specification)
    if not hasattr(specification, "key") and not hasattr(specification, "keys"):
        return inner
    return GroupedRule(inner, broadcast=isinstance(specification, KeyedBroadcastProcessSpecification))
