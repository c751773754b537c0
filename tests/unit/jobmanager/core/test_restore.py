"""From a checkpoint to new subtasks at any parallelism: nothing lost, nothing twice (design 8, laws 5.3, 7.1, 10.3)."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import CheckpointId, Epoch, JobId, OperatorId, RegionAttempt, RegionId, TaskId
from millstream_dataflow.job_graph import JobGraph
from millstream_dataflow.keys import group_range
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.checkpoints.restore import Restorer, incompatibilities
from millstream_runtime.messages.snapshots import (
    AuditCounts,
    CheckpointMetadata,
    FileRef,
    InlineBytes,
    ListState,
    OperatorCount,
    OperatorSnapshot,
    Redistribution,
    StoredTask,
    TaskRestore,
    TaskSnapshot,
)
from tests.support.graphs import JOB, VERSIONS, graph, keyed, keyed_job, sink, source, with_parallelism

COUNT, SOURCE = OperatorId("count-op"), OperatorId("source-op")
SPLIT, UNION, BROADCAST = Redistribution.SPLIT, Redistribution.UNION, Redistribution.BROADCAST
parallelisms = st.integers(1, 9)


def stored(
    job: JobGraph,
    items: dict[Redistribution, list[int]] | None = None,
    *,
    finished: frozenset[int] = frozenset(),
    kind: SnapshotKind = SnapshotKind.CHECKPOINT,
) -> CheckpointMetadata:
    """A checkpoint of the job: each source subtask holds that many items of each kind of list state, `count` is keyed;
    source subtasks in `finished` had ended.
    """
    plan, tasks = Plan(job), list[StoredTask]()
    for subtask in plan.subtasks:
        vertex = plan.vertices[subtask.vertex]
        groups = group_range(subtask.index, vertex.parallelism, vertex.max_parallelism)
        lists = [ListState(kind.value, kind, counts[subtask.index]) for kind, counts in (items or {}).items()]
        snapshots = [
            OperatorSnapshot(o.id, groups.start, groups.stop)
            if o.keyed
            else OperatorSnapshot(o.id, lists=tuple(lists if o.id == SOURCE else ()))
            for o in vertex.operators
        ]
        audit = AuditCounts(operators=tuple(OperatorCount(o.id, received=1 + subtask.index) for o in vertex.operators))
        ended = subtask.index in finished and subtask.vertex == "source"
        snapshot = TaskSnapshot(FileRef(f"{subtask}", 1, 1), tuple(snapshots), audit, ended)
        task = TaskId(RegionAttempt(job.job, RegionId(0), 1), subtask)
        tasks.append(StoredTask(task, vertex.parallelism, vertex.max_parallelism, snapshot))
    names = {str(operator.id): operator.name for vertex in job.vertices for operator in vertex.operators}
    return CheckpointMetadata(job.job, job.name, Epoch(1), CheckpointId(7), kind, 0, tuple(tasks), names, VERSIONS)


def restores(metadata: CheckpointMetadata, job: JobGraph, vertex: str) -> list[TaskRestore]:
    plan = Plan(job)
    restorer = Restorer(metadata, "ckpt/chk-7", plan)
    return [restorer.subtask(subtask) for subtask in plan.subtasks if subtask.vertex == vertex]


def taken(metadata: CheckpointMetadata, job: JobGraph, kind: Redistribution) -> list[list[tuple[int, int]]]:
    """For each new source subtask, the (old subtask, item) pairs that it takes."""
    return [
        [
            (part.old_subtask, item)
            for part in restore.parts
            for piece in part.lists
            if piece.name == kind.value
            for item in range(piece.first, piece.end)
        ]
        for restore in restores(metadata, job, "source")
    ]


@given(parallelisms, parallelisms, st.sampled_from([9, 10, 128]))
def test_every_key_group_goes_to_exactly_one_new_subtask(old: int, new: int, maximum: int) -> None:
    """Law 11: to the one whose range it lies in, and it is read from the one that had it."""
    before = graph((keyed(old, maximum=maximum),), ())
    after = graph((keyed(new, maximum=maximum),), ())
    seen: Counter[int] = Counter()
    for index, restore in enumerate(restores(stored(before), after, "count")):
        assert restore.rescaled == (old != new)
        for part in restore.parts:
            groups = range(part.first_group, part.end_group)
            assert set(groups) <= set(group_range(index, new, maximum))
            assert set(groups) <= set(group_range(part.old_subtask, old, maximum))
            seen.update(groups)
    assert seen == Counter(range(maximum))


@given(st.lists(st.integers(0, 7), min_size=1, max_size=6), parallelisms)
def test_every_list_item_goes_to_exactly_one_new_subtask(counts: list[int], new: int) -> None:
    """Law 8.1: unfinished splits are redistributed as list state, evenly; at the same parallelism each stays."""
    old = len(counts)
    shares = taken(stored(keyed_job(old), {SPLIT: counts}), keyed_job(new), SPLIT)
    everything = [(subtask, item) for subtask, count in enumerate(counts) for item in range(count)]
    assert sorted(item for share in shares for item in share) == everything
    if old == new:
        assert [len(share) for share in shares] == counts
        assert all(subtask == index for index, share in enumerate(shares) for subtask, _ in share)
    else:
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), parallelisms)
def test_union_state_goes_to_everybody(counts: list[int], new: int) -> None:
    """Design 7: union list state."""
    everything = [(subtask, item) for subtask, count in enumerate(counts) for item in range(count)]
    for share in taken(stored(keyed_job(len(counts)), {UNION: counts}), keyed_job(new), UNION):
        assert share == everything


@given(parallelisms, parallelisms, st.integers(1, 3))
def test_broadcast_state_comes_from_one(old: int, new: int, count: int) -> None:
    """Design 7: equal in all, so everybody reads one copy; at the same parallelism its own."""
    shares = taken(stored(keyed_job(old), {BROADCAST: [count] * old}), keyed_job(new), BROADCAST)
    for index, share in enumerate(shares):
        assert [item for _, item in share] == list(range(count))
        assert len({subtask for subtask, _ in share}) == 1
        assert old != new or share[0][0] == index


@given(parallelisms, parallelisms)
def test_counts_are_summed(old: int, new: int) -> None:
    """Law 10.3: totals of an operator are kept through a rescale; at the same parallelism each goes on with its own."""
    found = restores(stored(keyed_job(old)), keyed_job(new), "count")
    totals = [count.received for restore in found for count in restore.counts]
    assert sum(totals) == sum(range(1, old + 1))
    assert old != new or totals == list(range(1, old + 1))


class TestFinished:
    def test_a_vertex_counts_only_if_all_its_subtasks_did(self) -> None:
        """Law 5.3."""
        job = keyed_job(2)
        assert [r.finished for r in restores(stored(job, finished=frozenset({0})), job, "source")] == [False, False]
        assert [r.finished for r in restores(stored(job, finished=frozenset({0, 1})), job, "source")] == [True, True]
        assert [r.finished for r in restores(stored(job, finished=frozenset({0, 1})), job, "count")] == [False, False]
        rescaled = with_parallelism(job, 3)
        assert [r.finished for r in restores(stored(job, finished=frozenset({0, 1})), rescaled, "source")] == [True] * 3

    def test_a_final_checkpoint_ends_its_own_job_only(self) -> None:
        """Law 5.2: a region that restores from its job's final checkpoint starts ended. Law 5.1: another job that is
        started from a stop's savepoint goes on reading.
        """
        job = keyed_job(2)
        final = stored(job, kind=SnapshotKind.FINAL)
        assert all(restore.finished for restore in restores(final, job, "count"))
        other = keyed_job(2, job=JobId("other"))
        assert not any(restore.finished for restore in restores(final, other, "count"))


def test_where_the_bytes_lie() -> None:
    """Law 4.3: files are named relative to the checkpoint's directory; inlined bytes travel as they are."""
    job = keyed_job(1)
    metadata = stored(job)
    assert restores(metadata, job, "count")[0].parts[0].handle == FileRef("ckpt/chk-7/count[0]", 1, 1)
    inlined = [replace(task, snapshot=replace(task.snapshot, handle=InlineBytes(b"state"))) for task in metadata.tasks]
    found = restores(replace(metadata, tasks=tuple(inlined)), job, "count")
    assert found[0].parts[0].handle == InlineBytes(b"state")
    empty = [replace(task, snapshot=replace(task.snapshot, handle=None)) for task in metadata.tasks]
    assert restores(replace(metadata, tasks=tuple(empty)), job, "count")[0].parts == ()


class TestIncompatibilities:
    def test_none_for_the_same_job_at_another_parallelism(self) -> None:
        """Design 8."""
        assert incompatibilities(stored(keyed_job(2)), Plan(keyed_job(3)), allow_non_restored=False) == []

    def test_state_that_nobody_claims(self) -> None:
        """Design 8: refused, naming the operator, unless allowed; an operator without state isn't missed."""
        job = keyed_job(2)
        without = graph((source(2), sink(2)), (), job=JOB)
        found = incompatibilities(stored(job, {SPLIT: [1, 1]}), Plan(without), allow_non_restored=False)
        assert len(found) == 1
        assert "no operator of this job claims: Count;" in found[0]
        assert incompatibilities(stored(job), Plan(without), allow_non_restored=True) == []
        keeps = graph((source(2), keyed(2)), ())
        assert incompatibilities(stored(job), Plan(keeps), allow_non_restored=False) == []

    def test_another_maximal_parallelism(self) -> None:
        """Law 11: fixed at the first start."""
        after = graph((source(2), keyed(2, maximum=256), sink(2)), ())
        found = incompatibilities(stored(keyed_job(2)), Plan(after), allow_non_restored=False)
        assert found == [
            "Count has maximal parallelism 256, its state was stored with 128; set_max_parallelism(128) keeps it"
        ]

    def test_a_newer_format_or_another_hash(self) -> None:
        """Law 11: the hash's version is named in the metadata."""
        plan = Plan(keyed_job(2))
        for wrong in (replace(stored(keyed_job(2)), format=99), replace(stored(keyed_job(2)), key_hash=2)):
            (problem,) = incompatibilities(wrong, plan, allow_non_restored=True)
            assert "this Millstream reads" in problem
