"""Times and watermarks of a stream (laws 7.1 and 7.2)."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from millstream_dataflow.expressions import col
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import TimestampsSpecification
from millstream_dataflow.records import Barrier, Batch, ColumnBatch, RowBatch, StreamStatus, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.time import NO_TIMESTAMP, WatermarkGenerator, WatermarkStrategy
from millstream_taskmanager.operators.conversion import to_rows
from millstream_taskmanager.operators.state import RestoredState, StoredList
from millstream_taskmanager.operators.timestamps import TimestampsOperator
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench


def itself(value: int) -> int:
    """The records are their times."""
    return value


def time_of(row: Any) -> int:  # noqa: ANN401  # any kind of row
    """The records have their times in a field."""
    time: int = row["t"]
    return time


BARRIER = Barrier(CheckpointId(1))
LATE_BY_10 = WatermarkStrategy.for_bounded_out_of_orderness(10).with_timestamp_assigner(itself)


def opened(
    strategy: WatermarkStrategy[Any],
    bench: OperatorBench | None = None,
    state: RestoredState | None = None,
    *,
    interval: int = 200,
) -> TimestampsOperator:
    operator = TimestampsOperator(TimestampsSpecification(strategy), interval=interval)
    operator.open((bench or OperatorBench()).context(state))
    return operator


def told(operator: TimestampsOperator, batch: Batch) -> list[Any]:
    return [(o.values, o.timestamps) if isinstance(o, RowBatch) else o for o in operator.process(0, batch)]


def test_a_watermark_behind_each_batch_that_raised_it() -> None:
    operator = opened(LATE_BY_10)
    assert told(operator, RowBatch([50, 20])) == [([50, 20], [50, 20]), Watermark(39)]
    assert told(operator, RowBatch([40])) == [([40], [40])]
    assert told(operator, RowBatch([51])) == [([51], [51]), Watermark(40)]


@pytest.mark.parametrize("strategy", [WatermarkStrategy.for_monotonous_timestamps(), LATE_BY_10])
def test_records_without_times_raise_no_watermark(strategy: WatermarkStrategy[Any]) -> None:
    """As in Flink: a program that needs no times may say how they would rise."""
    operator = opened(replace(strategy, timestamp_assigner=None))
    assert told(operator, RowBatch([50, 20])) == [([50, 20], None)]
    columns = pa.RecordBatch.from_pydict({"t": [5, 7]})
    [batch] = told(operator, ColumnBatch(columns))
    assert isinstance(batch, ColumnBatch)
    assert batch.timestamps is None


def test_a_generator_that_looks_at_records_needs_no_times() -> None:
    class FromRecords(WatermarkGenerator[int]):
        def on_event(self, value: int, timestamp: int) -> int | None:
            assert timestamp == NO_TIMESTAMP
            return value if value % 10 == 0 else None

    operator = opened(WatermarkStrategy.for_generator(FromRecords))
    assert told(operator, RowBatch([3, 20, 5])) == [([3, 20], None), Watermark(20), ([5], None)]


def test_a_punctuated_generator_cuts_behind_each_record() -> None:
    operator = opened(LATE_BY_10.with_punctuated_watermarks())
    assert told(operator, RowBatch([50, 20, 51, 49])) == [
        ([50], [50]),
        Watermark(39),
        ([20, 51], [20, 51]),
        Watermark(40),
        ([49], [49]),
    ]


def test_columns_keep_their_form() -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(time_of)
    columns = pa.RecordBatch.from_pydict({"t": [5, 7]})
    batch, watermark = told(opened(strategy), ColumnBatch(columns))
    assert isinstance(batch, ColumnBatch)
    assert batch.timestamps is not None
    assert batch.timestamps.tolist() == [5, 7]
    assert watermark == Watermark(6)


def test_the_times_of_columns_are_computed_as_columns() -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(col("t") * 10)
    operator = opened(strategy)
    [batch, watermark] = told(operator, ColumnBatch(pa.RecordBatch.from_pydict({"t": [5, 7]})))
    assert isinstance(batch, ColumnBatch)
    assert batch.timestamps is not None
    assert (batch.timestamps.tolist(), watermark) == ([50, 70], Watermark(69))
    assert told(operator, RowBatch([{"t": 8}])) == [([{"t": 8}], [80]), Watermark(79)]


def test_a_generator_that_looks_at_values_gets_those_of_columns_too() -> None:
    seen: list[Any] = []

    class Looks(WatermarkGenerator[Any]):
        def on_event(self, value: Any, timestamp: int) -> int | None:  # noqa: ANN401  # any kind of row
            seen.append((value["t"], timestamp))
            return None

    strategy = WatermarkStrategy.for_generator(Looks).with_timestamp_assigner(col("t") * 10)
    [batch] = told(opened(strategy), ColumnBatch(pa.RecordBatch.from_pydict({"t": [5, 7]})))
    assert isinstance(batch, ColumnBatch)
    assert seen == [(5, 50), (7, 70)]


@pytest.mark.parametrize(
    ("columns", "record", "reason"),
    [
        ({"t": [5, None]}, "Row(t=None)", "is NoneType None for Row(t=None)"),
        ({"t": [5.0, 7.5]}, "Row(t=5.0)", "is float 50.0 for Row(t=5.0); give int(...)"),
        ({"u": [1]}, "Row(u=1)", "there is no column 't'"),
        ({"t": [1, 2**62]}, f"Row(t={2**62})", "64 bits"),
    ],
)
def test_columns_without_times_are_refused_as_their_rows(columns: dict[str, Any], record: str, reason: str) -> None:
    operator = opened(WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(col("t") * 10))
    batch = ColumnBatch(pa.RecordBatch.from_pydict(columns))
    for form in (batch, to_rows(batch)):
        with pytest.raises(UserCodeError) as raised:
            told(operator, form)
        assert reason in str(raised.value.cause)
        assert raised.value.record == record


def test_watermarks_of_the_input_are_dropped_but_for_the_end() -> None:
    operator = opened(LATE_BY_10)
    assert list(operator.advance(Watermark(99))) == []
    assert list(operator.advance(Watermark(MAX_TIME))) == [Watermark(MAX_TIME)]


def waited(operator: TimestampsOperator, bench: OperatorBench, until: int) -> list[Any]:
    """What it says while it is called whenever it has asked for it."""
    said: list[Any] = []
    while bench.due and (time := min(bench.due)) <= until:
        bench.due.clear()
        bench.time = time
        said += operator.on_time(time)
    bench.time = until
    return said


def test_idle_when_nothing_comes_and_active_again() -> None:
    bench = OperatorBench(now=1_000)
    operator = opened(LATE_BY_10.with_idleness(500), bench)
    assert waited(operator, bench, 1_499) == []
    assert waited(operator, bench, 1_500) == [StreamStatus(idle=True)]
    assert waited(operator, bench, 1_700) == []
    assert told(operator, RowBatch([30]))[0] == StreamStatus(idle=False)


def test_idle_again_without_periodic_watermarks() -> None:
    bench = OperatorBench(now=1_000)
    operator = opened(LATE_BY_10.with_idleness(500), bench, interval=0)
    assert waited(operator, bench, 1_499) == []
    assert waited(operator, bench, 2_000) == [StreamStatus(idle=True)]
    assert bench.due == []
    assert told(operator, RowBatch([30]))[0] == StreamStatus(idle=False)
    assert waited(operator, bench, 2_499) == []
    assert waited(operator, bench, 2_500) == [StreamStatus(idle=True)]


def test_time_in_which_other_tasks_had_no_turn_does_not_count() -> None:
    """Its input waits in one of them."""
    bench = OperatorBench(now=0)
    operator = opened(LATE_BY_10.with_idleness(500), bench)
    bench.rounds = lambda: 0  # type: ignore[method-assign]  # none is ever over
    assert waited(operator, bench, 100_000) == []
    del bench.rounds
    assert waited(operator, bench, 100_300) == []
    assert waited(operator, bench, 101_000) == [StreamStatus(idle=True)]


def test_held_back_it_is_not_idle() -> None:
    bench = OperatorBench(now=0)
    operator = opened(LATE_BY_10.with_idleness(500), bench)
    operator.hold(held=True)
    assert waited(operator, bench, 900) == []
    operator.hold(held=False)
    assert waited(operator, bench, 1_399) == []
    assert waited(operator, bench, 1_400) == [StreamStatus(idle=True)]


def test_watermarks_are_state() -> None:
    operator = opened(LATE_BY_10)
    told(operator, RowBatch([50]))
    stored = tuple(operator.snapshot(BARRIER, ended=False))
    again = opened(LATE_BY_10, state=RestoredState(stored, restored=True))
    assert told(again, RowBatch([45])) == [([45], [45])]
    assert told(again, RowBatch([60])) == [([60], [60]), Watermark(49)]


def test_another_parallelism_starts_at_the_minimum() -> None:
    lists: list[StoredList] = []
    for subtask, time in ((0, 50), (1, 80)):
        operator = opened(LATE_BY_10, OperatorBench(subtask=subtask, parallelism=2))
        told(operator, RowBatch([time]))
        lists += operator.snapshot(BARRIER, ended=False)
    state = RestoredState(tuple(lists), restored=True, rescaled=True)
    again = opened(LATE_BY_10, OperatorBench(subtask=2, parallelism=3), state)
    assert told(again, RowBatch([45])) == [([45], [45])]
    assert told(again, RowBatch([52])) == [([52], [52]), Watermark(41)]
    same = RestoredState(tuple(lists), restored=True)
    second = opened(LATE_BY_10, OperatorBench(subtask=1, parallelism=2), same)
    assert told(second, RowBatch([75])) == [([75], [75])]


def test_an_assigner_that_fails_names_the_record() -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(time_of)
    with pytest.raises(UserCodeError) as raised:
        told(opened(strategy), RowBatch([{"t": 1}, {"x": 2}]))
    assert isinstance(raised.value.cause, KeyError)
    assert raised.value.record == "{'x': 2}"
    with pytest.raises(UserCodeError, match="int of milliseconds") as raised:
        told(opened(strategy), RowBatch([{"t": 1}, {"t": 2.5}]))
    assert raised.value.record == "{'t': 2.5}"


class Broken(WatermarkGenerator[Any]):
    """Raises."""

    def on_event(self, value: object, timestamp: int) -> int | None:
        raise LookupError(value)


def test_a_generator_that_fails_names_the_operator() -> None:
    strategy = WatermarkStrategy.for_generator(Broken).with_timestamp_assigner(itself)
    with pytest.raises(UserCodeError) as raised:
        told(opened(strategy), RowBatch([1]))
    assert raised.value.operator == "Operator"


class Giving(WatermarkGenerator[int]):
    """What it is told to."""

    def __init__(self, event: object = None, periodic: object = None) -> None:
        self.event, self.periodic = event, periodic

    def on_event(self, value: int, timestamp: int) -> Any:  # noqa: ANN401  # that is the point
        return self.event

    def on_periodic(self) -> Any:  # noqa: ANN401  # that is the point
        return self.periodic


@pytest.mark.parametrize("call", ["event", "periodic"])
@pytest.mark.parametrize(
    ("watermark", "words"),
    [
        (1.5, "must be an int of milliseconds, but is float 1.5"),
        (True, "but is bool True"),
        ("x", "but is str 'x'"),
        (2**63, "must not be beyond 64 bits, but is 9223372036854775808"),
        (-(2**64), "must not be beyond 64 bits"),
    ],
)
def test_what_a_generator_gives_is_checked(call: str, watermark: object, words: str) -> None:
    generator = Giving(**{call: watermark})
    operator = opened(WatermarkStrategy.for_generator(lambda: generator).with_timestamp_assigner(itself))
    with pytest.raises(UserCodeError, match=f"what on_{call} returns") as raised:
        told(operator, RowBatch([10, 20]))
    failure = raised.value.failure()
    assert words in failure.message
    assert failure.operator == "Operator"
    assert not failure.restartable
