"""Records in flight at a checkpoint: who takes them after it, and what becomes of the audit (laws 4.1, 10.1)."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import (
    ChannelId,
    CheckpointId,
    EdgeId,
    Epoch,
    RegionAttempt,
    RegionId,
    SubtaskId,
    TaskId,
    VertexId,
)
from millstream_dataflow.job_graph import Edge, JobGraph, Partitioning
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.checkpoints.audit import Balance, edge_audits, imbalances
from millstream_jobmanager.core.checkpoints.pending import Pending, alignment_of, metadata_of
from millstream_jobmanager.core.checkpoints.restore import Restorer, incompatibilities
from millstream_jobmanager.core.moment import Moment
from millstream_runtime.messages.client import EdgeAudit, TriggerSavepoint
from millstream_runtime.messages.snapshots import (
    AlignmentStats,
    AuditCounts,
    ChannelCount,
    CheckpointMetadata,
    FileRef,
    InFlightPart,
    TaskSnapshot,
)
from millstream_runtime.states import JobState
from tests.support.core_shell import CoreShell, settings_of
from tests.support.graphs import keyed_job

HASH = EdgeId(0)


def checkpoint_of(job: JobGraph) -> CheckpointMetadata:
    """One that holds, in each channel of the keyed edge, a record that wasn't sent and two that weren't taken."""
    plan = Plan(job)
    pending = Pending(CheckpointId(7), SnapshotKind.CHECKPOINT, "chk-7", Moment(0, 0), set())
    for subtask in plan.subtasks:
        sent = [c for edge in plan.edges_from(subtask.vertex) for c in plan.channels_from(edge, subtask.index)]
        came = [c for edge in plan.edges_to(subtask.vertex) for c in plan.channels_to(edge, subtask.index)]
        audit = AuditCounts(
            tuple(ChannelCount(channel, 10, in_flight=int(channel.edge == HASH)) for channel in sent),
            tuple(ChannelCount(c, 7 if c.edge == HASH else 10, in_flight=2 * (c.edge == HASH)) for c in came),
        )
        task = TaskId(RegionAttempt(job.job, RegionId(0), 1), subtask)
        stats = AlignmentStats(subtask.index, 100, unaligned=subtask.vertex == "count")
        pending.parts[task] = TaskSnapshot(FileRef(f"{subtask}", 1, 1), audit=audit, alignment=stats)
        pending.balance.take(audit)
    assert pending.balance.even
    assert alignment_of(pending).unaligned
    return metadata_of(plan, Epoch(1), pending, 0)


def taken(metadata: CheckpointMetadata, job: JobGraph) -> dict[int, tuple[InFlightPart, ...]]:
    plan = Plan(job)
    restorer = Restorer(metadata, "ckpt/chk-7", plan)
    return {s.index: restorer.subtask(s).in_flight for s in plan.subtasks if s.vertex == "count"}


@given(st.integers(1, 4))
def test_a_channel_that_is_as_it_was_gets_its_own(parallelism: int) -> None:
    job = keyed_job(parallelism)
    metadata = checkpoint_of(job)
    assert [edge.id for edge in metadata.edges] == [HASH]
    assert metadata.format == 2
    for index, parts in taken(metadata, job).items():
        channels = [ChannelId(HASH, source, index) for source in range(parallelism)]
        assert [(part.channel, part.output, part.records) for part in parts] == [
            pair for channel in channels for pair in ((channel, False, 2), (channel, True, 1))
        ], "what was queued comes before what was not sent"
        assert not any(part.shared for part in parts)
        assert {part.handle for part in parts} <= {
            FileRef(f"ckpt/chk-7/{SubtaskId(VertexId(vertex), one)}", 1, 1)
            for vertex in ("source", "count")
            for one in range(parallelism)
        }


@given(st.integers(1, 4), st.integers(1, 4))
def test_at_another_parallelism_all_get_all_in_one_order(before: int, after: int) -> None:
    if before == after:
        after += 1
    parts = taken(checkpoint_of(keyed_job(before)), keyed_job(after))
    assert len(set(parts.values())) == 1
    assert Counter(part.records for part in parts[0]) == {1: before**2, 2: before**2}
    assert all(part.shared for part in parts[0])
    order = [(part.channel.source, part.channel.target, part.output) for part in parts[0]]
    assert order == sorted(order), "of a sender's records for one key none passes another"


def test_another_number_of_the_edge_changes_nothing() -> None:
    job = keyed_job(2)
    metadata = checkpoint_of(job)
    moved = replace(job, edges=tuple(replace(edge, id=EdgeId(edge.id + 5)) for edge in reversed(job.edges)))
    assert {part.edge for parts in taken(metadata, moved).values() for part in parts} == {5}
    assert not any(part.shared for parts in taken(metadata, moved).values() for part in parts)


def test_another_partitioning_deals_them_out_again() -> None:
    job = keyed_job(2)
    changed = replace(job, edges=(replace(job.edges[0], partitioning=Partitioning.REBALANCE), *job.edges[1:]))
    assert all(part.shared for parts in taken(checkpoint_of(job), changed).values() for part in parts)


def test_records_of_an_exchange_that_is_gone_are_not_dropped_in_silence() -> None:
    job = keyed_job(2)
    metadata = checkpoint_of(job)
    other = replace(job, edges=(replace(job.edges[0], tag="late"), *job.edges[1:]))
    [problem] = incompatibilities(metadata, Plan(other), allow_non_restored=False)
    assert "records in flight on exchanges that this job doesn't have: Source -> Count" in problem
    assert "a savepoint, which holds none" in problem
    assert incompatibilities(metadata, Plan(other), allow_non_restored=True) == []
    assert taken(metadata, other) == {0: (), 1: ()}


def test_nothing_in_flight_is_the_former_format() -> None:
    job = keyed_job(1)
    pending = Pending(CheckpointId(1), SnapshotKind.CHECKPOINT, "chk-1", Moment(0, 0), set())
    metadata = metadata_of(Plan(job), Epoch(1), pending, 0)
    assert (metadata.format, metadata.edges) == (1, ())


# --------------------------------------------------------------------------------------------------- the audit

CHANNEL = ChannelId(HASH, 0, 0)
PLAN = Plan(replace(keyed_job(1), edges=(Edge(HASH, VertexId("source"), VertexId("count"), Partitioning.HASH),)))


def audits(sent: ChannelCount, received: ChannelCount) -> dict[SubtaskId, AuditCounts]:
    return {
        SubtaskId(VertexId("source"), 0): AuditCounts(sent=(sent,)),
        SubtaskId(VertexId("count"), 0): AuditCounts(received=(received,)),
    }


@given(*[st.integers(0, 5)] * 5)
def test_restored_and_sent_is_received_and_stored(
    restored: int, sent: int, unsent: int, queued: int, received: int
) -> None:
    ends = audits(ChannelCount(CHANNEL, sent, unsent), ChannelCount(CHANNEL, received, queued, restored))
    balance = Balance()
    for audit in ends.values():
        balance.take(audit)
    assert balance.even is (restored + sent == received + queued + unsent)
    assert balance.even is (imbalances(PLAN, ends) == [])


def test_a_lost_batch_in_flight_is_named() -> None:
    lost = audits(ChannelCount(CHANNEL, 10, in_flight=2), ChannelCount(CHANNEL, 9, in_flight=1, restored=3))
    assert [str(one) for one in imbalances(PLAN, lost)] == [
        "edge Source -> Count, channel 0 -> 0: sent 10, received 9, stored in flight 3, restored in flight 3"
    ]


def test_what_people_see_of_it() -> None:
    ends = audits(ChannelCount(CHANNEL, 10, in_flight=2), ChannelCount(CHANNEL, 10, in_flight=1, restored=3))
    assert edge_audits(PLAN, ends.values()) == (EdgeAudit("Source -> Count", 10, 10, in_flight=3, restored=3),)


@pytest.mark.parametrize("overtaking", [False, True])
def test_a_periodic_one_waits_for_a_savepoint_whose_barriers_it_would_overtake(overtaking: bool) -> None:
    shell = CoreShell(settings_of(checkpoints={"interval": 100, "overtaking": overtaking}))
    shell.register("a", 1)
    shell.submit(keyed_job(1, bounded=False))
    shell.until_state(JobState.RUNNING)
    shell.holding.add("sink[0]")
    shell.ask(TriggerSavepoint(shell.current, "mine"))
    shell.run(1_000)
    pending = shell.job().coordinator.pending.values()
    assert [one.kind for one in pending] == [SnapshotKind.SAVEPOINT, *[SnapshotKind.CHECKPOINT] * (not overtaking)]
