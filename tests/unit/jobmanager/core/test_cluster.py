"""What the cluster decides about time and about what TaskManagers say of themselves."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

import pytest

from millstream_dataflow.identity import JobId, TaskId
from millstream_jobmanager.core.commands import CloseSession, Command, Send
from millstream_jobmanager.core.events import MessageReceived, SessionClosed, SessionOpened
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.settings import ClusterSettings, RestartKind, RestartSettings
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import (
    FromTaskManager,
    Heartbeat,
    Progress,
    Refused,
    Registered,
    TaskReport,
    TaskStateChanged,
    WorkerReport,
)
from millstream_runtime.states import JobState, TaskState
from tests.support.core_shell import CoreShell, settings_of
from tests.support.fake_taskmanager import FakeTaskManager
from tests.support.graphs import keyed_job

NO_RESTART = RestartSettings(RestartKind.NONE)


def running(shell: CoreShell, parallelism: int = 2) -> FakeTaskManager:
    """A job that runs on one TaskManager."""
    taskmanager = shell.register("a", parallelism)
    shell.submit(keyed_job(parallelism))
    shell.until_state(JobState.RUNNING)
    return taskmanager


def register(
    shell: CoreShell,
    taskmanager: FakeTaskManager,
    workers: Sequence[WorkerReport] | None = None,
    tasks: Sequence[TaskReport] | None = None,
) -> None:
    """Open a session that says this; None: the truth."""
    taskmanager.session = replace(taskmanager.session, number=taskmanager.session.number + 1)
    taskmanager.connected = True
    truth = taskmanager.registration()
    said = replace(
        truth,
        workers=truth.workers if workers is None else tuple(workers),
        tasks=truth.tasks if tasks is None else tuple(tasks),
    )
    shell.handle(SessionOpened(taskmanager.session, said))


class TestDeadlines:
    @pytest.mark.parametrize("message", [Heartbeat(1), Progress(())], ids=["heartbeat", "progress"])
    def test_a_sign_of_life_at_the_time_of_a_deadline_does_not_swallow_it(self, message: FromTaskManager) -> None:
        """Nothing is settled for it, so what is due then must still be due afterwards."""
        shell = CoreShell(settings_of(checkpoints={"interval": 1_000}))
        taskmanager = running(shell)
        shell.run(500)
        due = shell.core.deadline()
        assert due is not None
        shell.now = due
        shell.handle(MessageReceived(taskmanager.session, message))
        assert not shell.job().coordinator.pending
        assert shell.core.deadline() == due
        shell.run_until(lambda: bool(shell.job().coordinator.pending), limit=due + 10)
        assert shell.job().coordinator.pending

    def test_a_deposed_leader_waits_for_nothing(self) -> None:
        shell = CoreShell()
        running(shell)
        shell.core._deposed = True
        assert shell.core.deadline() is None


class TestRegistrations:
    def test_tasks_whose_workers_are_gone_are_not_adopted(self) -> None:
        """Law 3.4: whoever shows a running task without its worker shows nothing that runs."""
        shell = CoreShell(settings_of(restart=NO_RESTART))
        taskmanager = running(shell)
        shell.kill_jobmanager()
        taskmanager.workers.clear()
        shell.start_jobmanager()
        register(shell, taskmanager)
        [region] = shell.job().context.regions
        shell.until_state(JobState.RUNNING)
        assert (region.number, len(taskmanager.workers)) == (2, 2)

    def test_tasks_that_were_cancelled_without_a_leader_are_nobodys_failure(self) -> None:
        """Laws 3.4 and 3.5: it counts as little as a task that is missing."""
        shell = CoreShell(settings_of(restart=NO_RESTART))
        taskmanager = running(shell)
        shell.kill_jobmanager()
        taskmanager.workers.clear()
        absent = Failure(FailureKind.EXTERNAL, "no leader was there for too long", secondary=True)
        taskmanager.tasks = {task: TaskReport(task, TaskState.CANCELED, absent) for task in taskmanager.tasks}
        shell.start_jobmanager()
        register(shell, taskmanager)
        [region] = shell.job().context.regions
        shell.until_state(JobState.RUNNING)
        assert region.number == 2

    def test_a_session_without_the_worker_of_a_running_task_fails_its_region(self) -> None:
        shell = CoreShell()
        taskmanager = running(shell)
        shell.handle(SessionClosed(taskmanager.session, "cut"))
        register(shell, taskmanager, workers=taskmanager.registration().workers[:1])
        [region] = shell.job().context.regions
        assert region.failure is not None
        assert "is gone from TaskManager a" in region.failure.message

    def test_what_can_not_be_fails_the_region_and_not_the_jobmanager(self) -> None:
        """Nothing else of the registration is lost, and the next session can't say it again."""
        shell = CoreShell()
        taskmanager = running(shell)
        impossible = [TaskReport(task, TaskState.DEPLOYING) for task in sorted(taskmanager.tasks)]
        register(shell, taskmanager, tasks=impossible)
        [region] = shell.job().context.regions
        assert region.failure is not None
        assert region.failure.message.startswith("TaskManager a has registered what can't be: ")
        assert region.state is RegionState.WAITING
        shell.until_state(JobState.RUNNING)
        assert region.number == 2


class TestSessions:
    def test_a_session_that_comes_before_the_end_of_the_former_is_seen_is_taken(self) -> None:
        """Law 3.1: the newer closes the older, whose end is no death when it is seen at last."""
        shell = CoreShell()
        taskmanager = running(shell)
        former = taskmanager.session
        shell.commands.clear()
        register(shell, taskmanager)
        shell.handle(SessionClosed(former, "cut"))
        assert CloseSession(former, "a newer session of the same TaskManager has registered") in shell.commands
        assert [each.session.number for each in shell.commands if is_answer(each)] == [former.number + 1]
        shell.run(10_000)
        assert shell.job().context.regions[0].number == 1

    def test_a_registration_that_comes_twice_is_answered_once_and_ends_no_session(self) -> None:
        shell = CoreShell()
        taskmanager = running(shell)
        shell.commands.clear()
        shell.handle(SessionOpened(taskmanager.session, taskmanager.registration()))
        assert shell.commands == []

    def test_who_was_replaced_hears_why_nobody_listens_to_it_any_more(self) -> None:
        """Its successor registers with its resource, and the end of its stream hasn't been seen."""
        shell = CoreShell()
        former = shell.register("a", resource="host/0").session
        shell.commands.clear()
        shell.register("b", resource="host/0")
        reason = "TaskManager b has registered as host/0 in its place"
        assert shell.commands[:2] == [Send(former, Refused(reason)), CloseSession(former, reason)]
        assert list(shell.core.taskmanagers()) == ["b"]


def is_answer(command: Command) -> TypeGuard[Send]:
    """A registration is taken."""
    return isinstance(command, Send) and isinstance(command.message, Registered)


class TestSlowStarts:
    CLUSTER = ClusterSettings(deployment_timeout=20_000)

    def test_a_worker_that_never_starts_fails_its_region(self) -> None:
        shell = CoreShell(cluster=self.CLUSTER)
        taskmanager = shell.register("a", 2)
        shell.submit(keyed_job(2))
        shell.run_until(lambda: len(taskmanager.workers) == 2)
        taskmanager.leaving.add(min(taskmanager.workers))  # nothing is heard of it, as if its process hung
        shell.run_until(lambda: shell.job().context.regions[0].failure is not None, limit=30_000)
        [region] = shell.job().context.regions
        assert region.failure is not None
        assert region.failure.message == (
            "worker job-1-0-1-0 on TaskManager a has not started within 20000 ms "
            "(jobmanager.execution.deployment-timeout)"
        )
        assert region.failed_at >= 20_000
        shell.until_state(JobState.RUNNING)

    def test_one_that_has_started_may_take_its_time(self) -> None:
        """Its functions may open for as long as they like."""
        shell = CoreShell(cluster=self.CLUSTER)
        taskmanager = shell.register("a", 1)
        shell.submit(keyed_job(1))
        shell.run_until(lambda: bool(taskmanager.workers))
        [(name, worker)] = taskmanager.workers.items()
        shell.run_until(lambda: TaskState.INITIALIZING in {report.state for report in taskmanager.tasks.values()})
        taskmanager.leaving.add(name)  # nothing more is heard of it
        shell.run(100_000)
        [region] = shell.job().context.regions
        assert (region.state, region.failure) == (RegionState.DEPLOYING, None)
        taskmanager.leaving.clear()
        for subtask in worker.subtasks:
            taskmanager.report(TaskReport(TaskId(worker.attempt, subtask), TaskState.RUNNING))
        shell.until_state(JobState.RUNNING)

    def test_reading_state_takes_as_long_as_it_takes(self) -> None:
        shell = CoreShell(settings_of(checkpoints={"interval": 100}), self.CLUSTER)
        taskmanager = running(shell, 1)
        shell.run_until(lambda: shell.job().coordinator.completed_count > 0)
        taskmanager.mute = True
        taskmanager.kill_worker(0)
        shell.run(100_000)
        [region] = shell.job().context.regions
        assert (region.state, region.number) == (RegionState.DEPLOYING, 2)


def test_a_region_that_lost_a_worker_gets_no_deployment_again() -> None:
    """Of two deployments one has arrived and its worker is gone, the other was lost on the way (law 3.1)."""
    shell = CoreShell()
    taskmanager = shell.register("a", 2)
    taskmanager.mute = True
    shell.submit(keyed_job(2))
    shell.run(10)
    region = shell.job().context.regions[0]
    assert region.state is RegionState.DEPLOYING
    first = region.plan.workers[0].subtasks[0]
    shell.say(taskmanager, TaskStateChanged(TaskReport(TaskId(region.attempt, first), TaskState.DEPLOYING)))
    shell.run(10)
    shell.commands.clear()
    register(shell, taskmanager, workers=(), tasks=())
    assert region.failed_number == 1
    sent = [command.message for command in shell.commands if isinstance(command, Send)]
    assert not [message for message in sent if isinstance(message, DeployWorker)]


class TestLeaving:
    """A TaskManager that is to end (ARCHITECTURE 5); tests/stories/core/leaving*.txt tell the rest."""

    def test_one_job_that_waits_in_vain_does_not_hold_up_the_moves_of_another(self) -> None:
        """Its region is larger than all that is free, so it claims nothing of it."""
        shell = CoreShell(settings_of(checkpoints={"interval": 1_000}))
        running(shell, 1)
        shell.submit(replace(keyed_job(9), job=JobId("greedy")))
        shell.register("b", 1)
        shell.taskmanagers["a"].leave()
        shell.run(100)
        assert shell.job().context.regions[0].taskmanagers == {"b"}
        assert "a" not in shell.taskmanagers

    def test_two_jobs_do_not_move_into_one_slot(self) -> None:
        """The first waits for the worker that it leaves at b; the second stays where it is, rather than take the slot
        that the first needs as well.
        """
        shell = CoreShell(settings_of(checkpoints={"interval": 1_000}))
        jobs = [JobId("one"), JobId("two")]
        shell.register("a")
        shell.register("b").stubborn = True
        shell.submit(replace(keyed_job(2), job=jobs[0]))
        shell.register("c")
        shell.submit(replace(keyed_job(1), job=jobs[1]))
        shell.run(500)
        shell.register("d")
        shell.taskmanagers["a"].leave()
        shell.taskmanagers["c"].leave()
        shell.run(300)
        assert [shell.job(job).state for job in jobs] == [JobState.RUNNING] * 2
        assert [shell.job(job).context.regions[0].taskmanagers for job in jobs] == [{"b", "d"}, {"c"}]
        assert [shell.job(job).context.regions[0].number for job in jobs] == [2, 1]
