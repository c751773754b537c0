"""The TaskManager's core, told what happens and asked what it does."""

from dataclasses import replace
from typing import TypeVar

import pytest

from millstream_dataflow.identity import (
    CheckpointId,
    Digest,
    Epoch,
    JobId,
    RegionAttempt,
    RegionId,
    SessionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    VertexId,
    worker_id,
)
from millstream_dataflow.job_graph import BlobRef, Versions
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.deployments import DataAddress, DeployWorker
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import (
    CancelRegion,
    CheckpointAcknowledged,
    CheckpointCompleted,
    ConfirmAcknowledged,
    Dismissed,
    FromJobManager,
    Heartbeat,
    JobEnded,
    Leaving,
    ListenOutput,
    Refused,
    RegionEnded,
    Register,
    Registered,
    ReleaseRegion,
    TaskOutput,
    TaskReport,
    TaskStateChanged,
    TriggerCheckpoint,
    WorkerEnded,
)
from millstream_runtime.messages.snapshots import TaskSnapshot
from millstream_runtime.messages.worker import CancelTasks, LeaderChanged
from millstream_runtime.states import TaskState
from millstream_taskmanager.core.commands import (
    CloseSession,
    Command,
    DropJob,
    KillWorker,
    Leave,
    SendToLeader,
    SendToWorker,
    StartWorker,
    Tell,
)
from millstream_taskmanager.core.core import Self, TaskManagerCore, TaskManagerSettings
from millstream_taskmanager.core.events import (
    Event,
    LeaderConnected,
    LeaderDisconnected,
    LeaderSaid,
    Stopping,
    Tick,
    ToldToLeave,
    WorkerExited,
    WorkerSaid,
)

JOB = JobId("j" * 32)
ME = Self(TaskManagerId("tm"), DataAddress("h", 1, "/d", "m"), Versions("3.11", "0", "3", "26"), "resource")
ATTEMPT = RegionAttempt(JOB, RegionId(0), 1)
SUBTASK = SubtaskId(VertexId("v"), 0)
TASK = TaskId(ATTEMPT, SUBTASK)
BLOB = BlobRef(Digest("d"), 1)
DEPLOY = DeployWorker(worker_id(ATTEMPT, 0), ATTEMPT, 0, 0, (SUBTASK,), BLOB, BLOB)
WORKER = DEPLOY.worker
SNAPSHOT = TaskSnapshot(None)
T = TypeVar("T")


class Told:
    """A core with a leader, and what it has asked for."""

    def __init__(self, *, slots: int = 2) -> None:
        self.core = TaskManagerCore(ME, TaskManagerSettings(slots, leader_absence_timeout=1_000, shutdown_timeout=400))
        self.now = 0
        self.sessions = 0
        self.last: list[Command] = []

    def tell(self, event: Event) -> list[Command]:
        """One event."""
        self.last = self.core.handle(event, self.now)
        return self.last

    def connect(self, epoch: int = 1) -> Register:
        """A new session with a leader; what was registered."""
        self.sessions += 1
        (said,) = self.tell(LeaderConnected(self.session))
        assert isinstance(said, SendToLeader)
        assert isinstance(said.message, Register)
        self.leader(Registered("jm", 100, 500), epoch)
        return said.message

    @property
    def session(self) -> SessionId:
        """The present one."""
        return SessionId(ME.id, self.sessions)

    def leader(self, message: FromJobManager, epoch: int = 1) -> list[Command]:
        """The leader says something."""
        return self.tell(LeaderSaid(self.session, Epoch(epoch), message))

    def at(self, now: int) -> list[Command]:
        """Time passes."""
        self.now = now
        return self.tell(Tick())

    def to_leader(self, cls: type[T]) -> list[T]:
        """What was sent of one kind."""
        return [c.message for c in self.last if isinstance(c, SendToLeader) and isinstance(c.message, cls)]

    def to_worker(self, cls: type[T]) -> list[T]:
        """What a worker was told of one kind."""
        return [c.message for c in self.last if isinstance(c, SendToWorker) and isinstance(c.message, cls)]


@pytest.fixture
def told() -> Told:
    """Registered, with one worker."""
    told = Told()
    told.connect()
    told.leader(DEPLOY)
    return told


def running(told: Told) -> None:
    told.tell(WorkerSaid(WORKER, TaskStateChanged(TaskReport(TASK, TaskState.RUNNING))))


def test_a_deployment_starts_a_worker_and_reports_its_tasks(told: Told) -> None:
    assert StartWorker(DEPLOY) in told.last
    assert told.to_leader(TaskStateChanged) == [TaskStateChanged(TaskReport(TASK, TaskState.DEPLOYING))]


def test_a_repeated_deployment_does_nothing(told: Told) -> None:
    """Law 3.1: commands are idempotent."""
    assert told.leader(DEPLOY) == []


def test_a_deployment_to_a_slot_that_is_taken_is_answered(told: Told) -> None:
    other = replace(DEPLOY, worker=worker_id(ATTEMPT, 1), ordinal=1)
    told.leader(other)
    (ended,) = told.to_leader(WorkerEnded)
    assert (ended.died, "not free" in ended.cause) == (True, True)


def test_a_deployment_of_a_cancelled_attempt_is_too_late(told: Told) -> None:
    """Law 1.3: what carries an older attempt has no effect."""
    told.leader(CancelRegion(replace(ATTEMPT, number=2), 200))
    other = replace(DEPLOY, attempt=replace(ATTEMPT, number=2), worker=worker_id(replace(ATTEMPT, number=2), 0), slot=1)
    told.leader(other)
    assert not any(isinstance(command, StartWorker) for command in told.last)
    assert [ended.died for ended in told.to_leader(WorkerEnded)] == [False]


def test_an_older_epoch_is_refused_and_its_stream_closed(told: Told) -> None:
    """Law 1.2."""
    told.leader(Heartbeat(1), epoch=5)
    commands = told.leader(CancelRegion(ATTEMPT, 0), epoch=4)
    assert [command for command in commands if isinstance(command, CloseSession)]
    assert not told.to_worker(CancelTasks)


def test_orders_go_to_the_workers_they_concern(told: Told) -> None:
    trigger = TriggerCheckpoint((TASK,), CheckpointId(1), SnapshotKind.CHECKPOINT, "d")
    told.leader(trigger)
    assert told.to_worker(TriggerCheckpoint) == [trigger]
    told.leader(replace(trigger, tasks=(replace(TASK, attempt=replace(ATTEMPT, number=9)),)))
    assert told.to_worker(TriggerCheckpoint) == []


def test_an_acknowledgement_is_registered_until_it_is_confirmed(told: Told) -> None:
    """Law 3.1: a registration carries what isn't confirmed."""
    running(told)
    acknowledged = CheckpointAcknowledged(TASK, CheckpointId(3), SNAPSHOT)
    told.tell(WorkerSaid(WORKER, acknowledged))
    assert told.connect().acknowledgements == (acknowledged,)
    told.leader(ConfirmAcknowledged(TASK, CheckpointId(3)))
    registration = told.connect()
    assert registration.acknowledgements == ()
    assert registration.jobs == (JOB,)


def test_a_final_state_is_registered_until_the_region_has_ended(told: Told) -> None:
    """Law 3.4."""
    told.tell(WorkerSaid(WORKER, TaskStateChanged(TaskReport(TASK, TaskState.FINISHED))))
    assert [report.state for report in told.connect().tasks] == [TaskState.FINISHED]
    told.leader(RegionEnded(ATTEMPT))
    assert told.to_worker(CancelTasks)
    assert told.connect().tasks == ()


def test_a_released_region_gives_its_slots_back_and_keeps_its_reports(told: Told) -> None:
    """Law 5.2: what its tasks leave lies here, and by the reports a new leader knows of it."""
    told.tell(WorkerSaid(WORKER, TaskStateChanged(TaskReport(TASK, TaskState.FINISHED))))
    told.leader(ReleaseRegion(ATTEMPT))
    assert told.to_worker(CancelTasks)
    told.tell(WorkerExited(WORKER, "it left", crashed=False))
    (ended,) = told.to_leader(WorkerEnded)
    assert not ended.died
    registration = told.connect()
    assert (registration.workers, [report.state for report in registration.tasks]) == ((), [TaskState.FINISHED])
    told.leader(ReleaseRegion(ATTEMPT))
    assert told.last == [], "it is repeated after a new session"
    told.leader(RegionEnded(ATTEMPT))
    assert told.connect().tasks == ()


def test_a_worker_that_dies_fails_its_tasks_with_the_reason(told: Told) -> None:
    running(told)
    told.tell(WorkerExited(WORKER, "killed by signal 9; it printed: boom", crashed=True))
    (changed,) = told.to_leader(TaskStateChanged)
    assert changed.report.state is TaskState.FAILED
    assert changed.report.failure is not None
    assert "signal 9" in changed.report.failure.message
    (ended,) = told.to_leader(WorkerEnded)
    assert ended.died


def test_tasks_whose_worker_never_began_have_not_failed(told: Told) -> None:
    """What it was to be made of may be gone with the leader, and the next one must know (law 3.4)."""
    told.tell(LeaderDisconnected(told.session, "killed"))
    told.tell(WorkerExited(WORKER, "the worker could not be started: there is no blob", crashed=False))
    registration = told.connect(epoch=2)
    assert registration.workers == ()
    assert [report.state for report in registration.tasks] == [TaskState.CANCELED]


def test_a_worker_that_crashed_before_it_was_asked_to_leave_is_told_as_a_death(told: Told) -> None:
    """The root cause isn't hidden by the cancellation that its peers' failures led to."""
    running(told)
    told.leader(CancelRegion(ATTEMPT, 200))
    told.tell(WorkerExited(WORKER, "killed by signal 9", crashed=True))
    (ended,) = told.to_leader(WorkerEnded)
    assert (ended.died, ended.cause) == (True, "killed by signal 9")


def test_a_worker_that_ignores_cancel_is_killed_in_time(told: Told) -> None:
    """Law 3.6."""
    told.leader(CancelRegion(ATTEMPT, 200))
    assert told.to_worker(CancelTasks)
    assert told.core.deadline() in {100, 200}
    told.leader(Heartbeat(1))
    assert not any(isinstance(command, KillWorker) for command in told.at(199))
    assert [command for command in told.at(200) if isinstance(command, KillWorker)]


def test_workers_hear_that_the_leader_is_lost_and_found(told: Told) -> None:
    """Law 4.2: without a leader alignments are given up."""
    told.tell(LeaderDisconnected(told.session, "killed"))
    assert told.to_worker(LeaderChanged) == [LeaderChanged(present=False)]
    told.connect(epoch=2)
    assert told.to_worker(LeaderChanged) == [LeaderChanged(present=True)]


def test_a_silent_leader_is_left(told: Told) -> None:
    assert [command for command in told.at(500) if isinstance(command, CloseSession)]


def test_without_a_leader_for_too_long_the_tasks_are_cancelled(told: Told) -> None:
    """Law 3.5."""
    running(told)
    told.tell(LeaderDisconnected(told.session, "killed"))
    told.at(999)
    assert not told.to_worker(CancelTasks)
    told.at(1_000)
    assert told.to_worker(CancelTasks)


def test_when_they_were_cancelled_only_the_end_of_the_grace_is_waited_for(told: Told) -> None:
    """A deadline that has passed and changes nothing would keep the loop busy until the workers have gone."""
    running(told)
    told.tell(LeaderDisconnected(told.session, "killed"))
    told.at(1_000)
    assert told.core.deadline() == 1_200


def test_the_next_leader_hears_that_they_were_cancelled(told: Told) -> None:
    """Laws 3.4 and 3.5: it must not take them for running ones, neither while their worker leaves nor afterwards."""
    running(told)
    told.tell(LeaderDisconnected(told.session, "killed"))
    told.at(1_000)
    (report,) = told.connect(epoch=2).tasks
    assert (report.task, report.state) == (TASK, TaskState.CANCELED)
    assert report.failure == Failure(FailureKind.EXTERNAL, "no leader was there for too long", secondary=True)
    told.tell(WorkerExited(WORKER, "left", crashed=False))
    registration = told.connect(epoch=2)
    assert (registration.workers, registration.tasks) == ((), (report,))
    told.leader(CancelRegion(ATTEMPT, 200), epoch=2)
    assert told.connect(epoch=2).tasks == ()


def test_what_had_finished_stays_finished_without_a_leader(told: Told) -> None:
    """Law 3.4: a final state stays until the region has ended."""
    told.tell(WorkerSaid(WORKER, TaskStateChanged(TaskReport(TASK, TaskState.FINISHED))))
    told.tell(LeaderDisconnected(told.session, "killed"))
    told.at(1_000)
    assert [report.state for report in told.connect(epoch=2).tasks] == [TaskState.FINISHED]


def test_a_job_is_registered_for_as_long_as_anything_of_it_is_here(told: Told) -> None:
    """Law 3.1: its end may have been told into a stream that broke, and its blobs would stay for ever."""
    told.leader(CancelRegion(ATTEMPT, 200))
    told.tell(WorkerExited(WORKER, "left", crashed=False))
    registration = told.connect()
    assert (registration.workers, registration.tasks) == ((), ())
    assert registration.jobs == (JOB,)
    told.leader(JobEnded(JOB))
    assert told.connect().jobs == ()


def test_a_job_that_is_only_listened_to_is_registered(told: Told) -> None:
    other = JobId("k" * 32)
    told.leader(ListenOutput(other, listen=True))
    assert other in told.connect().jobs


def test_a_message_of_a_session_that_is_over_means_nothing(told: Told) -> None:
    former = told.session
    told.connect()
    assert told.tell(LeaderSaid(former, Epoch(1), CancelRegion(ATTEMPT, 0))) == []


def test_the_end_of_a_job_ends_its_workers_and_forgets_it(told: Told) -> None:
    told.leader(CheckpointCompleted(ATTEMPT, CheckpointId(1), commits=True, last=False))
    told.leader(JobEnded(JOB))
    assert told.to_worker(CancelTasks)
    assert DropJob(JOB) in told.last
    registration = told.connect()
    assert (registration.tasks, registration.jobs) == ((), ())


def test_who_listens_to_a_job_hears_its_workers_and_those_that_start_afterwards(told: Told) -> None:
    listen = ListenOutput(JOB, listen=True)
    told.leader(listen)
    assert told.to_worker(ListenOutput) == [listen]
    told.leader(replace(DEPLOY, worker=worker_id(ATTEMPT, 1), slot=1, subtasks=(SubtaskId(VertexId("v"), 1),)))
    assert [type(command) for command in told.last[:2]] == [StartWorker, SendToWorker]
    assert told.to_worker(ListenOutput) == [listen]
    told.leader(ListenOutput(JOB, listen=False))
    assert told.to_worker(ListenOutput) == [ListenOutput(JOB, listen=False)] * 2


def test_a_new_leader_is_listened_for_by_nobody(told: Told) -> None:
    """The same one is, after its connection broke: it may not know that it must ask again."""
    told.leader(ListenOutput(JOB, listen=True))
    told.connect()
    assert told.to_worker(ListenOutput) == []
    told.connect(epoch=2)
    assert told.to_worker(ListenOutput) == [ListenOutput(JOB, listen=False)]


def test_the_last_output_of_a_worker_that_leaves_is_passed_on(told: Told) -> None:
    output = TaskOutput(TASK, error_stream=False, text="closed")
    told.leader(RegionEnded(ATTEMPT))
    told.tell(WorkerSaid(WORKER, output))
    assert told.to_leader(TaskOutput) == [output]
    told.tell(LeaderDisconnected(told.session, "killed"))
    told.tell(WorkerSaid(WORKER, output))
    assert told.last == []


def test_a_refusal_is_told_to_people_and_ends_the_session(told: Told) -> None:
    running(told)
    told.leader(Refused("install 0.2"))
    assert [c.text for c in told.last if isinstance(c, Tell) and c.warning and "install 0.2" in c.text]
    assert CloseSession(told.session, "install 0.2", refused=True) in told.last
    assert told.to_worker(LeaderChanged) == [LeaderChanged(present=False)]


def test_when_it_stops_its_workers_leave_or_are_killed(told: Told) -> None:
    told.tell(Stopping())
    assert told.to_worker(CancelTasks) == [CancelTasks("its TaskManager is stopping")]
    assert [command for command in told.at(200) if isinstance(command, KillWorker)]
    told.tell(WorkerExited(WORKER, "killed", crashed=False))
    assert told.last == []
    assert told.core.deadline() is None


class TestLeaving:
    """Told to end, it has its tasks go elsewhere first (ARCHITECTURE 5)."""

    def test_it_tells_the_leader_once_and_goes_when_it_is_dismissed(self, told: Told) -> None:
        told.tell(ToldToLeave())
        assert told.to_leader(Leaving) == [Leaving()]
        assert told.tell(ToldToLeave()) == []
        told.leader(CancelRegion(ATTEMPT, 200))
        told.tell(WorkerExited(WORKER, "it ended", crashed=False))
        assert Leave() not in told.last  # a deployment may be on its way
        told.leader(Dismissed())
        assert Leave() in told.last
        assert Leave() not in told.leader(Dismissed())
        assert Leave() not in told.at(1_000)

    def test_a_dismissal_means_nothing_to_one_that_stays(self, told: Told) -> None:
        assert told.leader(Dismissed()) == []

    def test_every_registration_from_then_on_says_so(self, told: Told) -> None:
        """Law 3.1: a registration carries the whole truth."""
        assert not told.connect().leaving
        told.tell(ToldToLeave())
        assert told.connect().leaving
        told.tell(LeaderDisconnected(told.session, "it broke"))
        assert told.connect(epoch=2).leaving

    def test_a_deployment_that_crossed_the_word_begins_all_the_same(self, told: Told) -> None:
        """The leader moves it; to refuse it would be a failure of its region."""
        told.tell(ToldToLeave())
        subtasks = (SubtaskId(VertexId("v"), 1),)
        other = replace(DEPLOY, worker=worker_id(ATTEMPT, 1), ordinal=1, slot=1, subtasks=subtasks)
        assert StartWorker(other) in told.leader(other)

    def test_when_its_grace_is_over_it_goes_with_what_runs(self, told: Told) -> None:
        told.tell(ToldToLeave())
        assert told.core.deadline() == 100  # the heartbeat
        told.at(399)
        assert Leave() not in told.last
        assert told.core.deadline() == 400
        told.at(400)
        assert Leave() in told.last
        [why] = [c.text for c in told.last if isinstance(c, Tell)]
        assert why.endswith("1 worker could not be placed elsewhere within taskmanager.shutdown-timeout")
        assert told.core.deadline() == 499  # the next heartbeat: it stands still for nobody

    def test_without_a_leader_it_goes_when_nothing_runs(self) -> None:
        told = Told()
        assert Leave() in told.tell(ToldToLeave())

    def test_without_a_leader_its_tasks_have_the_grace_for_one_to_come(self, told: Told) -> None:
        told.tell(LeaderDisconnected(told.session, "it broke"))
        told.tell(ToldToLeave())
        assert Leave() not in told.last
        assert told.core.deadline() == 400
        assert Leave() not in told.at(399)
        told.tell(WorkerExited(WORKER, "it ended", crashed=False))
        assert Leave() in told.last
