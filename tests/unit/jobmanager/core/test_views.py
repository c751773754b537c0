"""What people are shown of a job."""

from millstream_jobmanager.core.views import job_details
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JobState
from tests.support.core_shell import CoreShell, settings_of
from tests.support.graphs import keyed_job


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
