"""Which windows random pipelines have: assigners, triggers, evictors, lateness."""

from typing import Any

from hypothesis import strategies as st

from millstream_dataflow.windows import (
    ContinuousEventTimeTrigger,
    ContinuousProcessingTimeTrigger,
    CountEvictor,
    CountSlidingWindowAssigner,
    CountTrigger,
    CountTumblingWindowAssigner,
    DeltaEvictor,
    DeltaTrigger,
    EventTimeSessionWindows,
    EventTimeTrigger,
    GlobalWindows,
    ProcessingTimeSessionWindows,
    PurgingTrigger,
    SessionWindows,
    SlidingEventTimeWindows,
    SlidingProcessingTimeWindows,
    TimeEvictor,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
)
from tests.interpreter.inputs import PHASE, RARELY
from tests.interpreter.own_triggers import Bursts, Heaping
from tests.interpreter.stages import Pair
from tests.interpreter.window_stages import HOWS, Windowed


def distance(one: Pair, other: Pair) -> float:
    return abs(one[1] - other[1])


def gap_of(pair: Pair) -> int:
    return pair[1] + 1


def phases_of(pair: Pair) -> int:
    return (1 + pair[1] % 2) * PHASE + PHASE // 2


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


OWN = st.builds(Heaping, st.integers(1, 12), st.integers(0, 9))
OWN_WITHOUT_MERGING = st.integers(0, 9).map(Bursts)


def maybe_purging(triggers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return triggers | triggers.map(PurgingTrigger)


MERGING = maybe_purging(st.one_of(BY_COUNT, BY_TIME, OWN))
TRIGGERS = maybe_purging(st.one_of(BY_COUNT, BY_TIME, BY_DELTA, OWN)) | OWN_WITHOUT_MERGING
TIMELESS = maybe_purging(st.one_of(BY_COUNT, BY_DELTA, OWN)) | OWN_WITHOUT_MERGING
BY_CLOCK = st.one_of(
    st.just(TumblingProcessingTimeWindows(PHASE)),
    st.just(SlidingProcessingTimeWindows(2 * PHASE, PHASE)),
    st.just(ProcessingTimeSessionWindows(PHASE * 3 // 2)),
    st.just(ProcessingTimeSessionWindows.with_dynamic_gap(phases_of)),
)
EARLY_BY_CLOCK = st.just(ContinuousProcessingTimeTrigger(PHASE))


@st.composite
def any_windows(draw: st.DrawFn, *, last: bool, of_all: bool) -> Windowed:
    """Windows of one split. `last`: no other operator of keys follows, so those may come whose results have no order or
    no time.
    """
    families = ["tumbling", "sessions", *(("sliding", "count", "global") if last else ())]
    family = draw(st.sampled_from(families))
    how = draw(st.sampled_from(HOWS))
    evictor = draw(EVICTORS) if draw(RARELY) else None
    assigner: Any
    match family:
        case "count":  # each window fires once, so its evictor and trigger are its own
            return Windowed(draw(COUNTS), how, of_all=of_all)
        case "global":
            return Windowed(GlobalWindows(), how, draw(TIMELESS), evictor, of_all=of_all)
        case "sessions":
            assigner, triggers = draw(SESSIONS), MERGING
        case "sliding":
            assigner, triggers = draw(SLIDING), TRIGGERS
        case _:
            assigner, triggers = draw(TUMBLING), TRIGGERS
    trigger = draw(triggers) if draw(st.booleans()) else None
    lateness = draw(st.sampled_from([0, 10, 30]))
    return Windowed(assigner, how, trigger, evictor, lateness, draw(st.booleans()), of_all)


@st.composite
def windows_by_the_clock(draw: st.DrawFn, *, of_all: bool) -> Windowed:
    """Windows that the clock completes, or of which it gives early results; they come last, for their results have the
    clock's times. Where sessions begin isn't known to the millisecond.
    """
    if draw(RARELY):
        early = draw(EARLY_BY_CLOCK | EARLY_BY_CLOCK.map(PurgingTrigger))
        return Windowed(draw(TUMBLING | SESSIONS), draw(st.sampled_from(HOWS)), early, of_all=of_all)
    assigner = draw(BY_CLOCK)
    hows = [how for how in HOWS if how != "whole"] if isinstance(assigner, SessionWindows) else HOWS
    triggers = st.none() | maybe_purging(BY_COUNT)
    return Windowed(assigner, draw(st.sampled_from(hows)), draw(triggers), of_all=of_all)


@st.composite
def windows_on_time(draw: st.DrawFn) -> Windowed:
    """Windows whose results no order of arrival can change: they fire once, when all is there."""
    how = draw(st.sampled_from([how for how in HOWS if how != "remembering"]))
    return Windowed(draw(TUMBLING | SLIDING), how, of_all=draw(RARELY))


@st.composite
def sessions_on_time(draw: st.DrawFn) -> Windowed:
    """Sessions of records with even times: with an odd gap, none of which still comes when a session has fired touches
    that.
    """
    gaps = [EventTimeSessionWindows(gap) for gap in (1, 3, 7, 11)]
    assigner: Any = draw(st.sampled_from([*gaps, EventTimeSessionWindows.with_dynamic_gap(odd_gap_of)]))
    how = draw(st.sampled_from([how for how in HOWS if how != "remembering"]))
    return Windowed(assigner, how, of_all=draw(RARELY))


def odd_gap_of(pair: Pair) -> int:
    return 2 * pair[1] + 1
