"""Windows of any kind, and what is made of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from millstream.datastream.data_stream import DataStream
from millstream_dataflow.functions import AggregateFunction, ProcessAllWindowFunction, ProcessWindowFunction
from millstream_dataflow.state import ReducingStateDescriptor, ValueStateDescriptor
from millstream_dataflow.windows import (
    ContinuousProcessingTimeTrigger,
    Firing,
    PurgingTrigger,
    SessionWindows,
    SlidingEventTimeWindows,
    SlidingProcessingTimeWindows,
    TimeWindow,
    WindowResult,
)
from tests.interpreter.stages import SIDE, Pair, Stage, added, keyed

HOWS = ["reduce", "aggregate", "whole", "firings", "firings", "told", "told", "remembering"]


@dataclass(frozen=True)
class Windowed(Stage):
    """`how`: sums, in two ways; what depends on all records and on the window; sums that say which of the window's
    results they are, in two ways; how often the window and the key have fired. `of_all`: windows of the whole stream.
    """

    of_keys = True
    assigner: Any
    how: str = "reduce"
    trigger: Any = None
    evictor: Any = None
    lateness: int = 0
    late: bool = False
    of_all: bool = False

    @property
    def overlaps(self) -> bool:
        """Whether several windows of a key may fire at once, in any order."""
        early = self.trigger.nested_trigger if isinstance(self.trigger, PurgingTrigger) else self.trigger
        slides = isinstance(self.assigner, SlidingEventTimeWindows | SlidingProcessingTimeWindows)
        return slides or isinstance(early, ContinuousProcessingTimeTrigger)

    @property
    def has_side(self) -> bool:  # type: ignore[override]  # it depends
        """See Stage."""
        return self.late and self.how != "firings"

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        windows: Any = keyed(stream).window(self.assigner)
        if self.of_all:  # by one subtask, so that they stay in their order
            windows = stream.map(unnamed).set_parallelism(1).window_all(self.assigner)
        if self.trigger is not None:
            windows = windows.trigger(self.trigger)
        if self.evictor is not None:
            windows = windows.evictor(self.evictor)
        if self.lateness:
            windows = windows.allowed_lateness(self.lateness)
        if self.late:
            windows = windows.side_output_late_data(SIDE)
        return self.results(windows)

    def results(self, windows: Any) -> DataStream[Pair]:  # noqa: ANN401  # of keys, or of all
        """What is made of them."""
        given: DataStream[Pair]
        match self.how:
            case "reduce":
                given = windows.reduce(added)
            case "aggregate":
                given = windows.aggregate(Totals())
            case "whole":
                given = windows.process(OfAll(spread) if self.of_all else spread)
            case "firings":
                given = windows.with_firings().reduce(added).map(told)
            case "told":
                given = windows.aggregate(Totals(), OfAll(total_told) if self.of_all else total_told)
            case _:
                of_windows = not isinstance(self.assigner, SessionWindows)
                inner = Remembering(of_windows=of_windows, of_keys=not self.overlaps, of_ends=not self.lateness)
                given = windows.process(OfAll(inner.process, inner.clear) if self.of_all else inner)
        return given


class Totals(AggregateFunction[Pair, list[Any], Pair]):
    """Sum and number of records, in an accumulator that is changed in place."""

    def create_accumulator(self) -> list[Any]:
        return ["", 0, 0]

    def add(self, value: Pair, accumulator: list[Any]) -> list[Any]:
        accumulator[:] = value[0], accumulator[1] + value[1], accumulator[2] + 1
        return accumulator

    def get_result(self, accumulator: list[Any]) -> Pair:
        return accumulator[0], accumulator[1] + 1000 * accumulator[2]

    def merge(self, acc_a: list[Any], acc_b: list[Any]) -> list[Any]:
        acc_a[:] = acc_a[0] or acc_b[0], acc_a[1] + acc_b[1], acc_a[2] + acc_b[2]
        return acc_a


def unnamed(pair: Pair) -> Pair:
    return "all", pair[1]


def spread(key: str, context: Any, elements: Iterable[Pair]) -> Iterator[Pair]:  # noqa: ANN401  # as plain users write it
    numbers = sorted(pair[1] for pair in elements)
    window = context.window()
    start = window.start if isinstance(window, TimeWindow) else 0
    yield key, numbers[0] + 10 * numbers[-1] + 100 * len(numbers) + start


def total_told(key: str, context: Any, elements: Iterable[Pair]) -> Iterator[Pair]:  # noqa: ANN401  # as above
    """The one total, with what the context says of the firing."""
    [total] = elements
    which = list(Firing).index(context.firing())
    yield key, total[1] + 100_000 * context.firing_number() + 10_000_000 * which


class OfAll(ProcessAllWindowFunction[Pair, Pair, Any]):
    """A function of a key's windows for those of all records."""

    def __init__(self, process: Any, clear: Any = None) -> None:  # noqa: ANN401  # calls of a user's function
        self.calls = process, clear

    def process(self, context: Any, elements: Iterable[Pair]) -> Iterator[Pair]:  # noqa: ANN401  # as above
        given: Iterator[Pair] = self.calls[0]("all", context, elements)
        return given

    def clear(self, context: Any) -> None:  # noqa: ANN401  # as above
        if self.calls[1] is not None:
            self.calls[1](context)


def told(result: WindowResult[str, Any, Pair]) -> Pair:
    return result.value[0], result.value[1] + 1000 * result.number + 100_000 * list(Firing).index(result.firing)


class Remembering(ProcessWindowFunction[Pair, Pair, str, Any]):
    """Counts its calls for each window, and for each key; `of_ends`: windows forgotten included. With allowed lateness
    one may end when another fires, in any order.
    """

    def __init__(self, *, of_windows: bool, of_keys: bool, of_ends: bool) -> None:
        self.of_windows, self.of_keys, self.of_ends = of_windows, of_keys, of_keys and of_ends

    def process(
        self, key: str, context: ProcessWindowFunction.Context[Any], elements: Iterable[Pair]
    ) -> Iterator[Pair]:
        result = sum(pair[1] for pair in elements)
        if self.of_windows:
            fired = context.window_state().get_state(ValueStateDescriptor("fired", int))
            fired.update((fired.value() or 0) + 1)
            result += 1000 * (fired.value() or 0)
        if self.of_keys:
            calls = context.global_state().get_reducing_state(ReducingStateDescriptor("calls", max_plus_one, int))
            calls.add(0)
            result += 100_000 * (calls.get() or 0)
        yield key, result

    def clear(self, context: ProcessWindowFunction.Context[Any]) -> None:
        if self.of_windows:
            context.window_state().get_state(ValueStateDescriptor("fired", int)).clear()
        if self.of_ends:
            context.global_state().get_reducing_state(ReducingStateDescriptor("calls", max_plus_one, int)).add(0)


def max_plus_one(one: int, other: int) -> int:
    return max(one, other) + 1
