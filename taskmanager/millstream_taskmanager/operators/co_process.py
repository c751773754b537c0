"""Functions of two streams without keys: CoMapFunction, CoFlatMapFunction, CoProcessFunction, pairs of functions."""

from collections.abc import Iterator

from millstream_dataflow.functions import CoProcessFunction, TimerService
from millstream_dataflow.operators.two_inputs import CoProcessSpecification
from millstream_dataflow.records import RowBatch
from millstream_taskmanager.operators.base import Output
from millstream_taskmanager.operators.co_calls import calls_of, functions_of
from millstream_taskmanager.operators.process import FunctionWithoutKeys, TimesOfNow


class CoProcessOperator(FunctionWithoutKeys):
    """See the module."""

    def __init__(self, specification: CoProcessSpecification, *, reuse: bool = False) -> None:
        """`reuse`: as Collector says."""
        super().__init__(functions_of(specification.function), reuse=reuse)
        self._calls = calls_of(specification).both

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        return self.call_each(batch, self._calls[number], _Around(_Times(self)))


class _Around(CoProcessFunction.Context):
    """What is around the record at hand."""

    def __init__(self, times: TimerService) -> None:
        self._times = times
        self.time: int | None = None

    def timestamp(self) -> int | None:
        return self.time

    def timer_service(self) -> TimerService:
        return self._times


class _Times(TimesOfNow):
    """Tells the times."""

    needed = "KeyedCoProcessFunction"
