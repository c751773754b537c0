"""A program, record by record: `interpret(program, steps)` gives what arrives at each sink.

A step is one record of one source, a watermark that all sources have reached, or what the clock shows. A record goes
through the whole program before the next step. A watermark reaches operators in the order of the program, each with all
that came of it above: so whoever has two inputs hears of it when both have.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification
from millstream_dataflow.operators.columns import (
    FilterExpressionSpecification,
    MapExpressionSpecification,
    ProjectSpecification,
    SelectSpecification,
)
from millstream_dataflow.operators.specifications import (
    EnumeratorSpecification,
    FilterSpecification,
    FlatMapSpecification,
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    MapBatchesSpecification,
    MapSpecification,
    ProcessSpecification,
    ReaderSpecification,
    SinkSpecification,
    TimestampsSpecification,
)
from millstream_dataflow.operators.two_inputs import (
    CoProcessSpecification,
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
from tests.interpreter.batch import batch_rule
from tests.interpreter.broadcast import KeyedBroadcastRule
from tests.interpreter.columns import (
    FilterExpressionRule,
    MapBatchesRule,
    MapExpressionRule,
    ProjectRule,
    SelectRule,
)
from tests.interpreter.joins import IntervalJoinRule
from tests.interpreter.keyed import ReduceRule, keyed_co_process, keyed_process
from tests.interpreter.rows import AwaitRule, CoProcessRule, FilterRule, FlatMapRule, MapRule, ProcessRule
from tests.interpreter.stream import BEGINNING, END, Record, Rule
from tests.interpreter.times import TimestampsRule
from tests.interpreter.windows import WindowRule

RULES: Mapping[type, Callable[[Any], Rule]] = {
    AsyncWaitSpecification: AwaitRule,
    CoProcessSpecification: CoProcessRule,
    FilterExpressionSpecification: FilterExpressionRule,
    FilterSpecification: FilterRule,
    FlatMapSpecification: FlatMapRule,
    IntervalJoinSpecification: IntervalJoinRule,
    KeyedBroadcastProcessSpecification: KeyedBroadcastRule,
    KeyedCoProcessSpecification: keyed_co_process,
    KeyedProcessSpecification: keyed_process,
    KeyedReduceSpecification: ReduceRule,
    MapBatchesSpecification: MapBatchesRule,
    MapExpressionSpecification: MapExpressionRule,
    MapSpecification: MapRule,
    ProcessSpecification: ProcessRule,
    ProjectSpecification: ProjectRule,
    SelectSpecification: SelectRule,
    TimestampsSpecification: TimestampsRule,
    WindowSpecification: WindowRule,
}


@dataclass(frozen=True)
class Arrival:
    """A record of the source of that name."""

    source: str
    record: Record


@dataclass(frozen=True)
class Clock:
    """What the clock shows, milliseconds. It stands while records are worked on."""

    time: int


Step = Arrival | Clock | int
"""A record, the clock, or a watermark."""
Timed = tuple[Any, int]


def one_split(source: str, records: Iterable[Timed | Clock], delay: int) -> list[Step]:
    """A single split in its order. Behind each record that raised the highest time stands a watermark: one
    millisecond before what may still come (Flink, `forBoundedOutOfOrderness`).
    """
    steps: list[Step] = []
    highest = BEGINNING
    for item in records:
        if isinstance(item, Clock):
            steps.append(item)
            continue
        value, time = item
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


def interpret(program: Program, steps: Iterable[Step], *, batch: bool = False) -> dict[str, list[Any]]:
    """The values that arrive at each sink, by its name, in their order. `batch`: in batch mode, in which no watermark
    counts but the last.
    """
    if batch:
        steps = [step for step in steps if not isinstance(step, int) or step == END]
    return _Interpretation(program, batch=batch).run(steps)


class _Interpretation:
    def __init__(self, program: Program, *, batch: bool) -> None:
        self.operators = program.operators
        self.rules: dict[int, Rule] = {}
        self.consumers: dict[tuple[int, str], list[tuple[OperatorTransformation, int]]] = {}
        self.results: dict[str, list[Any]] = {}
        self.come = {operator.number: BEGINNING for operator in self.operators}
        """The watermark that each operator has heard of."""
        self.told = dict(self.come)
        """And the one that it has told."""
        for operator in self.operators:
            if isinstance(operator.specification, SinkSpecification):
                self.results[operator.name] = []
            elif not isinstance(operator.specification, EnumeratorSpecification | ReaderSpecification):
                rule, specification = RULES[type(operator.specification)], operator.specification
                self.rules[operator.number] = batch_rule(specification, rule) if batch else rule(specification)
            for number, origin in enumerate(operator.inputs):
                for place in _origins(origin):  # nothing is given to those of enumerators: sources are where it begins
                    self.consumers.setdefault(place, []).append((operator, number))

    def run(self, steps: Iterable[Step]) -> dict[str, list[Any]]:
        sources = {one.name: one for one in self.operators if isinstance(one.specification, ReaderSpecification)}
        for step in steps:
            match step:
                case Arrival():
                    self.give(sources[step.source], [step.record])
                case Clock():
                    for operator in self.operators:
                        if operator.number in self.rules:
                            self.give(operator, self.rules[operator.number].clock(step.time))
                case _:
                    self.told |= {source.number: step for source in sources.values()}
                    self.pass_times()
        return self.results

    def pass_times(self) -> None:
        """Let each operator hear of the watermark of all its inputs, where it has risen. It tells of it when it has
        given all that comes of it.
        """
        for operator in self.operators:
            if (rule := self.rules.get(operator.number)) is None:
                continue
            time = min(self.told[number] for origin in operator.inputs for number, _ in _origins(origin))
            if time > self.come[operator.number]:
                self.come[operator.number] = time
                self.give(operator, rule.advance(time))
                self.told[operator.number] = rule.passed_on(time)

    def give(self, operator: OperatorTransformation, records: Iterable[Record]) -> None:
        """Take what an operator gives to whoever takes it. A watermark that it makes of a record comes behind that."""
        for record in records:
            for consumer, number in self.consumers.get((operator.number, record.tag), ()):
                if consumer.number in self.rules:
                    plain = Record(record.value, record.time)
                    self.give(consumer, self.rules[consumer.number].element(number, plain))
                else:
                    self.results[consumer.name].append(record.value)
            if isinstance(operator.specification, TimestampsSpecification):
                self.told[operator.number] = self.rules[operator.number].passed_on(self.come[operator.number])
                self.pass_times()


def _origins(stream: Transformation, tag: str = "") -> Iterator[tuple[int, str]]:
    """The operators, each with the tag of its output, whose records a stream has. How they travel doesn't matter."""
    if isinstance(stream, OperatorTransformation):
        yield stream.number, tag
        return
    for origin in stream.inputs:
        yield from _origins(origin, stream.tag if isinstance(stream, SideOutputTransformation) else tag)
