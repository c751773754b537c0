"""Law 4.1: what comes by a channel after the cut and before its barrier is stored, and worked on meanwhile."""

import pytest

from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.identity import CheckpointId, SubtaskId, VertexId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import SinkSpecification
from millstream_dataflow.records import Barrier
from millstream_runtime.states import TaskState
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.task import in_flight
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.ledgers import LedgerSink, empty_ledgers
from tests.support.tasks import Drawing, ListSource, VirtualJob

ONE, TWO = CheckpointId(1), CheckpointId(2)
EARLY, LATE = SubtaskId(VertexId("early"), 0), SubtaskId(VertexId("late"), 0)
SINK = SubtaskId(VertexId("sink"), 0)
RECORDS = tuple(range(60))
SETTINGS = TaskSettings(FlushRules(1, 1, 100), overtake_after=0)


def job_of(records: tuple[int, ...] = RECORDS) -> VirtualJob:
    """Two sources into one sink; the early one never gives anything. After a few steps."""
    empty_ledgers()
    job = VirtualJob(drawing_of(records), SETTINGS)
    steps(job, 20)
    return job


def drawing_of(records: tuple[int, ...]) -> Drawing:
    drawing = Drawing()
    sink = drawing.vertex("sink", SinkSpecification(LedgerSink("sink")))
    for name, split in (("early", ()), ("late", records)):
        lists = ListSource((split,), batch=1, boundedness=Boundedness.CONTINUOUS_UNBOUNDED)
        drawing.edge(drawing.source(name, lists), sink, Partitioning.REBALANCE)
    return drawing


def steps(job: VirtualJob, count: int) -> None:
    for _ in range(count):
        job.scheduler.step()


def taken(job: VirtualJob) -> int:
    return job.tasks[SINK].totals().records_in


def trigger(job: VirtualJob, source: SubtaskId, checkpoint: CheckpointId = ONE) -> None:
    job.tasks[source].trigger(Barrier(checkpoint))


def test_records_before_a_late_barrier_are_stored_and_worked_on() -> None:
    job = job_of()
    trigger(job, EARLY)
    steps(job, 6)
    cut = taken(job)
    steps(job, 20)
    assert SINK not in job.parts.get(ONE, {}), "a barrier is still to come"
    assert taken(job) > cut, "nobody waits for it"
    trigger(job, LATE)
    job.settle()
    part = job.parts[ONE][SINK]
    [stored] = part.channels
    sent = next(count.records for count in job.parts[ONE][LATE].audit.sent)
    [received] = [count for count in part.audit.received if count.channel == stored.channel]
    assert received.records + received.in_flight == sent
    assert received.in_flight == stored.records > 10
    assert part.alignment.unaligned
    assert part.alignment.persisted_data > 0


def test_what_would_be_too_much_waits_in_its_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "MOST_RECORDED", 100)
    job = job_of()
    trigger(job, EARLY)
    steps(job, 60)
    gate = job.tasks[SINK].gate
    assert gate is not None
    assert gate.blocked == {1}
    held = taken(job)
    trigger(job, LATE)
    job.settle()
    assert gate.blocked == set()
    assert taken(job) == len(RECORDS) > held
    assert ONE in job.parts
    assert SINK in job.parts[ONE]


@pytest.mark.parametrize("how", ["abort", "no leader", "a higher one"])
def test_what_is_given_up_is_not_stored_any_more(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "MOST_RECORDED", 100)
    job = job_of()
    trigger(job, EARLY)
    steps(job, 60)
    if how == "abort":
        job.tasks[SINK].aborted(ONE)
    elif how == "no leader":
        job.tasks[SINK].leader(present=False)
    else:
        trigger(job, LATE, TWO)
        steps(job, 3)
    told = [(subtask, checkpoint, failure.secondary) for subtask, checkpoint, failure in job.declined]
    assert told == ([] if how == "abort" else [(SINK, ONE, True)])
    job.settle()
    assert taken(job) == len(RECORDS)
    assert SINK not in job.parts.get(ONE, {})


def test_a_task_without_a_leader_begins_none() -> None:
    job = job_of()
    job.tasks[SINK].leader(present=False)
    trigger(job, EARLY)
    job.settle()
    assert [(subtask, checkpoint) for subtask, checkpoint, _ in job.declined] == [(SINK, ONE)]
    assert taken(job) == len(RECORDS)


@pytest.mark.parametrize("abort_comes", ["before the records", "behind the barrier", "never"])
def test_a_checkpoint_whose_forerunner_is_given_up_has_its_records(abort_comes: str) -> None:
    """The abort goes another way than barriers do: the next checkpoint's cut may come before it."""
    job = job_of()
    trigger(job, EARLY)
    steps(job, 10)
    trigger(job, EARLY, TWO)
    steps(job, 10)
    if abort_comes == "before the records":
        job.tasks[SINK].aborted(ONE)
    steps(job, 20)
    trigger(job, LATE, TWO)
    steps(job, 3)
    if abort_comes == "behind the barrier":
        job.tasks[SINK].aborted(ONE)
    job.settle()
    part = job.parts[TWO][SINK]
    sent = next(count.records for count in job.parts[TWO][LATE].audit.sent)
    [received] = [count for count in part.audit.received if count.channel == part.channels[0].channel]
    assert received.records + received.in_flight == sent
    assert received.in_flight > 10
    assert ONE not in job.parts or SINK not in job.parts[ONE]


def test_all_tasks_are_open_before_one_works_on_what_was_in_flight() -> None:
    """Others may send more without a pause: a source that had its turn only then would never open, and the job, which
    runs when all of its tasks do, would take no checkpoint.
    """
    job = job_of()
    trigger(job, EARLY)
    steps(job, 26)
    trigger(job, LATE)
    job.settle()
    assert job.parts[ONE][SINK].channels[0].records > 10
    again = VirtualJob(drawing_of(RECORDS), SETTINGS, job.restored_from(ONE))
    steps(again, len(again.tasks))
    assert {task.state for task in again.tasks.values()} == {TaskState.RUNNING}
    again.settle()
    assert taken(again) > 10
