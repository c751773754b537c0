"""ProcessFunction: any number of records for each, with the record's time, side outputs, no keyed state."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

from millstream_dataflow.functions import NonKeyedTimerService, ProcessFunction, TimerService, resolve_process
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.operators.specifications import ProcessSpecification
from millstream_dataflow.records import Barrier, RowBatch, Watermark
from millstream_dataflow.records.controls import MIN_TIME
from millstream_taskmanager.operators.base import OperatorContext, Output, RowOperator
from millstream_taskmanager.operators.emitting import Collector
from millstream_taskmanager.operators.functions import FunctionLife
from millstream_taskmanager.operators.state import StoredList
from millstream_taskmanager.user_code.errors import UserCodeError, attributed, last_given
from millstream_taskmanager.user_code.returned import SEVERAL, several


class Timed(Protocol):
    """What is around a record, which has a time."""

    time: int | None


def call_each(
    batch: RowBatch, process: Callable[..., Emitted[Any]], around: Timed, operator: str, *, reuse: bool
) -> Iterator[Output]:
    """A function with each record of a batch, one by one: records that belong to no key. `reuse`: as Collector says."""
    collector = Collector(timed=batch.timestamps is not None, reuse=reuse)
    values, times = batch.values, batch.timestamps
    given = iter(values)

    def loop() -> Iterator[Output]:
        for place, value in enumerate(given):
            time = around.time = None if times is None else times[place]
            emitted = process(value, around)
            if emitted is not None:
                for item in emitted if type(emitted) in SEVERAL else several(emitted):
                    collector.add(item, time)
                    if collector.full:
                        yield from collector.take()

    yield from attributed(loop(), lambda error: UserCodeError(error, operator, last_given(values, given)))
    yield from collector.take()


class FunctionWithoutKeys(RowOperator):
    """Calls a user's function with each record: what operators of one input and of two have in common."""

    def __init__(self, functions: Sequence[object], *, reuse: bool) -> None:
        """`functions` are the user's, for their lives. `reuse`: as Collector says."""
        self._lives = [FunctionLife(function) for function in functions]
        self._reuse = reuse
        self._watermark = MIN_TIME

    def open(self, context: OperatorContext) -> None:
        """See Operator."""
        self._context = context
        for life in self._lives:
            life.open(context)

    def call_each(self, batch: RowBatch, process: Callable[..., Emitted[Any]], around: Timed) -> Iterator[Output]:
        """The function's method with each record of a batch, and with what is around it."""
        return call_each(batch, process, around, self._context.name, reuse=self._reuse)

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """See Operator."""
        self._watermark = watermark.time
        return iter(())

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """See Operator."""
        return [stored for life in self._lives for stored in life.snapshot(barrier)]

    def close(self) -> None:
        """See Operator."""
        for life in reversed(self._lives):
            life.close()

    @property
    def watermark(self) -> int:
        """How far event time has come."""
        return self._watermark

    def now(self) -> int:
        """Processing time."""
        return self._context.now()


class ProcessOperator(FunctionWithoutKeys):
    """See the module."""

    def __init__(self, specification: ProcessSpecification, *, reuse: bool = False) -> None:
        """`reuse`: as Collector says."""
        super().__init__([specification.function], reuse=reuse)
        function = resolve_process(specification.function)
        self._process = cast("Callable[..., Emitted[Any]]", function.process_element)  # never `async def` here

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        return self.call_each(batch, self._process, _Around(TimesOfNow(self)))


class _Around(ProcessFunction.Context):
    """What is around the record at hand."""

    def __init__(self, times: TimerService) -> None:
        self._times = times
        self.time: int | None = None

    def timestamp(self) -> int | None:
        return self.time

    def timer_service(self) -> TimerService:
        return self._times


class TimesOfNow(NonKeyedTimerService):
    """Tells the times."""

    def __init__(self, operator: FunctionWithoutKeys) -> None:
        self._operator = operator

    def current_processing_time(self) -> int:
        """See TimerService."""
        return self._operator.now()

    def current_watermark(self) -> int:
        """See TimerService."""
        return self._operator.watermark
