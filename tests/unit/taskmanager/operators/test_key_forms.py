"""Keys that aren't their own identity keep the user's form for as long as anything is kept of them (law 11)."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pytest

from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.functions import KeyedProcessFunction, ProcessWindowFunction, RuntimeContext
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    KeySelection,
    WindowSpecification,
)
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.state import ValueState, ValueStateDescriptor
from millstream_dataflow.types import Row
from millstream_dataflow.windows import TumblingEventTimeWindows
from millstream_taskmanager.operators.keyed import KeyedOperator
from millstream_taskmanager.operators.keyed_process import KeyedProcessOperator
from millstream_taskmanager.operators.keyed_reduce import KeyedReduceOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.operators.window import WindowOperator
from tests.support.tasks import Drawing, ListSource, OperatorBench, VirtualJob

MANY = 1_500  # more than are looked through for the first time
KEY = KeySelection(lambda record: record[0])


@dataclass(frozen=True)
class Point:
    """A key."""

    x: int


class Name(NamedTuple):
    """A key that is easily taken for a tuple."""

    text: str
    number: int


def row(number: int) -> Row:
    """A key with names, which are no part of its identity."""
    return Row(number=number)


def moment(number: int) -> datetime:
    """A key with a zone, which is no part of its identity."""
    return datetime(2013, 1, 1, tzinfo=UTC) + timedelta(seconds=number)


def name(number: int) -> Name:
    """A name."""
    return Name("n", number)


FORMS: list[Callable[[int], Any]] = [Point, name, row, moment, np.int16]


def taken(operator: KeyedOperator) -> RestoredState:
    """A snapshot, as whoever is restored from it reads it."""
    snapshot = operator.keyed_snapshot()
    assert snapshot is not None
    while not snapshot.done:
        snapshot.encode_some()
    return RestoredState((), snapshot.runs, restored=True)


def keys_in(state: RestoredState, table: str) -> list[Any]:
    """The keys of one table, as they are stored."""
    return [key for run in state.runs if run.table == table for key in pickle.loads(run.data)[0]]


def opened(operator: KeyedOperator, state: RestoredState | None = None) -> KeyedOperator:
    """Opened, restored."""
    operator.open(OperatorBench().context(state))
    return operator


def given(operator: KeyedOperator, keys: Iterable[Any], value: object = 1, size: int = 1_000) -> list[Any]:
    """What comes of a record of each key, in batches."""
    records = [(key, value) for key in keys]
    parts = [
        RowBatch(records[at : at + size], [0] * len(records[at : at + size])) for at in range(0, len(records), size)
    ]
    return [one for part in parts for out in operator.process(0, part) for one in out.values]  # type: ignore[union-attr]  # no events


def advanced(operator: KeyedOperator, time: int) -> list[Any]:
    """What comes of a watermark."""
    return [one for out in operator.advance(Watermark(time)) for one in out.values]  # type: ignore[union-attr]  # as above


class Keeping(KeyedProcessFunction[Any, Any, Any]):
    """Keeps a value and a timer of each key; `lazily` asks for its state no sooner than it needs it."""

    def __init__(self, *, state: bool = True, timers: bool = True, lazily: bool = False) -> None:
        self.keeps = state
        self.timers = timers
        self.lazily = lazily

    def open(self, runtime_context: RuntimeContext) -> None:
        self.context = runtime_context
        if not self.lazily:
            self.state()

    def state(self) -> ValueState[Any]:
        return self.context.get_state(ValueStateDescriptor("kept"))

    def process_element(self, value: tuple[Any, Any], ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        if self.timers:
            ctx.timer_service().register_event_time_timer(10)
        if self.keeps:
            self.state().update(value[1])
        yield from ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        if self.keeps:
            self.state().update(2)
        yield ctx.get_current_key()


def itself(value: object) -> object:
    return value


def keeping(**kinds: bool) -> KeyedProcessOperator:
    return KeyedProcessOperator(KeyedProcessSpecification(Keeping(**kinds), KEY))


def alike(found: Iterable[Any], form: Callable[[int], Any]) -> bool:
    """Whether these are all the keys, each in its form."""
    found = list(found)
    expected = [form(number) for number in range(MANY)]
    return {type(key) for key in found} == {type(expected[0])} and sorted(map(repr, found)) == sorted(
        map(repr, expected)
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_restore_knows_all_keys(form: Callable[[int], Any]) -> None:
    first = opened(keeping(state=False))
    given(first, map(form, range(MANY)))
    second = opened(keeping(state=False), taken(first))
    assert alike(keys_in(taken(second), "event-timers"), form)
    assert alike(advanced(second, 10), form)


@pytest.mark.parametrize(("state", "timers"), [(True, False), (False, True)], ids=["state", "timers"])
def test_state_alone_or_timers_alone(*, state: bool, timers: bool) -> None:
    first = opened(keeping(state=state, timers=timers))
    given(first, map(name, range(MANY)))
    second = opened(keeping(state=state, timers=timers), taken(first))
    opened_again = opened(keeping(state=state, timers=timers), taken(second))
    # Keys that leave nothing behind come and go meanwhile.
    opened_again.backend.forms.add(list(map(Point, range(2 * MANY))), [("p", x) for x in range(2 * MANY)])
    given(opened_again, map(name, range(10)))
    assert alike(keys_in(taken(opened_again), "value:kept" if state else "event-timers"), name)
    assert alike(advanced(opened_again, 10), name) is timers


def test_the_running_reduction() -> None:
    first = opened(KeyedReduceOperator(KeyedReduceSpecification(lambda one, _: one, KEY)))
    given(first, map(name, range(MANY)))
    second = opened(KeyedReduceOperator(KeyedReduceSpecification(lambda one, _: one, KEY)), taken(first))
    assert alike(keys_in(taken(second), "reduced"), name)


class KeysOfWindows(ProcessWindowFunction[Any, Any, Any, Any]):
    """Gives the keys, and keeps something of each window, asked for when it is needed."""

    def process(
        self, key: object, context: ProcessWindowFunction.Context[Any], elements: Iterable[Any]
    ) -> Iterator[Any]:
        for state, word in ((context.window_state(), "once"), (context.global_state(), "ever")):
            kept: ValueState[Any] = state.get_state(ValueStateDescriptor(word))
            kept.update(1)
        yield key


def test_windows() -> None:
    def operator() -> WindowOperator:
        windows = TumblingEventTimeWindows(100)
        return WindowOperator(WindowSpecification(KEY, windows, process=KeysOfWindows(), allowed_lateness=1_000))

    first = opened(operator())
    given(first, map(name, range(MANY)))
    second = opened(operator(), taken(first))
    assert alike(advanced(second, 99), name)
    third = opened(operator(), taken(second))  # nobody has asked for the states of the windows yet
    assert alike(given(third, map(name, range(MANY)), size=MANY), name)
    for table in ("windows-listed", "value:ever", "window-value:once"):
        assert alike(keys_in(taken(third), table), name)


def test_state_that_is_asked_for_in_the_midst_of_a_batch() -> None:
    """What was restored of it may be of many keys; those of the batch have no state yet."""
    first = opened(keeping(timers=False))
    given(first, map(Point, range(MANY)))
    second = opened(keeping(timers=False, lazily=True), taken(first))
    given(second, map(name, range(MANY)), size=MANY)
    keys = keys_in(taken(second), "value:kept")
    assert alike([key for key in keys if not isinstance(key, Point)], name)
    assert alike([key for key in keys if isinstance(key, Point)], Point)


def test_state_that_is_asked_for_when_a_timer_fires() -> None:
    """A key whose timer fires has nothing else, perhaps."""
    with_state, with_timers = opened(keeping(timers=False)), opened(keeping(state=False))
    given(with_state, map(Point, range(MANY)))
    given(with_timers, map(name, range(MANY)))
    both = RestoredState((), (*taken(with_state).runs, *taken(with_timers).runs), restored=True)
    operator = opened(keeping(lazily=True), both)
    assert alike(advanced(operator, 10), name)
    keys = keys_in(taken(operator), "value:kept")
    assert alike([key for key in keys if isinstance(key, Name)], name)


def test_what_a_snapshot_has_still_to_store() -> None:
    """The table has forgotten its keys, the snapshot under way hasn't."""
    operator = opened(keeping(timers=False))
    given(operator, map(name, range(MANY)), value=[1])
    snapshot = operator.keyed_snapshot()
    assert snapshot is not None
    given(operator, map(name, range(MANY)), value=None)
    given(operator, map(Point, range(4 * MANY)), value=None)
    assert len(operator.backend.forms) < 4 * MANY, "some were looked for"
    while not snapshot.done:
        snapshot.encode_some()
    assert alike(keys_in(RestoredState((), snapshot.runs), "value:kept"), name)


class Spoiling(KeyedProcessFunction[Any, Row, Any]):
    """Changes the record, which is its own key."""

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        ctx.timer_service().register_event_time_timer(10)
        value["number"] = -1
        yield from ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        yield ctx.get_current_key()


def test_a_record_that_is_its_own_key_may_be_changed() -> None:
    operator = opened(KeyedProcessOperator(KeyedProcessSpecification(Spoiling(), KeySelection(itself))))
    list(operator.process(0, RowBatch([row(7)], [0])))
    assert keys_in(taken(operator), "event-timers") == [row(7)]
    assert advanced(operator, 10) == [row(7)]


def test_a_job_that_is_restored_twice() -> None:
    records = tuple(((name(number), 1), number) for number in range(MANY))

    def drawing(boundedness: Boundedness) -> Drawing:
        job = Drawing()
        source = job.source("source", ListSource((records,), timed=True, batch=500, boundedness=boundedness))
        keyed = job.vertex("keyed", KeyedProcessSpecification(Keeping(state=False), KEY), parallelism=2)
        job.edge(source, keyed, Partitioning.HASH, key=KEY.selector)
        job.edge(keyed, job.collect("out", parallelism=2))
        return job

    running = VirtualJob(drawing(Boundedness.CONTINUOUS_UNBOUNDED))
    running.settle()
    for boundedness in (Boundedness.CONTINUOUS_UNBOUNDED, Boundedness.BOUNDED):
        running.trigger(1)
        running.settle()
        running = VirtualJob(drawing(boundedness), restored=running.restored_from(1))
        running.settle()
    running.finish()
    assert alike(running.collected("out"), name)
