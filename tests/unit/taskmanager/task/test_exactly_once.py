"""Laws 4 to 6 and 10 with real tasks: crash anywhere, go on from the last checkpoint, and every record is there once.

The whole path is real but for durability: sources with positions, barriers, alignment, splits in flight, committables.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import ChannelId, CheckpointId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import FlatMapSpecification, MapSpecification, SinkSpecification
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.task.alignment import Guarantee
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.ledgers import FULL_DISKS, LEDGERS, LedgerSink, empty_ledgers
from tests.support.tasks import Drawing, ListSource, VirtualJob

NAMES = ("middle", "far", "s0", "s0-splits", "s1", "s1-splits")


@dataclass(frozen=True)
class Plan:
    """What happens: so many steps, then this."""

    events: tuple[tuple[int, str], ...]
    sources: tuple[tuple[int, bool], ...]
    middle: int
    partitioning: Partitioning
    order: tuple[int, ...]
    window: int
    slow: bool = False


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    kinds = st.sampled_from(["checkpoint", "checkpoint", "savepoint", "abort", "full disk", "crash"])
    events = st.tuples(st.integers(0, 40), kinds)
    return Plan(
        tuple(draw(st.lists(events, max_size=8))),
        tuple(draw(st.lists(st.tuples(st.integers(1, 2), st.booleans()), min_size=1, max_size=2))),
        draw(st.integers(1, 3)),
        draw(st.sampled_from([Partitioning.HASH, Partitioning.REBALANCE, Partitioning.RESCALE, Partitioning.SHUFFLE])),
        tuple(draw(st.lists(st.integers(0, 9), min_size=6, max_size=6))),
        draw(st.sampled_from([30, 100, 10_000])),
        draw(st.booleans()),
    )


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
        drawing.edge(source, middle, plan.partitioning, key=lambda value: value[1:])
    far = drawing.vertex(
        "far", FlatMapSpecification(lambda value: [value, value]), SinkSpecification(LedgerSink("far")), parallelism=2
    )
    drawing.edge(middle, far, Partitioning.HASH, key=lambda value: value, node=0)
    return drawing, records


class World:
    """A job, its checkpoints, and its crashes."""

    def __init__(self, plan: Plan) -> None:
        empty_ledgers()
        self.drawing, self.records = drawn(plan)
        self.settings = TaskSettings(FlushRules(4, 60, 100), plan.window, plan.window, Guarantee.EXACTLY_ONCE)
        self.rank: dict[str, int] = dict(zip(NAMES, plan.order, strict=True))
        self.job = VirtualJob(self.drawing, self.settings, rank=self.rank)
        self.checkpoint = 0
        self.last: tuple[VirtualJob, int] | None = None
        self.pending: dict[int, bool] = {}

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.job.scheduler.step()
            self.job.do_blocking()
            for declined in {checkpoint for _, checkpoint, _ in self.job.declined} & self.pending.keys():
                self.abort([declined])
            for checkpoint, commits in tuple(self.pending.items()):
                if len(self.job.parts.get(CheckpointId(checkpoint), ())) == len(self.job.tasks):
                    self.complete(checkpoint, commits=commits)

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
        """Law 10.1: what was sent before the barrier was received before it, channel by channel."""
        sent, received = Counter[ChannelId](), Counter[ChannelId]()
        for part in self.job.parts[CheckpointId(checkpoint)].values():
            sent.update({count.channel: count.records for count in part.audit.sent})
            received.update({count.channel: count.records for count in part.audit.received})
        assert sent == received

    def happen(self, what: str) -> None:
        match what:
            case "crash":
                restored = self.last[0].restored_from(self.last[1]) if self.last is not None else None
                self.job = VirtualJob(self.drawing, self.settings, restored, rank=self.rank)
                self.pending = {}
            case "abort":
                self.abort(list(self.pending))
            case "full disk":
                FULL_DISKS.append("no room")
            case _:
                self.checkpoint += 1
                self.pending[self.checkpoint] = what == "checkpoint"
                self.job.trigger(self.checkpoint)


@given(plans())
def test_whatever_happens_every_record_is_there_once(plan: Plan) -> None:
    world = World(plan)
    for steps, what in plan.events:
        world.steps(steps)
        world.happen(what)
    world.steps(500)
    FULL_DISKS.clear()
    world.job.finish(world.checkpoint + 1)
    assert Counter(LEDGERS["near"]) == Counter(world.records)
    assert Counter(LEDGERS["far"]) == Counter(dict.fromkeys(world.records, 2))


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
