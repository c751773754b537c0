"""Stages, where a story would say too little."""

import pytest

from millstream_dataflow.identity import RegionAttempt, RegionId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.plan import Plan
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.stages import outdated
from millstream_jobmanager.core.validation import graph_problem
from millstream_runtime.messages.client import CancelJob, StopJob, TriggerSavepoint
from millstream_runtime.messages.record import RegionRecord
from millstream_runtime.messages.session import StopMode
from millstream_runtime.states import JobState
from tests.support.core_shell import CoreShell, settings_of
from tests.support.graphs import JOB, edge, graph, sink, source, staged_job


def running(shell: CoreShell, slots: int = 2) -> None:
    shell.register("a", slots)
    shell.submit(staged_job(2))
    shell.until_state(JobState.RUNNING)


@pytest.mark.parametrize(
    "ask", [TriggerSavepoint(JOB, "one"), StopJob(JOB, "two", StopMode.DRAIN)], ids=["save", "stop"]
)
def test_a_batch_job_takes_no_savepoint(ask: TriggerSavepoint | StopJob) -> None:
    shell = CoreShell(settings_of(batch=True))
    running(shell)
    request = shell.ask(ask)
    shell.run(10)
    refusal = shell.replies[request].refusal
    assert refusal is not None
    assert refusal.message == "job job-1 runs in batch mode, which takes no savepoint; cancel it, or let it end"
    shell.ask(CancelJob(JOB))
    shell.until_state(JobState.CANCELED)


def test_a_stage_may_wait_for_others_of_its_job_as_long_as_they_take() -> None:
    """slot.request.timeout is for slots that nobody is about to give back."""
    shell = CoreShell(settings_of(slot_request_timeout=1_000))
    running(shell, slots=1)
    shell.run(60_000)
    assert shell.job().state is JobState.RUNNING
    states = [region.state for region in shell.job().context.regions]
    assert states == [RegionState.RUNNING, *[RegionState.WAITING] * 4]


def test_the_last_stage_gives_up_when_it_cannot_have_its_slots() -> None:
    shell = CoreShell(settings_of(slot_request_timeout=1_000))
    running(shell, slots=1)
    for _ in range(4):
        for taskmanager in shell.taskmanagers.values():
            for attempt in sorted({task.attempt for task in taskmanager.tasks}):
                taskmanager.finish(attempt)
        shell.run(100)
    shell.until_state(JobState.FAILED)
    failure = shell.job().status().failure
    assert failure is not None
    assert failure.message.startswith("2 slots couldn't be had within slot.request.timeout (1000 ms)")


def test_what_has_read_from_a_former_attempt_is_not_adopted() -> None:
    """Nor what has read from that, whatever its record says of itself."""
    plan = Plan(staged_job(1))

    def stored(*attempts: tuple[int, int]) -> set[RegionId]:
        numbered = enumerate(attempts)
        regions = {
            RegionId(region): RegionRecord(RegionAttempt(JOB, RegionId(region), number), (), reads=reads)
            for region, (number, reads) in numbered
        }
        return outdated(plan, regions)

    assert stored() == stored((1, 0)) == stored((3, 0), (1, 3), (5, 1)) == set()
    assert stored((3, 0), (1, 2), (5, 1)) == {1, 2}
    assert stored((3, 0), (2, 3), (5, 1)) == {2}


def test_a_graph_whose_stages_cannot_follow_one_another_is_refused() -> None:
    start, end = source(1), sink(1)
    both = edge(0, start, end, Partitioning.HASH, blocking=True), edge(1, start, end, Partitioning.HASH)
    problem = graph_problem(graph((start, end), both))
    assert problem == "Sink reads from files and, by edge 1, from a task that runs; it can't do both"
