"""Windows of any kind: assigner, trigger, evictor, lateness, and what is made of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from millstream.datastream.data_stream import DataStream
from millstream_dataflow.functions import AggregateFunction, ProcessWindowFunction
from millstream_dataflow.state import ReducingStateDescriptor, ValueStateDescriptor
from millstream_dataflow.windows import (
    ContinuousEventTimeTrigger,
    CountEvictor,
    CountSlidingWindowAssigner,
    CountTrigger,
    CountTumblingWindowAssigner,
    DeltaEvictor,
    DeltaTrigger,
    EventTimeSessionWindows,
    EventTimeTrigger,
    Firing,
    GlobalWindows,
    PurgingTrigger,
    SessionWindows,
    SlidingEventTimeWindows,
    TimeEvictor,
    TimeWindow,
    TumblingEventTimeWindows,
    WindowResult,
)
from tests.interpreter.stages import SIDE, Pair, Stage, added, keyed

HOWS = ["reduce", "aggregate", "whole", "firings", "remembering"]
Total = tuple[str, int, int]


@dataclass(frozen=True)
class Windowed(Stage):
    """`how`: sums, in two ways; what depends on all records and on the window; sums that say which of the window's
    results they are; how often the window and the key have fired.
    """

    assigner: Any
    how: str = "reduce"
    trigger: Any = None
    evictor: Any = None
    lateness: int = 0
    late: bool = False

    @property
    def overlaps(self) -> bool:
        """Whether several windows of a key may fire at once, in any order."""
        return isinstance(self.assigner, SlidingEventTimeWindows)

    @property
    def timeless(self) -> bool:
        """Whether the windows, and so their results, are of the end of all time."""
        return not self.assigner.is_event_time()

    @property
    def has_side(self) -> bool:
        return self.late and self.how != "firings"

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        windows: Any = keyed(stream).window(self.assigner)
        if self.trigger is not None:
            windows = windows.trigger(self.trigger)
        if self.evictor is not None:
            windows = windows.evictor(self.evictor)
        if self.lateness:
            windows = windows.allowed_lateness(self.lateness)
        if self.late:
            windows = windows.side_output_late_data(SIDE)
        given: DataStream[Pair]
        match self.how:
            case "reduce":
                given = windows.reduce(added)
            case "aggregate":
                given = windows.aggregate(Totals())
            case "whole":
                given = windows.process(spread)
            case "firings":
                given = windows.with_firings().reduce(added).map(told)
            case _:
                of_windows = not isinstance(self.assigner, SessionWindows)
                given = windows.process(Remembering(of_windows=of_windows, of_keys=not self.overlaps))
        return given


class Totals(AggregateFunction[Pair, Total, Pair]):
    """Sum and number of records."""

    def create_accumulator(self) -> Total:
        return "", 0, 0

    def add(self, value: Pair, accumulator: Total) -> Total:
        return value[0], accumulator[1] + value[1], accumulator[2] + 1

    def get_result(self, accumulator: Total) -> Pair:
        return accumulator[0], accumulator[1] + 1000 * accumulator[2]

    def merge(self, acc_a: Total, acc_b: Total) -> Total:
        return acc_a[0] or acc_b[0], acc_a[1] + acc_b[1], acc_a[2] + acc_b[2]


def spread(key: str, context: Any, elements: Iterable[Pair]) -> Iterator[Pair]:  # noqa: ANN401  # as plain users write it
    numbers = sorted(pair[1] for pair in elements)
    window = context.window()
    start = window.start if isinstance(window, TimeWindow) else 0
    yield key, numbers[0] + 10 * numbers[-1] + 100 * len(numbers) + start


def told(result: WindowResult[str, Any, Pair]) -> Pair:
    return result.key, result.value[1] + 1000 * result.number + 100_000 * list(Firing).index(result.firing)


class Remembering(ProcessWindowFunction[Pair, Pair, str, Any]):
    """Counts its calls for each window, and for each key, windows forgotten included."""

    def __init__(self, *, of_windows: bool, of_keys: bool) -> None:
        self.of_windows, self.of_keys = of_windows, of_keys

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
        if self.of_keys:
            context.global_state().get_reducing_state(ReducingStateDescriptor("calls", max_plus_one, int)).add(0)


def max_plus_one(one: int, other: int) -> int:
    return max(one, other) + 1


def distance(one: Pair, other: Pair) -> float:
    return abs(one[1] - other[1])


def gap_of(pair: Pair) -> int:
    return pair[1] + 1


# ---------------------------------------------------------------------------------------------------- strategies

SIZES = st.integers(1, 20)
TUMBLING = st.tuples(SIZES, st.integers(0, 19)).map(lambda two: TumblingEventTimeWindows(two[0], two[1] % two[0]))
SLIDING = st.tuples(SIZES, SIZES, st.integers(0, 19)).map(
    lambda three: SlidingEventTimeWindows(three[0], three[1], three[2] % three[1])
)
SESSIONS = st.integers(1, 12).map(EventTimeSessionWindows) | st.just(EventTimeSessionWindows.with_dynamic_gap(gap_of))
COUNTS = st.builds(CountTumblingWindowAssigner, st.integers(1, 4)) | st.builds(
    CountSlidingWindowAssigner, st.integers(1, 4), st.integers(1, 4)
)
BY_COUNT = st.integers(1, 3).map(CountTrigger)
BY_DELTA = st.integers(0, 5).map(lambda threshold: DeltaTrigger(threshold, distance))
BY_TIME = st.just(EventTimeTrigger()) | st.integers(1, 9).map(ContinuousEventTimeTrigger)
EVICTORS = st.one_of(
    st.builds(CountEvictor, st.integers(1, 3), st.booleans()),
    st.builds(TimeEvictor, st.integers(1, 15), st.booleans()),
    st.integers(1, 5).flatmap(lambda threshold: st.booleans().map(lambda b: DeltaEvictor(threshold, distance, b))),
)


def maybe_purging(triggers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return triggers | triggers.map(PurgingTrigger)


@st.composite
def any_windows(draw: st.DrawFn, *, last: bool) -> Windowed:
    """Windows of one split. `last`: no other operator of keys follows, so those may come whose results have no order or
    no time.
    """
    families = ["tumbling", "sessions", *(("sliding", "count", "global") if last else ())]
    family = draw(st.sampled_from(families))
    by_merging, by_any = maybe_purging(BY_COUNT | BY_TIME), maybe_purging(BY_COUNT | BY_TIME | BY_DELTA)
    assigner: Any
    how, evictor = draw(st.sampled_from(HOWS)), draw(st.none() | EVICTORS)
    match family:
        case "count":  # each window fires once, so its evictor and trigger are its own
            return Windowed(draw(COUNTS), how)
        case "global":
            return Windowed(GlobalWindows(), how, draw(maybe_purging(BY_COUNT | BY_DELTA)), evictor)
        case "sessions":
            assigner, triggers = draw(SESSIONS), by_merging
        case "sliding":
            assigner, triggers = draw(SLIDING), by_any
        case _:
            assigner, triggers = draw(TUMBLING), by_any
    lateness = draw(st.sampled_from([0, 0, 10, 30]))
    return Windowed(assigner, how, draw(st.none() | triggers), evictor, lateness, draw(st.booleans()))


@st.composite
def windows_on_time(draw: st.DrawFn) -> Windowed:
    """Windows whose results no order of arrival can change: they fire once, when all is there."""
    return Windowed(draw(TUMBLING | SLIDING), draw(st.sampled_from(HOWS[:-1])))
