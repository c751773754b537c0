"""A checkpoint in flight, its id, and what is kept of completed ones."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import (
    CheckpointId,
    Epoch,
    JobId,
    RegionAttempt,
    RegionId,
    SubtaskId,
    TaskId,
    VertexId,
)
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.checkpoints.completed import (
    SAVEPOINTS_LISTED,
    after_retention,
    fallbacks,
    kept_paths,
    restart_points,
    savepoint_path,
    spared_ids,
    with_former_savepoints,
    with_its_end,
)
from millstream_jobmanager.core.checkpoints.ids import CheckpointIds
from millstream_jobmanager.core.checkpoints.pending import Pending, Phase
from millstream_jobmanager.core.commands import StoreRecord
from millstream_jobmanager.core.events import Outcome, RecordStored
from millstream_jobmanager.core.journal import Journal
from millstream_jobmanager.core.moment import Moment
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.record import CompletedCheckpoint, FormerSavepoints, JobRecord
from millstream_runtime.messages.snapshots import InlineBytes, TaskSnapshot
from millstream_runtime.states import JobState
from tests.support.core_shell import CoreShell, settings_of
from tests.support.graphs import JOB, NO_BLOB, keyed_job

RECORD = JobRecord(JOB, "a job", NO_BLOB, 0, JobState.CREATED)
CHECKPOINT, SAVEPOINT, FINAL = SnapshotKind.CHECKPOINT, SnapshotKind.SAVEPOINT, SnapshotKind.FINAL


def task(index: int, attempt: int = 1) -> TaskId:
    return TaskId(RegionAttempt(JobId(JOB), RegionId(0), attempt), SubtaskId(VertexId("sink"), index))


def point(number: int, kind: SnapshotKind = CHECKPOINT, *, ours: bool = True) -> CompletedCheckpoint:
    return CompletedCheckpoint(CheckpointId(number), Epoch(1), kind, f"chk-{number}", 0, 0, discardable=ours)


class TestPending:
    def test_the_last_part_completes_and_repetitions_change_nothing(self) -> None:
        """Law 3.1: acknowledgements are repeated until confirmed."""
        pending = Pending(CheckpointId(1), CHECKPOINT, "chk-1", Moment(0, 0), {task(0), task(1)})
        first, later = TaskSnapshot(InlineBytes(b"1")), TaskSnapshot(InlineBytes(b"2"))
        assert not pending.acknowledge(task(0), first)
        assert not pending.acknowledge(task(0), later)
        assert pending.acknowledge(task(1), first)
        assert pending.parts == {task(0): first, task(1): first}

    def test_foreign_tasks_and_former_attempts_have_no_effect(self) -> None:
        """Law 1.3."""
        pending = Pending(CheckpointId(1), CHECKPOINT, "chk-1", Moment(0, 0), {task(0, attempt=2)})
        assert not pending.acknowledge(task(0, attempt=1), TaskSnapshot(None))
        assert not pending.acknowledge(task(7, attempt=2), TaskSnapshot(None))
        assert pending.parts == {}

    def test_a_completing_one_takes_nothing_any_more(self) -> None:
        """ARCHITECTURE 4: while its pointer is being stored it can't be aborted, nor changed."""
        pending = Pending(CheckpointId(1), CHECKPOINT, "chk-1", Moment(0, 0), {task(0)}, phase=Phase.STORING)
        assert pending.completing
        assert not pending.acknowledge(task(0), TaskSnapshot(None))


class TestIds:
    def test_blocks_are_stored_before_use_and_a_new_leader_starts_above(self) -> None:
        """Law 1.4."""
        used: list[int] = []
        record, now = RECORD, Moment(0, 0)
        for leader in range(3):
            journal = Journal(record, lambda leader=leader: f"{leader}", 100)  # type: ignore[misc]  # a bound value
            ids = CheckpointIds(journal)
            for _ in range(120):
                turn = Turn(now)
                taken = ids.take(turn, lambda _, __: None)
                if taken is None:
                    assert [type(command) for command in turn.commands] == [StoreRecord]
                    assert ids.take(turn, lambda _, __: None) is None
                    journal.stored(turn, RecordStored(JOB, f"{leader}", Outcome.DONE))
                    taken = ids.take(turn, lambda _, __: None)
                assert taken is not None
                assert taken < journal.record.reserved_checkpoints
                used.append(taken)
            record = journal.record
        assert used == sorted(set(used))
        assert used[0] == 1

    def test_a_store_that_refuses_is_asked_again_after_a_while(self) -> None:
        """Law 2.1; not in a circle, for every event asks for what is due."""
        journal = Journal(RECORD, iter("abc").__next__, 100)
        ids = CheckpointIds(journal)
        reasons: list[str] = []
        turn = Turn(Moment(0, 0))
        ids.take(turn, lambda _, reason: reasons.append(reason))
        journal.stored(turn, RecordStored(JOB, "a", Outcome.REFUSED, "no room"))
        ids.take(turn, lambda _, __: None)
        assert (len(turn.commands), reasons, ids.deadline()) == (1, ["no room"], 100)
        later = Turn(Moment(100, 100))
        ids.take(later, lambda _, __: None)
        assert len(later.commands) == 1


class TestRetention:
    def test_only_ours_count_and_go(self) -> None:
        """Law 4.6: two by default; savepoints stay until the user disposes of them (law 2.3)."""
        points = (point(1), point(2, SAVEPOINT, ours=False), point(3), point(4, FINAL, ours=False), point(5), point(6))
        kept, gone = after_retention(points, 2)
        assert [p.checkpoint for p in kept] == [2, 4, 5, 6]
        assert [p.checkpoint for p in gone] == [1, 3]

    @given(st.lists(st.booleans(), max_size=12), st.integers(1, 4))
    def test_the_newest_is_never_let_go(self, ours: list[bool], num_retained: int) -> None:
        """Law 4.6: nothing is lost, the order stays, and what could be restored from last still can."""
        points = tuple(point(number, ours=mine) for number, mine in enumerate(ours))
        kept, gone = after_retention(points, num_retained)
        assert sorted(kept + gone, key=lambda p: p.checkpoint) == list(points)
        assert list(kept) == sorted(kept, key=lambda p: p.checkpoint)
        assert sum(p.discardable for p in kept) <= num_retained
        assert kept[-1:] == points[-1:]

    def test_where_a_region_restarts_from(self) -> None:
        """Law 4.7: a savepoint without stop is no restart point, that of a stop is; else where the job was started."""
        assert fallbacks(RECORD) == ()
        started = replace(RECORD, restore=point(9, SAVEPOINT, ours=False))
        assert fallbacks(started) == (started.restore,)
        record = replace(started, checkpoints=(point(1), point(2, SAVEPOINT, ours=False)))
        assert fallbacks(record) == (started.restore, point(1))
        stopped = replace(record, checkpoints=(*record.checkpoints, point(3, FINAL, ours=False)))
        assert fallbacks(stopped) == (started.restore, point(1), point(3, FINAL, ours=False))
        assert restart_points(stopped) == (point(1), point(3, FINAL, ours=False))


class TestWhatGrows:
    """The record is written at every checkpoint, and a job may run for years."""

    def test_old_savepoints_shrink_to_their_ids(self) -> None:
        """Laws 2.3 and 6.2: they are kept and spared like those that are listed."""
        paths: list[str] = []
        record = RECORD
        for number in range(1, 2 * SAVEPOINTS_LISTED + 1):
            directory = f"dir-{number % 2}"
            paths.append(savepoint_path(directory, JOB, CheckpointId(number)))
            saved = replace(point(number, SAVEPOINT, ours=False), path=paths[-1])
            record = with_former_savepoints(replace(record, checkpoints=(*record.checkpoints, saved)))
        last = point(999, FINAL, ours=False)
        record = with_former_savepoints(replace(record, checkpoints=(*record.checkpoints, last)))
        assert len(record.checkpoints) == SAVEPOINTS_LISTED + 1
        odd, even = (tuple(map(CheckpointId, range(first, SAVEPOINTS_LISTED + 1, 2))) for first in (1, 2))
        assert record.former_savepoints == (FormerSavepoints("dir-1", odd), FormerSavepoints("dir-0", even))
        assert set(kept_paths(record)) == {*paths, last.path}
        assert sorted(spared_ids(record)) == [*range(1, 2 * SAVEPOINTS_LISTED + 1), 999]

    def test_what_is_retained_at_the_end_is_not_ours_any_more(self) -> None:
        """Law 2.3."""
        record = replace(RECORD, checkpoints=(point(1), point(2, SAVEPOINT, ours=False)))
        assert kept_paths(with_its_end(record, retained=False)) == ("chk-2",)
        assert kept_paths(with_its_end(record, retained=True)) == ("chk-1", "chk-2")

    def test_the_durations_of_checkpoints_that_are_gone_are_forgotten(self) -> None:
        shell = CoreShell(settings_of(checkpoints={"interval": 10}))
        shell.register("a", 1)
        shell.submit(keyed_job(1, bounded=False))
        shell.until_state(JobState.RUNNING)
        shell.run(1_000)
        coordinator, record = shell.job().coordinator, shell.job().context.journal.record
        assert coordinator.completed_count > 20
        assert set(coordinator.durations) == {point.checkpoint for point in record.checkpoints}
