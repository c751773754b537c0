"""What the core does in a busy cluster grows with what there is to do, not with its square."""

from collections.abc import Callable, Iterable

import pytest

from millstream_dataflow.identity import TaskId
from millstream_dataflow.records import EndReason
from millstream_jobmanager.core.cluster import ClusterCore
from millstream_jobmanager.core.commands import Command
from millstream_jobmanager.core.events import Event, MessageReceived, Tick
from millstream_jobmanager.core.moment import Moment
from millstream_jobmanager.core.views import job_details
from millstream_runtime.messages.session import Progress, TaskTotals
from millstream_runtime.states import JobState
from tests.support.core_shell import CoreShell, settings_of
from tests.support.graphs import forward_only, keyed_job
from tests.support.work import work

SMALL, LARGE = 20, 100
LINEAR = 1.5 * LARGE / SMALL
"""How much more may be done for the large job. What is quadratic does 25 times as much."""


def running(parallelism: int) -> CoreShell:
    shell = CoreShell()
    shell.register("a", parallelism)
    shell.submit(keyed_job(parallelism))
    shell.until_state(JobState.RUNNING)
    return shell


def report_progress(shell: CoreShell, tasks: Iterable[TaskId]) -> int:
    """What workers say every second of their tasks; the work that it makes."""
    totals = tuple(TaskTotals(task, 1, 1, 0, 0) for task in tasks)
    message = MessageReceived(shell.taskmanagers["a"].session, Progress(totals))
    return work(lambda: shell.core.handle(message, Moment(shell.now, shell.now)))


def tasks_of(shell: CoreShell) -> list[TaskId]:
    """In the present attempt, worker by worker."""
    [region] = shell.job().context.regions
    return list(region.task_ids)


def test_a_view_of_a_job() -> None:
    small, large = running(SMALL).job(), running(LARGE).job()
    assert work(lambda: job_details(large, {})) < LINEAR * work(lambda: job_details(small, {}))


def test_one_workers_progress_whatever_the_others_have_said() -> None:
    """It comes from every worker once a second."""
    reports: list[int] = []
    for parallelism in (SMALL, LARGE):
        shell = running(parallelism)
        report_progress(shell, tasks_of(shell))
        reports.append(report_progress(shell, tasks_of(shell)[:3]))
    assert reports[1] <= reports[0]


def test_an_event_that_says_nothing_of_the_job() -> None:
    """As most do: what follows from the facts is derived after each."""
    small, large = running(SMALL), running(LARGE)
    assert work(lambda: large.handle(Tick())) == work(lambda: small.handle(Tick()))


def lives(parallelism: int) -> None:
    """A job is deployed, takes a checkpoint, fails, and is restored."""
    shell = CoreShell(settings_of(checkpoints={"interval": 1_000}))
    shell.register("a", parallelism)
    shell.submit(keyed_job(parallelism, bounded=False))
    shell.run_until(lambda: bool(shell.completed))
    [region] = shell.job().context.regions
    shell.taskmanagers["a"].kill_worker(0)
    shell.run_until(lambda: region.number == 2 and shell.job().state is JobState.RUNNING)
    assert region.restored


def begins_anew(parallelism: int) -> None:
    """A job of as many regions takes checkpoints; everything dies, and all of them are restored from the same one."""
    shell = CoreShell(settings_of(checkpoints={"interval": 1_000}))
    shell.register("a", parallelism)
    shell.submit(forward_only(parallelism))
    shell.run_until(lambda: bool(shell.completed))
    shell.kill_jobmanager()
    shell.taskmanagers.pop("a").die()
    shell.start_jobmanager()
    shell.register("b", parallelism)
    shell.run_until(lambda: shell.job().state is JobState.RUNNING)
    assert all(region.restored for region in shell.job().context.regions)


@pytest.mark.parametrize("lives", [lives, begins_anew])
def test_no_event_of_a_jobs_life_is_long(monkeypatch: pytest.MonkeyPatch, lives: Callable[[int], None]) -> None:
    """Its channels are many: the square of what it has of everything else. A leader that counts them all in one event
    is taken for dead.
    """
    heaviest: list[int] = []
    handle = ClusterCore.handle

    def measured(core: ClusterCore, event: Event, now: Moment) -> list[Command]:
        done: list[Command] = []
        heaviest[-1] = max(heaviest[-1], work(lambda: done.extend(handle(core, event, now))))
        return done

    monkeypatch.setattr(ClusterCore, "handle", measured)
    for parallelism in (SMALL, LARGE):
        heaviest.append(0)
        lives(parallelism)
    small, large = heaviest
    assert large < LINEAR * small


class TestTotals:
    """They are of present attempts, so they don't grow with the life of a job."""

    def test_those_of_a_former_attempt_are_dropped(self) -> None:
        shell = running(2)
        [region] = shell.job().context.regions
        former = tasks_of(shell)
        report_progress(shell, former)
        assert list(shell.core.totals) == former
        shell.taskmanagers["a"].kill_worker(0)
        shell.run_until(lambda: region.number == 2 and shell.job().state is JobState.RUNNING)
        assert shell.core.totals == {}
        report_progress(shell, former)
        assert shell.core.totals == {}

    def test_those_of_a_job_that_is_forgotten_are_dropped(self) -> None:
        shell = running(2)
        report_progress(shell, tasks_of(shell))
        shell.taskmanagers["a"].end_of_data(shell.job().context.regions[0].attempt, EndReason.INPUT)
        shell.until_state(JobState.FINISHED)
        assert shell.core.totals
        shell.run(shell.cluster.tombstone_time)
        assert (shell.core.jobs, shell.core.totals) == ({}, {})
