"""Batch mode: all that is broadcast comes before the first record of the other stream."""

import errno
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millstream_dataflow.operators.grouped import BroadcastFirstSpecification, batch_form
from millstream_dataflow.operators.two_inputs import BroadcastProcessSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.state import MapStateDescriptor
from millstream_dataflow.types import Types
from millstream_taskmanager.operators.base import PAUSE, Operator, Output
from millstream_taskmanager.operators.registry import OperatorSettings, make
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

RULES = MapStateDescriptor("rules", Types.LONG(), Types.LONG())


def ruled(value: int, ctx: Any) -> Iterable[Any]:  # noqa: ANN401  # of the one function or the other
    yield value, ctx.get_broadcast_state(RULES).contains(value), ctx.timestamp()


def noted(value: int, ctx: Any) -> Iterable[Any]:  # noqa: ANN401  # as above
    ctx.get_broadcast_state(RULES).put(value, value)
    yield "rule", value


@pytest.fixture(params=[1 << 30, 1, 3_000], ids=["memory", "disk", "both"])
def operator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Operator]:
    specification = batch_form(BroadcastProcessSpecification((ruled, noted), (RULES,)))
    assert isinstance(specification, BroadcastFirstSpecification)
    made = make(specification, OperatorSettings(sort_memory=request.param, spill_directory=str(tmp_path)))
    made.open(OperatorBench().context())
    yield made
    made.close()


def values(outputs: Iterable[Output]) -> list[Any]:
    batches = [output for output in outputs if output is not PAUSE]
    assert all(isinstance(batch, RowBatch) for batch in batches)
    return [value for batch in batches if isinstance(batch, RowBatch) for value in batch.values]


def take(operator: Operator, number: int, *records: int, times: list[int] | None = None) -> list[Any]:
    return values(operator.process(number, RowBatch(list(records), times)))


def test_records_wait_for_the_end_of_what_is_broadcast(operator: Operator) -> None:
    """They keep their order, and their times."""
    assert take(operator, 0) == []
    assert take(operator, 0, 3, 2, times=[30, 20]) == []
    assert take(operator, 0, 1) == []
    assert take(operator, 1, 1, 2) == [("rule", 1), ("rule", 2)]
    assert take(operator, 0, 5, times=[7]) == []
    given = values(operator.end_of_input(1))
    assert given == [(3, False, 30), (2, True, 20), (1, True, None), (5, False, 7)]
    assert take(operator, 0, 2) == [(2, True, None)], "nothing waits any more"
    assert values(operator.end_of_input(0)) == values(operator.finish()) == []


def test_records_may_end_first(operator: Operator) -> None:
    assert take(operator, 0, 1) == values(operator.end_of_input(0)) == []
    assert take(operator, 1, 1) == [("rule", 1)]
    assert values(operator.end_of_input(1)) == [(1, True, None)]


def test_the_end_of_event_time_is_that_of_both(operator: Operator) -> None:
    """It is told just before the end of the input."""
    assert take(operator, 0, 1) == []
    assert values(operator.advance(Watermark(5))) == []
    assert values(operator.advance(Watermark(MAX_TIME))) == [(1, False, None)]
    assert values(operator.end_of_input(1)) == []


def test_a_disk_without_room_is_nobodys_mistake(tmp_path: Path) -> None:
    specification = batch_form(BroadcastProcessSpecification((ruled, noted), (RULES,)))
    (tmp_path / "file").touch()
    settings = OperatorSettings(sort_memory=1, spill_directory=str(tmp_path / "file"))
    operator = make(specification, settings)
    operator.open(OperatorBench().context())
    with pytest.raises(UserCodeError, match="can't be written below") as raised:
        take(operator, 0, 1)
    assert isinstance(raised.value.cause, OSError)
    assert raised.value.cause.errno == errno.EEXIST
    operator.close()
