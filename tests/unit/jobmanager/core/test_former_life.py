"""A job goes on under its own id, from its own checkpoint, where the store was lost."""

from millstream_jobmanager.core.settings import RestartSettings
from millstream_jobmanager.core.submission import UNSEEN_ATTEMPTS
from millstream_runtime.states import JobState
from tests.support.core_shell import CoreShell, settings_of
from tests.support.graphs import JOB, keyed_job


def lost(slots: int) -> CoreShell:
    """It ran, completed a checkpoint, and nobody knows of it any more; a TaskManager that still runs it was away."""
    shell = CoreShell(settings_of(checkpoints={"interval": 1_000}, restart=RestartSettings(delay=10)))
    shell.register("a", 1)
    shell.submit(keyed_job(1, bounded=False))
    shell.until_state(JobState.RUNNING)
    shell.run(1_500)
    (path,) = shell.metadata
    shell.kill_jobmanager()
    shell.records.clear()
    shell.start_jobmanager()
    if slots:
        shell.register("b", slots)
    shell.submit(keyed_job(1, bounded=False), restore_path=path)
    shell.run(10)
    return shell


def test_a_taskmanager_that_still_runs_it_has_nothing_of_its_new_attempts() -> None:
    shell = lost(1)
    shell.until_state(JobState.RUNNING)
    (region,) = shell.job().context.regions
    assert region.number == 1 + UNSEEN_ATTEMPTS + 1
    shell.register("a")
    assert region.taskmanagers == {"b"}
    shell.run(500)
    assert not shell.taskmanagers["a"].workers
    assert shell.job().state is JobState.RUNNING


def test_its_attempts_are_above_those_also_under_a_leader_that_finds_it_waiting_for_slots() -> None:
    shell = lost(0)
    shell.kill_jobmanager()
    shell.start_jobmanager()
    shell.register("b", 1)
    shell.until_state(JobState.RUNNING)
    assert shell.job().context.regions[0].number == 1 + UNSEEN_ATTEMPTS + 1
    assert shell.records[JOB].regions[0].workers
