"""A program, record by record: `interpret(program, steps)` gives what arrives at each sink.

A step is one record of one source, or a watermark that all sources have reached. A record goes through the whole
program before the next step. A watermark reaches operators in the order of the program, each with all that came of it
above: so whoever has two inputs hears of it when both have.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification
from millstream_dataflow.operators.specifications import (
    EnumeratorSpecification,
    FilterSpecification,
    FlatMapSpecification,
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    MapSpecification,
    ProcessSpecification,
    ReaderSpecification,
    SinkSpecification,
)
from millstream_dataflow.operators.two_inputs import (
    IntervalJoinSpecification,
    KeyedBroadcastProcessSpecification,
    KeyedCoProcessSpecification,
)
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.transformations import (
    OperatorTransformation,
    Program,
    SideOutputTransformation,
    Transformation,
)
from tests.interpreter.broadcast import KeyedBroadcastRule
from tests.interpreter.joins import IntervalJoinRule
from tests.interpreter.keyed import ReduceRule, keyed_co_process, keyed_process
from tests.interpreter.rows import AwaitRule, FilterRule, FlatMapRule, MapRule, ProcessRule
from tests.interpreter.stream import BEGINNING, END, Record, Rule
from tests.interpreter.windows import WindowRule

RULES: Mapping[type, Callable[[Any], Rule]] = {
    AsyncWaitSpecification: AwaitRule,
    FilterSpecification: FilterRule,
    FlatMapSpecification: FlatMapRule,
    IntervalJoinSpecification: IntervalJoinRule,
    KeyedBroadcastProcessSpecification: KeyedBroadcastRule,
    KeyedCoProcessSpecification: keyed_co_process,
    KeyedProcessSpecification: keyed_process,
    KeyedReduceSpecification: ReduceRule,
    MapSpecification: MapRule,
    ProcessSpecification: ProcessRule,
    WindowSpecification: WindowRule,
}


@dataclass(frozen=True)
class Arrival:
    """A record of the source of that name."""

    source: str
    record: Record


Step = Arrival | int
"""A record, or a watermark."""
Timed = tuple[Any, int]


def one_split(source: str, records: Iterable[Timed], delay: int) -> list[Step]:
    """A single split in its order. Behind each record that raised the highest time stands a watermark: one
    millisecond before what may still come (Flink, `forBoundedOutOfOrderness`).
    """
    steps: list[Step] = []
    highest = BEGINNING
    for value, time in records:
        steps.append(Arrival(source, Record(value, time)))
        if time > highest:
            highest = time
            steps.append(time - delay - 1)
    return [*steps, END]


def by_time(sources: Mapping[str, Sequence[Timed]]) -> list[Step]:
    """All records in the order of their times, each watermark as soon as it can be: one of the many orders in which
    nothing is late.
    """
    arrivals = [Arrival(name, Record(value, time)) for name, records in sources.items() for value, time in records]
    steps: list[Step] = []
    for arrival in sorted(arrivals, key=lambda one: one.record.time):
        steps += [arrival.record.time - 1, arrival]
    return [*steps, END]


def interpret(program: Program, steps: Iterable[Step]) -> dict[str, list[Any]]:
    """The values that arrive at each sink, by its name, in their order."""
    return _Interpretation(program).run(steps)


class _Interpretation:
    def __init__(self, program: Program) -> None:
        self.operators = program.operators
        self.rules: dict[int, Rule] = {}
        self.consumers: dict[tuple[int, str], list[tuple[OperatorTransformation, int]]] = {}
        self.results: dict[str, list[Any]] = {}
        for operator in self.operators:
            if isinstance(operator.specification, SinkSpecification):
                self.results[operator.name] = []
            elif not isinstance(operator.specification, EnumeratorSpecification | ReaderSpecification):
                self.rules[operator.number] = RULES[type(operator.specification)](operator.specification)
            for number, origin in enumerate(operator.inputs):
                for place in _origins(origin):  # nothing is given to those of enumerators: sources are where it begins
                    self.consumers.setdefault(place, []).append((operator, number))

    def run(self, steps: Iterable[Step]) -> dict[str, list[Any]]:
        sources = {one.name: one for one in self.operators if isinstance(one.specification, ReaderSpecification)}
        for step in steps:
            if isinstance(step, Arrival):
                self.give(sources[step.source], [step.record])
            else:
                for operator in self.operators:
                    if operator.number in self.rules:
                        self.give(operator, self.rules[operator.number].advance(step))
        return self.results

    def give(self, operator: OperatorTransformation, records: Iterable[Record]) -> None:
        """Take what an operator gives to whoever takes it."""
        for record in records:
            for consumer, number in self.consumers.get((operator.number, record.tag), ()):
                if consumer.number in self.rules:
                    plain = Record(record.value, record.time)
                    self.give(consumer, self.rules[consumer.number].element(number, plain))
                else:
                    self.results[consumer.name].append(record.value)


def _origins(stream: Transformation, tag: str = "") -> Iterator[tuple[int, str]]:
    """The operators, each with the tag of its output, whose records a stream has. How they travel doesn't matter."""
    if isinstance(stream, OperatorTransformation):
        yield stream.number, tag
        return
    for origin in stream.inputs:
        yield from _origins(origin, stream.tag if isinstance(stream, SideOutputTransformation) else tag)
