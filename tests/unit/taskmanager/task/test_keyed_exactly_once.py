"""Laws 4.5, 7.1, 8.1 and 10 with real tasks and keyed state: crash anywhere, go on at any parallelism.

All of the way is real but durability: barriers, shadows encoded in slices between steps, the bytes of data files, the
JobManager's sharing out, what operators read of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import AggregateFunction, KeyedProcessFunction, RuntimeContext
from millstream_dataflow.identity import CheckpointId, OperatorId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    KeySelection,
    SinkSpecification,
    WindowSpecification,
)
from millstream_dataflow.records import SnapshotKind
from millstream_dataflow.state import ListStateDescriptor, ValueStateDescriptor
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.windows import (
    ContinuousEventTimeTrigger,
    EventTimeSessionWindows,
    Firing,
    PurgingTrigger,
    SlidingEventTimeWindows,
    TumblingEventTimeWindows,
)
from millstream_jobmanager.core.checkpoints.audit import operator_totals
from millstream_runtime.messages.snapshots import OperatorCount
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.operators import chain_snapshot
from millstream_taskmanager.task.task import Task
from millstream_taskmanager.user_code.errors import UserCodeError
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.ledgers import LEDGERS, LedgerSink, empty_ledgers
from tests.support.tasks import Drawing, ListSource, VirtualJob

KEYED = KeySelection(lambda record: record[0])
KEYS = "abcdefgh"


@pytest.fixture(scope="module", autouse=True)
def small_slices() -> Iterator[None]:
    """So that a snapshot of a few keys takes many steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain_snapshot, "SLICE_BYTES", 1)
        yield


class Growing(KeyedProcessFunction[str, tuple[str, int], Any]):
    """Keeps what came in a list that it changes in place, and tells it all again when event time has passed."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.kept: Any = runtime_context.get_state(ValueStateDescriptor("kept", list))
        self.all: Any = runtime_context.get_list_state(ListStateDescriptor("all"))

    def process_element(self, value: tuple[str, int], ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        kept = self.kept.value()
        if kept is None:
            self.kept.update([value[1]])
        else:
            kept.append(value[1])
        self.all.add(value[1])
        ctx.timer_service().register_event_time_timer(1_000)
        yield value[0], len(self.kept.value()), len(list(self.all))

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        yield ctx.get_current_key(), "all", tuple(sorted(self.kept.value())), tuple(sorted(self.all))


@dataclass(frozen=True)
class Plan:
    """What happens: so many steps, then this, at that parallelism if it is a crash."""

    events: tuple[tuple[int, str, int], ...]
    first: int
    enumerated: bool
    overtake_after: int | None = None


QUIET = st.tuples(st.integers(0, 15), st.sampled_from(["checkpoint", "checkpoint", "abort"]), st.just(0))
CRASH = st.tuples(st.integers(1, 15), st.just("crash"), st.integers(1, 3))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    lives = draw(st.lists(st.tuples(st.lists(QUIET, max_size=2), CRASH), min_size=1, max_size=2))
    events = tuple(event for quiet, crash in lives for event in (*quiet, crash))
    return Plan(events, draw(st.integers(1, 3)), draw(st.booleans()), draw(st.sampled_from([None, 0, 0, 10])))


RECORDS = [(KEYS[number * 5 % 8], number) for number in range(36)]
SPLITS = tuple(tuple((record, record[1] * 10) for record in RECORDS[start : start + 12]) for start in (0, 12, 24))


def drawn(parallelism: int, *, enumerated: bool) -> Drawing:
    drawing = Drawing()
    strategy = WatermarkStrategy[Any].for_monotonous_timestamps()
    lists = ListSource(SPLITS, timed=True, has_enumerator=enumerated, batch=3)
    source = drawing.source("source", lists, strategy, parallelism=min(parallelism, 2))
    for name, operator in (
        ("grow", KeyedProcessSpecification(Growing(), KEYED)),
        ("window", WindowSpecification(KEYED, TumblingEventTimeWindows.of(100), reduce=summed)),
        ("slide", WindowSpecification(KEYED, SlidingEventTimeWindows.of(100, 50), aggregate=Numbers())),
        ("session", WindowSpecification(KEYED, SESSIONS, aggregate=Numbers(), with_firings=True)),
        ("early", WindowSpecification(KEYED, TumblingEventTimeWindows.of(200), reduce=summed, trigger=EARLY)),
        ("reduce", KeyedReduceSpecification(summed, KEYED)),
    ):
        vertex = drawing.vertex(name, operator, SinkSpecification(LedgerSink(name)), parallelism=parallelism)
        drawing.edge(source, vertex, Partitioning.HASH, key=lambda record: record[0])
    return drawing


SESSIONS = EventTimeSessionWindows.with_dynamic_gap(lambda record: 100 if record[1] % 3 else 10)
EARLY = PurgingTrigger.of(ContinuousEventTimeTrigger.of(70))


class Numbers(AggregateFunction[tuple[str, int], list[Any], tuple[Any, ...]]):
    """All of them, in a list that is changed in place."""

    def create_accumulator(self) -> list[Any]:
        return []

    def add(self, value: tuple[str, int], accumulator: list[Any]) -> list[Any]:
        accumulator.append(value)
        return accumulator

    def get_result(self, accumulator: list[Any]) -> tuple[Any, ...]:
        return tuple(sorted(accumulator))

    def merge(self, acc_a: list[Any], acc_b: list[Any]) -> list[Any]:
        acc_a += acc_b
        return acc_a


def summed(one: tuple[str, int], other: tuple[str, int]) -> tuple[str, int]:
    return one[0], one[1] + other[1]


class World:
    """A job, its last checkpoint, and its crashes."""

    def __init__(self, plan: Plan) -> None:
        empty_ledgers()
        self.plan = plan
        self.settings = TaskSettings(FlushRules(4, 60, 100), 100, 100, overtake_after=plan.overtake_after)
        self.job = VirtualJob(drawn(plan.first, enumerated=plan.enumerated), self.settings)
        self.checkpoint = 0
        self.last: tuple[VirtualJob, int] | None = None
        self.pending = set[int]()
        self.restored: list[int] = []
        """How many records the state had seen with which each life began, but the first."""

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.job.now += 1
            self.job.scheduler.run_timers(self.job.now)
            self.job.scheduler.step()
            if self.job.pool:
                job, then = self.job.pool.popleft()
                job()
                then(None)
            for checkpoint in sorted(self.pending):
                if len(self.job.parts.get(CheckpointId(checkpoint), ())) == len(self.job.tasks):
                    self.pending = {one for one in self.pending if one > checkpoint}
                    self.last = (self.job, checkpoint)
                    self.job.complete(checkpoint)

    def happen(self, what: str, parallelism: int) -> None:
        match what:
            case "crash":
                job, checkpoint = self.completed()
                drawing = drawn(parallelism, enumerated=self.plan.enumerated)
                self.restored.append(totals(job, checkpoint)[OperatorId("grow/0")].received)
                self.job = VirtualJob(drawing, self.settings, job.restored_from(checkpoint, drawing))
                self.pending = set()
            case "abort":
                for checkpoint in self.pending:
                    for task in self.job.tasks.values():
                        task.aborted(CheckpointId(checkpoint))
                self.pending = set()
            case _:
                if self.plan.overtake_after is not None and self.pending:
                    return  # as the coordinator: none while another is under way
                self.checkpoint += 1
                self.pending.add(self.checkpoint)
                self.job.trigger(self.checkpoint)

    def completed(self) -> tuple[VirtualJob, int]:
        """The last checkpoint. A life that has none yet takes one that has seen records: who restores nothing proves
        nothing.
        """
        if self.last is None or self.last[0] is not self.job:
            self.until(lambda: any(task.totals().records_in for name, task in self.named() if name == "grow"))
            self.happen("checkpoint", 0)
            self.until(lambda: self.last is not None and self.last[0] is self.job)
        assert self.last is not None
        return self.last

    def named(self) -> list[tuple[str, Task]]:
        return [(subtask.vertex, task) for subtask, task in self.job.tasks.items()]

    def until(self, done: Callable[[], bool]) -> None:
        for _ in range(1_000):
            if done():
                return
            self.steps(1)
        raise AssertionError("it never comes to that")


def lived(plan: Plan) -> World:
    """A job that has come to its end."""
    world = World(plan)
    for steps, what, parallelism in plan.events:
        world.steps(steps)
        world.happen(what, parallelism)
    world.job.finish(world.checkpoint + 1)
    return world


def test_whatever_happens_state_has_every_record_once() -> None:
    restored: list[int] = []

    @given(plans())
    def live(plan: Plan) -> None:
        world = lived(plan)
        restored.extend(world.restored)
        check_ledgers()
        check_counts(world)

    live()
    assert sum(0 < records < len(RECORDS) for records in restored) >= 5, f"restored in the middle: {restored}"


def check_ledgers() -> None:
    """Each record was counted once, in each kind of state."""
    per_key = {key: [number for one, number in RECORDS if one == key] for key in KEYS}
    grown: list[Any] = [(key, count, count) for key, numbers in per_key.items() for count in range(1, len(numbers) + 1)]
    told = [(key, "all", tuple(numbers), tuple(numbers)) for key, numbers in per_key.items()]
    assert Counter(LEDGERS["grow"]) == Counter(grown + told)
    windows = Counter[tuple[str, int]]()
    for key, number in RECORDS:
        windows[key, number // 10] += number
    assert Counter(LEDGERS["window"]) == Counter((key, total) for (key, _), total in windows.items())
    check_windows_of_other_kinds(per_key)
    assert Counter(key for key, _ in LEDGERS["reduce"]) == {key: len(numbers) for key, numbers in per_key.items()}
    assert {(key, sum(numbers)) for key, numbers in per_key.items()} <= set(LEDGERS["reduce"])


def check_windows_of_other_kinds(per_key: dict[str, list[int]]) -> None:
    """Windows in panes, windows that merge, and those whose results are early: these come to the same sums."""
    slides: list[Any] = []
    sessions: list[Any] = []
    for key, numbers in per_key.items():
        starts = range(-50, 400, 50)
        parts = [tuple((key, one) for one in numbers if start <= one * 10 < start + 100) for start in starts]
        slides += [part for part in parts if part]
        session: list[int] = []
        for one in numbers:
            if session and session[-1] % 3 == 0:
                sessions.append((key, tuple((key, number) for number in session)))
                session = []
            session.append(one)
        sessions.append((key, tuple((key, number) for number in session)))
    assert Counter(LEDGERS["slide"]) == Counter(slides)
    assert Counter((row.key, row.value) for row in LEDGERS["session"]) == Counter(sessions)
    assert {(row.firing, row.number) for row in LEDGERS["session"]} == {(Firing.ON_TIME, 1)}
    early = Counter[str]()
    for key, number in LEDGERS["early"]:
        early[key] += number
    assert early == {key: sum(numbers) for key, numbers in per_key.items()}


def totals(job: VirtualJob, checkpoint: int) -> Mapping[OperatorId, OperatorCount]:
    """What each operator has counted since the job's beginning."""
    return operator_totals(part.audit for part in job.parts[CheckpointId(checkpoint)].values())


def check_counts(world: World) -> None:
    """Laws 10.2 and 10.3: totals since the job's beginning, whatever restarts and rescales there were."""
    counts = totals(world.job, world.checkpoint + 1)
    names = ("grow/0", "window/0", "slide/0", "session/0", "early/0", "reduce/0")
    for operator in map(OperatorId, names):
        assert counts[operator] == OperatorCount(operator, received=len(RECORDS), processed=len(RECORDS))


def test_a_sink_that_has_committed_all_keeps_its_counts() -> None:
    """Law 10.3, where a checkpoint holds nothing of the operator but what it has counted."""
    world = lived(Plan(((20, "crash", 2), (0, "checkpoint", 0), (60, "crash", 1)), 1, enumerated=False))
    counts = totals(world.job, world.checkpoint + 1)
    for sink, ledger in (("grow/1", "grow"), ("window/1", "window"), ("reduce/1", "reduce")):
        assert counts[OperatorId(sink)].received == len(LEDGERS[ledger])


# ------------------------------------------------------------------------------------------------ slices of a task


class Big(KeyedProcessFunction[Any, Any, Any]):
    """Keeps each record."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.kept: Any = runtime_context.get_state(ValueStateDescriptor("kept"))

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Any:  # noqa: ANN401  # a record of any kind
        self.kept.update([value])
        return ()


def big(count: int = 2_000, function: Any = None) -> VirtualJob:  # noqa: ANN401  # a function of any kind
    drawing = Drawing()
    source = drawing.source("source", ListSource((tuple((key, 1) for key in range(count)),), batch=100))
    keyed = drawing.vertex("keyed", KeyedProcessSpecification(function or Big(), KEYED))
    drawing.edge(source, keyed, Partitioning.HASH, key=lambda record: record[0])
    return VirtualJob(drawing)


def test_the_source_reads_on_while_state_is_encoded() -> None:
    """A task that has nothing but slices to do takes turns with the rest, and its own input comes between them."""
    job = big()
    for _ in range(10):
        job.scheduler.step()
    job.trigger(1)
    read_before, read_at_end = job.task("source").totals().records_out, 0
    for _ in range(10_000):
        job.scheduler.step()
        if len(job.parts.get(CheckpointId(1), ())) == 2:
            read_at_end = job.task("source").totals().records_out
            break
    assert read_at_end > read_before + 200
    part = job.parts[CheckpointId(1)][job.task("keyed").place.task.subtask]
    entries = sum(run.entries for run in part.operators[0].runs)
    assert 0 < entries <= read_before + 100 < read_at_end, "what came behind the barrier isn't in it"


def test_an_aborted_checkpoint_leaves_nothing_to_encode() -> None:
    job = big()
    job.settle()
    job.trigger(1)
    while not job.task("keyed").background:
        job.scheduler.step()
    job.task("keyed").aborted(CheckpointId(1))
    assert not job.task("keyed").runnable
    job.settle()
    assert job.task("keyed").place.task.subtask not in job.parts[CheckpointId(1)]
    job.finish(2)


def test_a_cancelled_task_encodes_nothing_more() -> None:
    job = big()
    job.settle()
    job.trigger(1)
    while not job.task("keyed").background:
        job.scheduler.step()
    job.task("keyed").cancel()
    assert not job.task("keyed").runnable
    assert job.scheduler.run_until_idle() < 10


def test_two_checkpoints_are_handed_over_in_their_order() -> None:
    job = big(300)
    job.settle()
    job.trigger(1)
    job.trigger(2, SnapshotKind.SAVEPOINT)
    job.settle()
    assert list(job.parts) == [1, 2]
    assert [len(parts) for parts in job.parts.values()] == [2, 2]


class Holding(Big):
    """Keeps what can't be stored."""

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Any:  # noqa: ANN401  # a record of any kind
        self.kept.update(lambda: value)
        return ()


def test_state_that_cant_be_stored_fails_the_task_and_names_it() -> None:
    job = big(3, Holding())
    job.settle()
    job.trigger(1)
    job.settle()
    [error] = job.errors
    assert isinstance(error, UserCodeError)
    assert "KeyedProcess 0: state 'kept' of key" in str(error)
