"""Laws 4.4, 4.7 and 6.1: what was prepared is committed once it is complete, and never forgotten."""

from collections.abc import Sequence
from typing import Any

import pytest

from millstream_dataflow.connectors import Sink, SinkContext, SinkWriter
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import SinkSpecification
from millstream_dataflow.records import Barrier, Batch, RowBatch
from millstream_runtime.messages.failures import FailureKind
from millstream_taskmanager.operators.base import Commit
from millstream_taskmanager.operators.errors import UserCodeError
from millstream_taskmanager.operators.sink import SinkOperator
from millstream_taskmanager.operators.state import RestoredState, StoredList
from tests.support.tasks import COMMITTED, LEDGERS, LedgerSink, OperatorBench


@pytest.fixture(autouse=True)
def _empty_ledgers() -> None:
    LEDGERS.clear()
    COMMITTED.clear()


def opened(sink: Sink[Any], state: Sequence[StoredList] = ()) -> SinkOperator:
    operator = SinkOperator(SinkSpecification(sink))
    operator.open(OperatorBench().context(RestoredState(tuple(state), restored=bool(state))))
    return operator


def wrote(operator: SinkOperator, *values: int) -> None:
    assert list(operator.process(0, RowBatch(list(values)))) == []


def barrier(operator: SinkOperator, checkpoint: int) -> Sequence[StoredList]:
    return operator.snapshot(Barrier(CheckpointId(checkpoint)), ended=False)


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


def test_closing_what_never_opened_is_no_error() -> None:
    SinkOperator(SinkSpecification(Failing())).close()
