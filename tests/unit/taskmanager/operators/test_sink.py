"""Laws 4.4, 4.7 and 6.1: what was prepared is committed once it is complete, and never forgotten."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from millstream_dataflow.connectors import Sink, SinkContext, SinkWriter
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import SinkSpecification
from millstream_dataflow.records import Barrier, Batch, RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_runtime.messages.failures import FailureKind
from millstream_taskmanager.operators.base import Commit
from millstream_taskmanager.operators.sink import SinkOperator
from millstream_taskmanager.operators.state import RestoredState, StoredList
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.ledgers import LEDGERS, LedgerSink, empty_ledgers
from tests.support.tasks import OperatorBench


@pytest.fixture(autouse=True)
def _empty_ledgers() -> None:
    empty_ledgers()


def opened(sink: Sink[Any], state: Sequence[StoredList] = (), subtask: int = 0) -> SinkOperator:
    operator = SinkOperator(SinkSpecification(sink))
    bench = OperatorBench(subtask=subtask, parallelism=2)
    operator.open(bench.context(RestoredState(tuple(state), restored=bool(state))))
    return operator


def wrote(operator: SinkOperator, *values: int) -> None:
    assert list(operator.process(0, RowBatch(list(values)))) == []


def barrier(operator: SinkOperator, checkpoint: int) -> Sequence[StoredList]:
    stored = operator.snapshot(Barrier(CheckpointId(checkpoint)), ended=False)
    if (job := operator.make_durable()) is not None:
        job()
    return stored


def done(commit: Commit | None) -> None:
    assert commit is not None
    commit.run()
    commit.done()


def test_committed_when_complete() -> None:
    sink = opened(LedgerSink("a"))
    wrote(sink, 1, 2)
    barrier(sink, 1)
    wrote(sink, 3)
    assert "a" not in LEDGERS
    done(sink.commit(CheckpointId(1)))
    assert LEDGERS["a"] == [1, 2]
    assert sink.commit(CheckpointId(1)) is None, "told a second time"
    assert barrier(sink, 2) != []


def test_equal_records_of_two_subtasks_are_two() -> None:
    """Tests that count results hang on it: a ledger commits each committable once, whoever hands it over again."""
    sinks = [opened(LedgerSink("a"), subtask=number) for number in (0, 1)]
    for sink in sinks:
        wrote(sink, 1)
        barrier(sink, 1)
    for sink in sinks:
        done(sink.commit(CheckpointId(1)))
    assert LEDGERS["a"] == [1, 1]


def test_what_an_aborted_checkpoint_had_prepared_goes_with_the_next() -> None:
    sink = opened(LedgerSink("a"))
    wrote(sink, 1)
    barrier(sink, 1)
    wrote(sink, 2)
    barrier(sink, 2)
    wrote(sink, 3)
    barrier(sink, 3)
    done(sink.commit(CheckpointId(2)))
    assert LEDGERS["a"] == [1, 2]


def test_restored_committables_are_committed_at_once() -> None:
    sink = opened(LedgerSink("a"))
    wrote(sink, 1)
    stored = barrier(sink, 1)
    again = opened(LedgerSink("a"), stored)
    done(again.restored_commit())
    assert LEDGERS["a"] == [1]
    assert list(barrier(again, 2)) == []


def test_not_done_is_not_forgotten() -> None:
    sink = opened(LedgerSink("a"))
    wrote(sink, 1)
    barrier(sink, 1)
    commit = sink.commit(CheckpointId(1))
    assert commit is not None
    commit.run()  # and before `done` a barrier passes
    [stored] = barrier(sink, 2)
    assert len(stored.items) == 1


class Failing(Sink[None]):
    """Has no committer; its writer can't write."""

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> SinkWriter[None]:
        class Writer(SinkWriter[None]):
            def write(self, batch: Batch) -> None:
                raise OSError("disk full")

        return Writer()


def test_a_writer_that_fails_names_the_sink() -> None:
    sink = opened(Failing())
    with pytest.raises(UserCodeError, match="disk full") as raised:
        wrote(sink, 1)
    assert (raised.value.operator, raised.value.kind) == ("Operator", FailureKind.EXTERNAL)
    assert sink.commit(CheckpointId(1)) is None


class Late(Sink[None]):
    """Tells which of its records are late, by the watermark that its context tells."""

    def __init__(self) -> None:
        self.late: list[int] = []
        self.watermarks: list[int] = []

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> SinkWriter[None]:
        sink = self

        class Writer(SinkWriter[None]):
            def write(self, batch: Batch) -> None:
                sink.watermarks.append(context.current_watermark())
                sink.late += [time for time in batch.timestamps or () if time <= sink.watermarks[-1]]

        return Writer()


def test_a_writer_knows_how_far_event_time_has_come() -> None:
    sink = Late()
    operator = opened(sink)
    for element in (RowBatch(["a"], [5]), Watermark(7), RowBatch(["b", "c", "d"], [8, 7, 6]), Watermark(MAX_TIME)):
        emitted = operator.advance(element) if isinstance(element, Watermark) else operator.process(0, element)
        assert list(emitted) == []
    operator.process(0, RowBatch(["e"], [9]))
    assert (sink.watermarks, sink.late) == ([MIN_TIME, 7, MAX_TIME], [7, 6, 9])


class Slow(Sink[int]):
    """Its writer's jobs take as long as the test wants, and it tells what is called when."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.error: OSError | None = None

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> SinkWriter[int]:
        return SlowWriter(self)


class SlowWriter(SinkWriter[int]):
    """See the sink."""

    def __init__(self, sink: Slow) -> None:
        self.sink = sink

    def write(self, batch: Batch) -> None:
        self.sink.told.append("write")

    def make_durable(self) -> Callable[[], None]:
        return self._job

    def _job(self) -> None:
        self.sink.told.append("begin")
        self.sink.begun.release()
        assert self.sink.may_end.wait(20)
        self.sink.told.append("end")
        if self.sink.error is not None:
            raise self.sink.error

    def close(self) -> None:
        self.sink.told.append("close")


@pytest.fixture
def slow() -> Iterator[Slow]:
    sink = Slow()
    yield sink
    sink.may_end.set()


def job_of(operator: SinkOperator, checkpoint: int) -> Callable[[], None]:
    operator.snapshot(Barrier(CheckpointId(checkpoint)), ended=False)
    job = operator.make_durable()
    assert job is not None
    return job


def test_the_task_writes_on_while_a_disk_is_slow_and_jobs_never_meet(slow: Slow) -> None:
    sink = opened(slow)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(job_of(sink, 1)), pool.submit(job_of(sink, 2))
        assert slow.begun.acquire(timeout=20)
        wrote(sink, 1)
        assert slow.told == ["begin", "write"]
        slow.may_end.set()
        first.result(20)
        second.result(20)
    assert slow.told == ["begin", "write", "end", "begin", "end"]


def test_a_job_that_fails_names_the_sink(slow: Slow) -> None:
    slow.error = OSError("disk full")
    slow.may_end.set()
    with pytest.raises(UserCodeError, match="disk full") as raised:
        job_of(opened(slow), 1)()
    assert (raised.value.operator, raised.value.kind) == ("Operator", FailureKind.EXTERNAL)


def test_closing_waits_for_no_disk_and_nothing_is_begun_behind_it(slow: Slow) -> None:
    busy = opened(slow)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(job_of(busy, 1))
        assert slow.begun.acquire(timeout=20)
        busy.close()
        assert slow.told == ["begin"], "the writer is in use"
        slow.may_end.set()
        job.result(20)
    idle = opened(slow)
    late = job_of(idle, 1)
    idle.close()
    with pytest.raises(UserCodeError, match="closed"):
        late()
    assert slow.told == ["begin", "end", "close"]


def test_closing_what_never_opened_is_no_error() -> None:
    SinkOperator(SinkSpecification(Failing())).close()
