"""Laws 4 to 6 and 10 with real tasks: crash anywhere, go on from the last checkpoint, and every record is there once.

The whole path is real but for durability: sources with positions, barriers, alignment, records and splits in flight,
committables. Barriers wait for records, overtake them, or do so after a time; and a job may go on at another
parallelism of what it exchanges with.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import ChannelId, CheckpointId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import FlatMapSpecification, MapSpecification, SinkSpecification
from millstream_dataflow.records import SnapshotKind
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.task.alignment import Guarantee
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.ledgers import FULL_DISKS, LEDGERS, LedgerSink, empty_ledgers
from tests.support.tasks import Drawing, ListSource, VirtualJob

PARTITIONINGS = (
    Partitioning.HASH,
    Partitioning.REBALANCE,
    Partitioning.RESCALE,
    Partitioning.SHUFFLE,
    Partitioning.CUSTOM,
    Partitioning.GLOBAL,
)
NAMES = ("middle", "far", "s0", "s0-splits", "s1", "s1-splits")


@dataclass(frozen=True)
class Plan:
    """What happens: so many steps, then this, and if it is a crash at that parallelism in the middle."""

    events: tuple[tuple[int, str, int], ...]
    sources: tuple[tuple[int, bool], ...]
    middle: int
    partitioning: Partitioning
    order: tuple[int, ...]
    window: int
    slow: bool = False
    overtake_after: int | None = None


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    kinds = st.sampled_from(["checkpoint", "checkpoint", "savepoint", "abort", "full disk", "crash"])
    events = st.tuples(st.integers(0, 40), kinds, st.integers(1, 3))
    return Plan(
        tuple(draw(st.lists(events, max_size=8))),
        tuple(draw(st.lists(st.tuples(st.integers(1, 2), st.booleans()), min_size=1, max_size=2))),
        draw(st.integers(1, 3)),
        draw(st.sampled_from(PARTITIONINGS)),
        tuple(draw(st.lists(st.integers(0, 9), min_size=6, max_size=6))),
        draw(st.sampled_from([30, 100, 10_000])),
        draw(st.booleans()),
        draw(st.sampled_from([None, 0, 0, 15])),
    )


def to_its_number(key: tuple[int, int], partitions: int) -> int:
    """A user's partitioner."""
    return sum(key) % partitions


def drawn(plan: Plan) -> tuple[Drawing, list[tuple[int, int, int]]]:
    drawing = Drawing()
    records: list[tuple[int, int, int]] = []
    middle = drawing.vertex(
        "middle", MapSpecification(lambda value: value), SinkSpecification(LedgerSink("near")), parallelism=plan.middle
    )
    for number, (parallelism, enumerated) in enumerate(plan.sources):
        splits = tuple(tuple((number, split, record) for record in range(7)) for split in range(3))
        records += [record for split in splits for record in split]
        lists = ListSource(splits, has_enumerator=enumerated, batch=2, slow=plan.slow)
        source = drawing.source(f"s{number}", lists, parallelism=parallelism)
        drawing.edge(source, middle, plan.partitioning, key=lambda value: value[1:], custom=to_its_number)
    far = drawing.vertex(
        "far", FlatMapSpecification(lambda value: [value, value]), SinkSpecification(LedgerSink("far")), parallelism=2
    )
    drawing.edge(middle, far, Partitioning.HASH, key=lambda value: value, node=0)
    return drawing, records


class World:
    """A job, its checkpoints, and its crashes."""

    def __init__(self, plan: Plan) -> None:
        empty_ledgers()
        self.plan = plan
        self.drawing, self.records = drawn(plan)
        self.settings = TaskSettings(
            FlushRules(4, 60, 100), plan.window, plan.window, Guarantee.EXACTLY_ONCE, plan.overtake_after
        )
        self.rank: dict[str, int] = dict(zip(NAMES, plan.order, strict=True))
        self.job = VirtualJob(self.drawing, self.settings, rank=self.rank)
        self.checkpoint = 0
        self.last: tuple[VirtualJob, int] | None = None
        self.pending: dict[int, bool] = {}
        self.in_flight = 0
        """Records in flight of all complete checkpoints."""
        self.restored = 0
        """And those that were restored."""

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.job.now += 1
            self.job.scheduler.run_timers(self.job.now)
            self.job.scheduler.step()
            self.job.do_blocking()
            for declined in {checkpoint for _, checkpoint, _ in self.job.declined} & self.pending.keys():
                self.abort([declined])
            for checkpoint, commits in tuple(self.pending.items()):
                if len(self.job.parts.get(CheckpointId(checkpoint), ())) == len(self.job.tasks):
                    self.complete(checkpoint, commits=commits)

    def until_complete(self, checkpoint: int) -> None:
        for _ in range(500):
            if checkpoint not in self.pending:
                return
            self.steps(1)
        raise AssertionError(f"checkpoint {checkpoint} isn't complete: {self.job.declined}")

    def complete(self, checkpoint: int, *, commits: bool) -> None:
        self.balance(checkpoint)
        for lower in [one for one in self.pending if one <= checkpoint]:
            del self.pending[lower]
        if commits:
            self.last = (self.job, checkpoint)
        self.job.complete(checkpoint, commits=commits)

    def abort(self, checkpoints: Iterable[int]) -> None:
        for checkpoint in checkpoints:
            del self.pending[checkpoint]
            for task in self.job.tasks.values():
                task.aborted(CheckpointId(checkpoint))

    def balance(self, checkpoint: int) -> None:
        """Law 10.1: what was sent before the barrier was received before it, or is stored, channel by channel."""
        sent, received = Counter[ChannelId](), Counter[ChannelId]()
        for part in self.job.parts[CheckpointId(checkpoint)].values():
            sent.update({count.channel: count.records + count.restored for count in part.audit.sent})
            sent.update({count.channel: count.restored for count in part.audit.received})
            received.update({count.channel: count.records + count.in_flight for count in part.audit.received})
            received.update({count.channel: count.in_flight for count in part.audit.sent})
            stored = [count.in_flight for count in (*part.audit.sent, *part.audit.received)]
            self.in_flight += sum(stored)
            assert sum(stored) == sum(channel.records for channel in part.channels)
        assert sent == received

    def happen(self, what: str, middle: int | None = None) -> None:
        match what:
            case "crash":
                self.drawing, _ = drawn(replace(self.plan, middle=middle or self.plan.middle))
                restored = self.last[0].restored_from(self.last[1], self.drawing) if self.last is not None else None
                self.restored += sum(one.records for task in (restored or {}).values() for one in task.in_flight)
                self.job = VirtualJob(self.drawing, self.settings, restored, rank=self.rank)
                self.pending = {}
            case "abort":
                self.abort(list(self.pending))
            case "full disk":
                FULL_DISKS.append("no room")
            case _:
                if what == "checkpoint" and self.plan.overtake_after is not None and self.pending:
                    return  # as the coordinator: none while another is under way
                self.checkpoint += 1
                self.pending[self.checkpoint] = what == "checkpoint"
                kind = SnapshotKind.CHECKPOINT if what == "checkpoint" else SnapshotKind.SAVEPOINT
                self.job.trigger(self.checkpoint, kind)


def check(world: World) -> None:
    """To the end: every record has come to both ledgers."""
    world.steps(500)
    FULL_DISKS.clear()
    world.job.finish(world.checkpoint + 1)
    assert Counter(LEDGERS["near"]) == Counter(world.records)
    assert Counter(LEDGERS["far"]) == Counter(dict.fromkeys(world.records, 2))


@given(plans())
def test_whatever_happens_every_record_is_there_once(plan: Plan) -> None:
    world = World(plan)
    for steps, what, middle in plan.events:
        world.steps(steps)
        world.happen(what, middle)
    check(world)


@pytest.mark.parametrize("middle", [1, 2, 3])
@pytest.mark.parametrize("partitioning", [one for one in PARTITIONINGS if one is not Partitioning.RESCALE])
def test_overtaken_records_are_restored_at_any_parallelism(partitioning: Partitioning, middle: int) -> None:
    plan = Plan((), ((2, False), (1, True)), 2, partitioning, (0, 1, 9, 9, 9, 9), 30, overtake_after=0)
    world = World(plan)
    world.steps(15)
    world.happen("checkpoint")
    world.until_complete(1)
    assert world.in_flight > 0
    world.happen("crash", middle)
    assert world.restored > 0
    world.happen("checkpoint")  # and overtaken again, before they are taken
    world.until_complete(2)
    world.happen("crash", middle)
    check(world)


def test_where_no_barrier_overtakes_nothing_is_in_flight() -> None:
    plan = Plan((), ((2, False),), 3, Partitioning.RESCALE, (0, 1, 9, 9, 9, 9), 30, overtake_after=0)
    world = World(plan)
    world.steps(15)
    world.happen("checkpoint")
    world.until_complete(1)
    parts = world.job.parts[CheckpointId(1)].values()
    assert {channel.channel.edge for part in parts for channel in part.channels} <= {1}, "the edge from the middle"
    world.happen("crash", 2)
    check(world)


@pytest.mark.parametrize("after", [None, 30])
def test_barriers_overtake_when_they_have_waited_long_enough(after: int | None) -> None:
    plan = Plan((), ((2, False),), 1, Partitioning.HASH, (0, 9, 5, 9, 9, 9), 300, overtake_after=after)
    world = World(plan)
    middle = world.job.task("middle")
    step = middle.step
    middle.step = lambda: step() if world.job.now % 25 == 0 else None  # type: ignore[method-assign]  # slow user code
    world.steps(100)
    world.happen("checkpoint")
    world.steps(25)
    assert not any(part.alignment.unaligned for part in world.job.parts[CheckpointId(1)].values())
    world.steps(75)
    assert (1 not in world.pending) is (after is not None)
    assert (world.in_flight > 0) is (after is not None)


def test_what_a_sender_could_not_send_is_stored_by_it() -> None:
    """A flat map that is held up in the middle of a record goes on without credit, and the barrier before it."""
    empty_ledgers()
    drawing = Drawing()
    source = drawing.source("source", ListSource(((1, 2),), batch=1))
    many = drawing.vertex("many", FlatMapSpecification(lambda value: range(value * 20_000, (value + 1) * 20_000)))
    drawing.edge(source, many, Partitioning.REBALANCE)
    sink = drawing.vertex("sink", SinkSpecification(LedgerSink("sink")), parallelism=2)
    drawing.edge(many, sink, Partitioning.HASH, key=lambda value: value)
    settings = TaskSettings(window=1_000, floating=0, overtake_after=0)
    job = VirtualJob(drawing, settings)

    def step() -> None:  # all but the sinks
        for name in ("source", "many"):
            if job.task(name).runnable:
                job.task(name).step()

    for _ in range(10):
        step()
    job.trigger(1)
    for _ in range(10):
        step()
    part = job.parts[CheckpointId(1)][job.task("many").place.task.subtask]
    assert sum(channel.records for channel in part.channels if channel.output) > 10_000
    job.settle()
    job.complete(1)
    again = VirtualJob(drawing, settings, job.restored_from(1))
    again.finish(2)
    assert Counter(LEDGERS["sink"]) == Counter(range(20_000, 60_000))


def test_records_that_cant_be_stored_are_waited_for() -> None:
    """Between tasks of one process they travel as they are: the first checkpoint is given up, the next is aligned."""
    drawing = Drawing()
    source = drawing.source("source", ListSource((tuple(range(40)),), batch=2))
    made = drawing.vertex("made", MapSpecification(lambda number: lambda: number))
    drawing.edge(source, made, Partitioning.REBALANCE)
    used = drawing.vertex("used", MapSpecification(lambda function: function()))
    drawing.edge(made, used, Partitioning.REBALANCE)
    job = VirtualJob(drawing, TaskSettings(FlushRules(1, 1, 100), overtake_after=0))
    for number in range(8):
        if number == 4:
            job.trigger(1)
        for name in ("source", "made"):  # what they send waits for the last
            if job.task(name).runnable:
                job.task(name).step()
    job.settle()
    [(subtask, checkpoint, failure)] = job.declined
    assert (subtask.vertex, checkpoint, failure.secondary) == ("used", 1, True)
    assert "can't be pickled" in failure.message
    assert "barriers wait" in failure.message
    for task in job.tasks.values():
        task.aborted(CheckpointId(1))
    job.finish(2)
    assert not job.errors


def test_a_savepoint_is_aligned_all_the_same() -> None:
    plan = Plan((), ((2, False),), 2, Partitioning.HASH, (0, 1, 9, 9, 9, 9), 30, overtake_after=0)
    world = World(plan)
    world.steps(15)
    world.happen("savepoint")
    world.until_complete(1)
    assert world.in_flight == 0
    assert not any(part.alignment.unaligned for part in world.job.parts[CheckpointId(1)].values())


def test_a_record_in_flight_that_is_lost_is_found() -> None:
    """Law 10.1, of what was restored."""
    plan = Plan((), ((2, False),), 2, Partitioning.HASH, (0, 1, 9, 9, 9, 9), 30, overtake_after=0)
    world = World(plan)
    world.steps(15)
    world.happen("checkpoint")
    world.until_complete(1)
    world.happen("crash")
    gate = next(task.gate for task in world.job.tasks.values() if task.gate is not None and any(task.gate.restored))
    gate._first.popleft()
    world.happen("checkpoint")
    with pytest.raises(AssertionError, match=r"edge=0.*: 1} != "):
        world.until_complete(2)


def test_at_least_once_loses_nothing() -> None:
    plan = Plan((), ((2, True), (1, False)), 2, Partitioning.HASH, (0,) * 6, 30)
    world = World(plan)
    world.settings = TaskSettings(FlushRules(4, 60, 100), 30, 30, Guarantee.AT_LEAST_ONCE)
    world.happen("crash")
    world.steps(20)
    world.happen("checkpoint")
    world.job.settle()
    assert len(world.job.parts[CheckpointId(1)]) == len(world.job.tasks)
    world.balance(1)
    world.job.complete(1)
    world.last = (world.job, 1)
    world.happen("crash")
    world.job.finish(9)
    assert set(LEDGERS["near"]) == set(world.records)


@pytest.mark.parametrize("leader_comes_back", [False, True])
def test_without_a_leader_nothing_waits(leader_comes_back: bool) -> None:
    """Law 4.2: what would block is declined, which is nobody's failure, and a later checkpoint is complete."""
    world = World(Plan((), ((1, False), (1, False)), 1, Partitioning.HASH, (9, 9, 0, 0, 0, 0), 10_000))
    world.steps(12)
    for task in world.job.tasks.values():
        task.leader(present=False)
    world.job.trigger(1)
    if leader_comes_back:
        world.job.settle()
        for task in world.job.tasks.values():
            task.leader(present=True)
        world.job.trigger(2)
    world.job.settle()
    assert world.job.ended
    assert {(checkpoint, failure.secondary) for _, checkpoint, failure in world.job.declined} == {(1, True)}
    assert (len(world.job.parts.get(CheckpointId(2), ())) == len(world.job.tasks)) is leader_comes_back
