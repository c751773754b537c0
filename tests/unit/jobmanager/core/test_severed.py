"""Law 9.2: a region that failed because two TaskManagers lost each other avoids that pair, once, and no other."""

from dataclasses import replace

from millstream_dataflow.identity import TaskManagerId
from millstream_jobmanager.core.region import Region
from millstream_jobmanager.core.settings import RestartKind, RestartSettings
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import PeerLost, TaskReport
from millstream_runtime.states import JobState, TaskState
from tests.support.core_shell import CoreShell, settings_of
from tests.support.graphs import keyed_job

A, B, C = map(TaskManagerId, "abc")


def running() -> tuple[CoreShell, Region]:
    """A job of two workers on `a` and `b`; `c` has come since, so each pair of them has the slots it needs."""
    # By the time of the restart all former workers are gone, so former places are preferred to others.
    shell = CoreShell(settings_of(restart=RestartSettings(RestartKind.FIXED_DELAY, delay=100)))
    shell.register(A)
    shell.register(B)
    shell.submit(keyed_job(2))
    shell.until_state(JobState.RUNNING)
    shell.register(C)
    [region] = shell.job().context.regions
    assert region.taskmanagers == {A, B}
    return shell, region


def lose_peer(shell: CoreShell, region: Region, *, attempt: int | None = None) -> None:
    """The connection that `b` has with `a` ends."""
    lost = region.attempt if attempt is None else replace(region.attempt, number=attempt)
    shell.say(shell.taskmanagers[B], PeerLost(lost, A))


def fail_tasks(shell: CoreShell) -> None:
    """All tasks on `b` follow."""
    for task in list(shell.taskmanagers[B].tasks):
        failure = Failure(FailureKind.EXTERNAL, "lost a worker on a", secondary=True)
        shell.taskmanagers[B].report(TaskReport(task, TaskState.FAILED, failure))


def runs_again(shell: CoreShell, region: Region) -> set[TaskManagerId]:
    """Where."""
    before = region.number
    shell.run_until(lambda: shell.job().state is JobState.RUNNING and region.number > before)
    return region.taskmanagers


def test_two_that_lost_each_other_are_kept_apart_until_the_region_runs_again() -> None:
    shell, region = running()
    lose_peer(shell, region)
    fail_tasks(shell)
    assert C in runs_again(shell, region)
    assert not region.severed


def test_a_worker_that_died_was_the_reason_and_not_the_network() -> None:
    """Its peers see the end of their sockets before anybody hears of its exit code."""
    shell, region = running()
    lose_peer(shell, region)
    fail_tasks(shell)
    shell.taskmanagers[A].kill_worker(0)
    assert runs_again(shell, region) == {A, B}


def test_losses_of_workers_that_are_being_ended_mean_nothing() -> None:
    shell, region = running()
    fail_tasks(shell)
    shell.run(1)
    lose_peer(shell, region)
    assert runs_again(shell, region) == {A, B}


def test_losses_of_a_former_attempt_mean_nothing() -> None:
    """Law 1.3."""
    shell, region = running()
    fail_tasks(shell)
    assert runs_again(shell, region) == {A, B}
    lose_peer(shell, region, attempt=1)
    fail_tasks(shell)
    assert runs_again(shell, region) == {A, B}
