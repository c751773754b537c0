"""Failures name their tasks as a user knows them."""

from dataclasses import replace

import pytest

from millstream_dataflow.identity import RegionAttempt, TaskId, WorkerId, worker_id
from millstream_dataflow.plan import Plan
from millstream_jobmanager.core.blame import of_task, of_worker
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import WorkerEnded
from tests.support.graphs import keyed_job

PLAN = Plan(keyed_job(2))
[REGION] = PLAN.regions
ATTEMPT = RegionAttempt(PLAN.graph.job, REGION.id, 3)


def ended(ordinal: int) -> WorkerEnded:
    return WorkerEnded(worker_id(ATTEMPT, ordinal), ATTEMPT, 0, died=True, cause="killed by signal 9 (SIGKILL)")


def test_a_process_is_named_by_all_that_ran_in_it() -> None:
    names = "Source (2/2), Count (2/2), Sink (2/2)"
    assert of_worker(PLAN, REGION, ended(1)).message == f"the process of {names}: killed by signal 9 (SIGKILL)"
    stranger = replace(ended(0), worker=WorkerId("stranger"))
    assert of_worker(PLAN, REGION, stranger).message == "worker stranger: killed by signal 9 (SIGKILL)"


def test_of_many_the_first_are_named() -> None:
    many = replace(REGION, workers=(replace(REGION.workers[0], subtasks=tuple(PLAN.subtasks)),))
    message = of_worker(PLAN, many, ended(0)).message
    assert message.startswith("the process of Source (1/2), Source (2/2), Count (1/2), Count (2/2), and 2 more: ")


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (Failure(FailureKind.INTERNAL, "boom"), "task Source (1/2): boom"),
        (Failure(FailureKind.USER, "boom", operator="Map"), "boom"),
        (Failure(FailureKind.CHECKPOINT, "chk-1 is damaged"), "chk-1 is damaged"),
    ],
)
def test_a_task_is_named_where_nothing_else_says_as_much(failure: Failure, message: str) -> None:
    assert of_task(PLAN, TaskId(ATTEMPT, PLAN.subtasks[0]), failure).message == message
