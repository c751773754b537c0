"""Generators that say of themselves that nothing is to be waited for (Flink's `WatermarkOutput.mark_idle`)."""

from collections.abc import Iterable
from typing import Any

from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import ReaderSpecification, TimestampsSpecification
from millstream_dataflow.records import Barrier, RowBatch, StreamStatus, Watermark
from millstream_dataflow.time import WatermarkGenerator, WatermarkOutput, WatermarkStrategy
from millstream_taskmanager.operators.reader import ReaderOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.operators.timestamps import TimestampsOperator
from tests.support.tasks import ListSource, OperatorBench

PAUSE, BACK = 777, 888


class Pausing(WatermarkGenerator[int]):
    """Idle behind a record that says so, active behind another; keeps how often it was paused."""

    def __init__(self) -> None:
        self.pauses = 0

    def on_event(self, value: int, timestamp: int, output: WatermarkOutput) -> None:
        if value == PAUSE:
            self.pauses += 1
            output.mark_idle()
        elif value == BACK:
            output.mark_active()
        else:
            output.emit_watermark(timestamp)

    def snapshot(self) -> tuple[int]:
        return (self.pauses,)

    def restore(self, state: tuple[int]) -> None:
        (self.pauses,) = state


def itself(value: int) -> int:
    """The records are their times."""
    return value


STRATEGY = WatermarkStrategy.for_generator(Pausing).with_timestamp_assigner(itself)
IDLE, ACTIVE = StreamStatus(idle=True), StreamStatus(idle=False)


def shown(outputs: Iterable[object]) -> list[Any]:
    return [value for output in outputs for value in (output.values if isinstance(output, RowBatch) else [output])]


def behind_a_source(strategy: WatermarkStrategy[Any], state: RestoredState | None = None) -> TimestampsOperator:
    operator = TimestampsOperator(TimestampsSpecification(strategy), interval=0)
    operator.open(OperatorBench().context(state))
    return operator


def told(operator: TimestampsOperator, *values: int) -> list[Any]:
    return shown(operator.process(0, RowBatch(list(values))))


def test_a_stream_falls_idle_behind_the_batch_and_is_active_before_its_next_watermark() -> None:
    operator = behind_a_source(STRATEGY)
    assert told(operator, 10, PAUSE, 5) == [10, Watermark(10), PAUSE, 5]
    assert told(operator, PAUSE) == [PAUSE, IDLE]
    assert told(operator, PAUSE) == [PAUSE]
    assert told(operator, 20) == [20, ACTIVE, Watermark(20)]
    assert told(operator, PAUSE) == [PAUSE, IDLE]
    assert told(operator, BACK) == [BACK, ACTIVE]


def test_records_end_idleness_by_the_clock_but_not_by_the_generator() -> None:
    bench = OperatorBench()
    operator = TimestampsOperator(TimestampsSpecification(STRATEGY.with_idleness(100)), interval=0)
    operator.open(bench.context())
    assert told(operator, PAUSE) == [PAUSE, IDLE]
    for _ in range(20):
        bench.time += 20
        assert list(operator.on_time(bench.time)) == []
    assert told(operator, PAUSE) == [PAUSE], "it is idle for two reasons, and one is left"
    assert told(operator, BACK) == [BACK, ACTIVE]


def test_a_split_that_its_generator_marks_idle_holds_nobody_back() -> None:
    source = ListSource((), timed=True, batch=1, boundedness=Boundedness.CONTINUOUS_UNBOUNDED)
    reader = ReaderOperator(ReaderSpecification(source, STRATEGY), 0)
    reader.open(OperatorBench().context())
    list(reader.add(((10, 10), (20, 20), (30, 30))))
    list(reader.add(((5, 5), (PAUSE, PAUSE), (15, 15))))
    said = [shown(reader.read(1)) for _ in range(6)]
    assert said[0] == [10]
    assert said[1] == [5, Watermark(5)]
    assert said[2] == [20]
    assert said[3] == [PAUSE, Watermark(20)]
    assert said[4] == [30, Watermark(30)]
    assert said[5] == [15], "it is back behind the others, and counts when it has caught up"
    assert not reader.idle


def test_what_a_generator_keeps_is_what_it_gives() -> None:
    """Law 7.1: its snapshot and its last watermark, and nothing else of it."""
    operator = behind_a_source(STRATEGY)
    told(operator, 10, PAUSE, PAUSE)
    stored = tuple(operator.snapshot(Barrier(CheckpointId(1)), ended=False))
    again = behind_a_source(STRATEGY, RestoredState(stored, restored=True))
    generator = again._stamper._generator
    assert isinstance(generator, Pausing)
    assert generator.pauses == 2
    assert told(again, 9) == [9], "below its last watermark"
    assert told(again, 11) == [11, Watermark(11)]


def test_ingestion_time_behind_a_source_goes_on_from_its_last_time() -> None:
    bench = OperatorBench(now=5_000)
    operator = TimestampsOperator(TimestampsSpecification(WatermarkStrategy.for_ingestion_time()), interval=200)
    operator.open(bench.context())
    [batch, watermark] = operator.process(0, RowBatch([1, 2], [7, 8]))
    assert isinstance(batch, RowBatch)
    assert (batch.values, batch.timestamps, watermark) == ([1, 2], [5_000, 5_000], Watermark(4_999))
    bench.time = 5_200
    assert list(operator.on_time(5_200)) == [Watermark(5_199)], "no record has come"
    stored = tuple(operator.snapshot(Barrier(CheckpointId(1)), ended=False))
    for rescaled in (False, True):
        earlier = OperatorBench(now=3_000)
        again = TimestampsOperator(TimestampsSpecification(WatermarkStrategy.for_ingestion_time()), interval=200)
        again.open(earlier.context(RestoredState(stored, restored=True, rescaled=rescaled)))
        [batch] = again.process(0, RowBatch([3]))
        assert isinstance(batch, RowBatch)
        assert batch.timestamps == [5_200], "of a machine whose clock is behind"
