"""What people are shown of a job."""

import pytest

from millstream_jobmanager.core.views import cluster_view, job_details
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import TaskReport
from millstream_runtime.states import JobState, TaskState
from tests.support.core_shell import CoreShell, settings_of
from tests.support.graphs import VERSIONS, keyed_job


def details(shell: CoreShell) -> JobDetails:
    return job_details(shell.job(), {})


def test_restarts_are_shown_with_their_causes() -> None:
    shell = CoreShell(settings_of())
    shell.register("a")
    shell.submit(keyed_job(1))
    shell.until_state(JobState.RUNNING)
    shell.taskmanagers["a"].kill_worker(0, "it ended with exit code 7\n  it printed last:\n  Traceback")
    shell.run(50)
    [restart] = details(shell).restarts
    assert (restart.region, restart.attempt) == (0, 2)
    names = "Source (1/1), Count (1/1), Sink (1/1)"
    assert restart.failure.headline == f"the process of {names}: it ended with exit code 7"


def test_tasks_have_the_names_of_their_vertices() -> None:
    shell = CoreShell(settings_of())
    shell.register("a")
    shell.submit(keyed_job(1))
    shell.until_state(JobState.RUNNING)
    assert [(task.name, task.index) for task in details(shell).tasks] == [("Source", 0), ("Count", 0), ("Sink", 0)]


def test_a_new_leader_shows_the_audit_of_what_its_predecessor_took_before_it_takes_anything_itself() -> None:
    shell = CoreShell(settings_of(checkpoints={"interval": 1_000}))
    shell.register("a")
    shell.submit(keyed_job(1))
    shell.until_state(JobState.RUNNING)
    shell.run_until(lambda: shell.job().coordinator.completed_count == 1)
    audit = details(shell).edges, details(shell).operators
    assert audit != ((), ())
    assert any(edge.sent for edge in audit[0])
    shell.kill_jobmanager()
    shell.start_jobmanager()
    shell.register("a")
    shell.until_state(JobState.RUNNING)
    shell.run(50)
    assert shell.job().coordinator.completed_count == 0
    assert (details(shell).edges, details(shell).operators) == audit


@pytest.mark.parametrize("checkpoints", [1, 2])
def test_a_damaged_checkpoint_leads_to_older_ones_only_where_there_are_some(checkpoints: int) -> None:
    shell = CoreShell(settings_of(checkpoints={"interval": 1_000}))
    shell.register("a")
    shell.submit(keyed_job(1))
    shell.run_until(lambda: shell.job().coordinator.completed_count == checkpoints)
    newest, *older = reversed([point.path for point in details(shell).checkpoints])
    assert len(older) == checkpoints - 1
    failure = Failure(FailureKind.CHECKPOINT, "its file is cut off")
    task = next(iter(shell.job().context.regions[0].task_ids))
    shell.taskmanagers["a"].report(TaskReport(task, TaskState.FAILED, failure))
    shell.until_state(JobState.FAILED)
    assert (told := details(shell).status.failure) is not None
    assert told.message.startswith(f"checkpoint {newest} is damaged (its file is cut off); ")
    assert ("there is no older one" in told.message) is not bool(older)
    assert ("--accept-duplicates" in told.message) is bool(older)
    assert all(path in told.message for path in older)


def test_a_taskmanager_that_is_leaving_is_shown_as_such() -> None:
    shell = CoreShell(settings_of())
    shell.register("a")
    shell.submit(keyed_job(1))
    shell.until_state(JobState.RUNNING)
    shell.register("b")
    shell.taskmanagers["a"].leave()
    shell.run(1)
    view = cluster_view(shell.core, VERSIONS)
    assert [(taskmanager.taskmanager, taskmanager.leaving) for taskmanager in view.taskmanagers] == [
        ("a", True),
        ("b", False),
    ]
    assert view.jobs[0].note.startswith("TaskManager a is leaving")
