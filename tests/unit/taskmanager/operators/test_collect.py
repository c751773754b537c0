"""Records wait for the client: each comes once, whatever is lost, and nobody is hurried."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from millstream.submission.records import Received
from millstream_dataflow.identity import CheckpointId, OperatorId, RegionAttempt, RegionId
from millstream_dataflow.operators.specifications import MapSpecification
from millstream_dataflow.records import Barrier, RowBatch, SnapshotKind
from millstream_runtime.messages.collect import CollectReply, CollectRequest
from millstream_runtime.messages.failures import FailureKind
from millstream_runtime.states import TaskState
from millstream_taskmanager.operators.collect import CollectOperator
from millstream_taskmanager.operators.registry import OperatorSettings
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.user_code.errors import UserCodeError
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.failing import GUILTY_LINE, KINDS, Failing
from tests.support.tasks import JOB, Drawing, ListSource, OperatorBench, VirtualJob

NOTHING = CollectRequest(0, 0)


def said(operator: CollectOperator, request: CollectRequest) -> CollectReply:
    return msgspec.msgpack.decode(operator.ask(msgspec.msgpack.encode(request)), type=CollectReply)


def ask(operator: CollectOperator, request: CollectRequest) -> tuple[CollectReply, list[Any]]:
    reply = said(operator, request)
    return reply, [pickle.loads(record) for record in reply.records]


def take(operator: CollectOperator, *values: object) -> None:
    assert list(operator.process(0, RowBatch(list(values)))) == []


def opened(bench: OperatorBench | None = None, state: RestoredState | None = None) -> CollectOperator:
    operator = CollectOperator(waits=True)
    operator.open((bench or OperatorBench()).context(state))
    return operator


def test_each_record_is_fetched_once_in_the_same_process() -> None:
    operator = CollectOperator()
    take(operator, 1, 2)
    take(operator, 3)
    assert operator.fetch() == [1, 2, 3]
    assert operator.fetch() == []


def test_a_record_is_kept_until_the_client_says_that_it_has_it() -> None:
    operator = opened()
    take(operator, "a", "b")
    assert ask(operator, NOTHING)[1] == ["a", "b"]
    assert ask(operator, NOTHING)[1] == ["a", "b"], "the first answer may have been lost"
    take(operator, "c")
    reply, records = ask(operator, CollectRequest(1, 2))
    assert (reply.offset, records) == (2, ["c"])


def test_a_client_of_a_former_run_makes_nothing_forgotten() -> None:
    operator = opened()
    take(operator, "a", "b")
    reply, records = ask(operator, CollectRequest(7, 2))
    assert (reply.version, reply.offset, records) == (1, 0, ["a", "b"])


def test_too_much_makes_the_task_take_no_more_until_the_client_has_fetched() -> None:
    operator = opened()
    while operator.accepts:
        take(operator, b"x" * (100 << 10))
    offset = 0
    while not operator.accepts:
        reply, records = ask(operator, CollectRequest(1, offset))
        offset = reply.offset + len(records)
    assert 0 < offset <= 50


def test_a_record_that_is_larger_than_an_answer_comes_in_pieces() -> None:
    """No message is large, and what is lost of the conversation is said again."""
    operator, received = opened(), Received(checkpointed=False)
    values = [b"a", b"x" * 3_000_000, b"b", b"y" * 200_000]
    take(operator, *values)
    came: list[bytes] = []
    for turn in range(100):
        reply = said(operator, received.question)
        assert len(msgspec.msgpack.encode(reply)) < 256 << 10
        if turn % 5 != 2:  # else the answer is lost
            came += received.take(reply)
    assert [pickle.loads(record) for record in came] == values


def test_a_record_in_pieces_begins_again_after_a_restart() -> None:
    operator, received = opened(), Received(checkpointed=True)
    take(operator, b"x" * 300_000)
    received.take(said(operator, received.question))
    bench = OperatorBench()
    bench.place = replace(bench.place, task=replace(bench.place.task, attempt=RegionAttempt(JOB, RegionId(0), 2)))
    again = opened(bench)
    take(again, b"x" * 300_000)
    assert again.snapshot(Barrier(CheckpointId(1)), ended=False)
    again.commit(CheckpointId(1))
    came: list[bytes] = []
    while not came:
        came += received.take(said(again, received.question))
    assert pickle.loads(came[0]) == b"x" * 300_000


def test_what_was_not_fetched_comes_again_after_a_restart_and_counts_as_committed() -> None:
    operator = opened()
    take(operator, 1, 2, 3)
    ask(operator, CollectRequest(1, 1))
    lists = tuple(operator.snapshot(Barrier(CheckpointId(1)), ended=False))
    take(operator, 4)
    restored = opened(state=RestoredState(lists, restored=True))
    reply, records = ask(restored, CollectRequest(0, 4))
    assert (reply.offset, records, reply.committed) == (1, [2, 3], 3)


def test_a_record_is_committed_with_the_checkpoint_behind_it() -> None:
    operator = opened()
    take(operator, 1, 2)
    operator.snapshot(Barrier(CheckpointId(1)), ended=False)
    take(operator, 3)
    assert ask(operator, NOTHING)[0].committed == 0
    operator.commit(CheckpointId(1))
    assert ask(operator, NOTHING)[0].committed == 2


def waiting_job(function: Callable[[int], object] = lambda number: number) -> VirtualJob:
    drawing = Drawing()
    source = drawing.source("numbers", ListSource(((1, 2, 3),)))
    source.add(MapSpecification(function))
    drawing.edge(source, drawing.collect("out"))
    return VirtualJob(drawing, TaskSettings(operators=OperatorSettings(results_wait=True, object_reuse=True)))


def end_of(job: VirtualJob) -> None:
    job.settle()
    job.trigger(1, SnapshotKind.FINAL)
    job.settle()
    job.complete(1, last=True)
    job.settle()


def fetch(job: VirtualJob, offset: int) -> CollectReply:
    payload = msgspec.msgpack.encode(CollectRequest(1, offset))
    reply = msgspec.msgpack.decode(job.task("out").ask(OperatorId("out/0"), payload), type=CollectReply)
    job.settle()
    return reply


def test_a_task_ends_when_the_client_has_fetched_everything() -> None:
    job = waiting_job()
    end_of(job)
    assert job.task("numbers").state is TaskState.FINISHED
    assert job.task("out").state is TaskState.RUNNING
    reply = fetch(job, 0)
    assert reply.ended
    assert len(reply.records) == 3
    assert job.task("out").state is TaskState.RUNNING, "the answer may be lost"
    fetch(job, 3)
    assert job.task("out").state is TaskState.FINISHED


def test_a_client_that_is_gone_holds_a_task_for_a_minute_only() -> None:
    job = waiting_job()
    end_of(job)
    job.pass_time(50_000, step=1_000)
    assert job.task("out").state is TaskState.RUNNING
    job.pass_time(20_000, step=1_000)
    assert job.task("out").state is TaskState.FINISHED


def test_a_question_to_an_operator_that_is_not_there_is_refused() -> None:
    job = waiting_job()
    job.settle()
    with pytest.raises(LookupError, match="runs no operator nowhere"):
        job.task("out").ask(OperatorId("nowhere"), b"")
    with pytest.raises(LookupError, match="answers no questions"):
        job.task("numbers").ask(OperatorId("numbers/0"), b"")


@pytest.mark.parametrize(("kind", "restartable"), KINDS)
def test_a_record_that_can_not_be_pickled_ends_its_task_and_is_not_asked_for_again(
    kind: type[Exception], restartable: bool
) -> None:
    """Its client would ask for ever: each question was answered with the same error."""
    job = waiting_job(lambda number: number if number < 3 else Failing(kind))
    job.settle()
    with pytest.raises(UserCodeError, match=f"can't be pickled.*{Failing.words}"):
        fetch(job, 0)
    [failure] = [report.failure for report in job.reports if report.failure is not None]
    assert (failure.operator, failure.kind, failure.restartable) == ("Collect 0", FailureKind.USER, restartable)
    assert failure.source_line.endswith(GUILTY_LINE)
    assert job.task("out").state is TaskState.FAILED


def test_a_question_that_says_nothing_hurts_no_task() -> None:
    job = waiting_job()
    job.settle()
    with pytest.raises(msgspec.DecodeError):
        job.task("out").ask(OperatorId("out/0"), b"garbage")
    assert len(fetch(job, 0).records) == 3


def test_no_record_below_an_aborted_checkpoint_is_committed_by_itself() -> None:
    operator = opened()
    take(operator, 1)
    operator.snapshot(Barrier(CheckpointId(1)), ended=False)
    take(operator, 2)
    operator.snapshot(Barrier(CheckpointId(2)), ended=False)
    operator.commit(CheckpointId(2))
    assert ask(operator, NOTHING)[0].committed == 2
