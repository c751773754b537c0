"""ProcessFunction: any number of records for each, with the record's time, side outputs, no keyed state."""

from collections.abc import Iterator, Sequence

from millstream_dataflow.functions import NonKeyedTimerService, ProcessFunction, TimerService, resolve_process
from millstream_dataflow.operators.specifications import ProcessSpecification
from millstream_dataflow.records import Barrier, RowBatch, Watermark
from millstream_dataflow.records.controls import MIN_TIME
from millstream_taskmanager.operators.base import OperatorContext, Output, RowOperator
from millstream_taskmanager.operators.emitting import Collector
from millstream_taskmanager.operators.functions import FunctionLife
from millstream_taskmanager.operators.state import StoredList
from millstream_taskmanager.user_code.errors import UserCodeError, attributed, last_given


class ProcessOperator(RowOperator):
    """See the module."""

    def __init__(self, specification: ProcessSpecification, *, reuse: bool = False) -> None:
        """`reuse`: as Collector says."""
        self._function = resolve_process(specification.function)
        self._life = FunctionLife(specification.function)
        self._reuse = reuse
        self._watermark = MIN_TIME

    def open(self, context: OperatorContext) -> None:
        """See Operator."""
        self._context = context
        self._life.open(context)

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        around = _Around(_Times(self))
        collector = Collector(timed=batch.timestamps is not None, reuse=self._reuse)
        process = self._function.process_element
        values, times = batch.values, batch.timestamps
        given = iter(values)

        def loop() -> Iterator[Output]:
            for place, value in enumerate(given):
                time = around.time = None if times is None else times[place]
                emitted = process(value, around)
                if emitted is not None:
                    for item in emitted:
                        collector.add(item, time)
                        if collector.full:
                            yield from collector.take()

        name = self._context.name
        yield from attributed(loop(), lambda error: UserCodeError(error, name, last_given(values, given)))
        yield from collector.take()

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """See Operator."""
        self._watermark = watermark.time
        return iter(())

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """See Operator."""
        return self._life.snapshot(barrier)

    def close(self) -> None:
        """See Operator."""
        self._life.close()

    @property
    def watermark(self) -> int:
        """How far event time has come."""
        return self._watermark

    def now(self) -> int:
        """Processing time."""
        return self._context.now()


class _Around(ProcessFunction.Context):
    """What is around the record at hand."""

    def __init__(self, times: TimerService) -> None:
        self._times = times
        self.time: int | None = None

    def timestamp(self) -> int | None:
        return self.time

    def timer_service(self) -> TimerService:
        return self._times


class _Times(NonKeyedTimerService):
    """Tells the times."""

    def __init__(self, operator: ProcessOperator) -> None:
        self._operator = operator

    def current_processing_time(self) -> int:
        return self._operator.now()

    def current_watermark(self) -> int:
        return self._operator.watermark
