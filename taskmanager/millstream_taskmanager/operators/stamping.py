"""Times and watermarks of one split, or of one subtask behind a source: its assigner and its generator (laws 7.1,
7.2).

An expression gives columns their times as columns: 0.02 us a record, where a function takes 10, since it needs rows.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from millstream_dataflow.records import Batch, ColumnBatch, RowBatch
from millstream_dataflow.records.batches import Times
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.time import (
    NO_TIMESTAMP,
    Cut,
    GeneratorDriver,
    IngestionTime,
    NoWatermarks,
    WatermarkStrategy,
    assign_all,
    checked_time,
)
from millstream_taskmanager.operators.conversion import to_rows
from millstream_taskmanager.user_code.errors import NO_RECORD, UserCode, UserCodeError

T = TypeVar("T")
StampState = tuple[int, Any, int]
"""The last watermark, what the generator's `snapshot` gave, and how many records have come since it was asked."""


class Stamper:
    """One generator with its assigner. `time` is its watermark, which never falls.

    The generator is asked behind each batch, or behind each `every` records: then it says the same however the records
    came (law 7.2).
    """

    def __init__(
        self, strategy: WatermarkStrategy[Any], operator: str, clock: Callable[[], int], every: int | None = None
    ) -> None:
        """`operator` is named when the user's code fails; `clock` is processing time."""
        self.time = MIN_TIME
        self._operator = operator
        self._clock = clock
        self._assigner = _guarded(strategy.create_timestamp_assigner, operator)
        self._column = strategy.timestamp_column()
        self._driver = _guarded(lambda: GeneratorDriver[Any](strategy.create_watermark_generator()), operator)
        generator = self._generator = self._driver.generator
        self._ingestion = generator if isinstance(generator, IngestionTime) else None
        self._needs_times = type(generator) is not NoWatermarks
        self._every = every if self._needs_times else None
        self._since = 0  # records since the generator was asked

    @property
    def idle(self) -> bool:
        """Whether the generator has said that nothing is to be waited for here."""
        return self._driver.idle

    def room(self, limit: int) -> int:
        """How many records, of at most `limit`, the next batch may have."""
        # At least one: what was restored may have counted towards a longer batch.
        return limit if self._every is None else max(1, min(limit, self._every - self._since))

    def stamp(self, batch: Batch) -> Iterator[Batch | int]:
        """The batch with its times, cut where a watermark (its time) stands; each watermark is above the last."""
        if self._assigner is None and not self._needs_times:
            yield batch
            return
        timed = self._timed_columns(batch)
        rows = self._rows(batch, timed)
        batch = self._timed(batch, rows) if timed is None else timed
        cuts = self._cuts(rows.values if rows is not None else (), batch)
        start = 0
        for cut in cuts:
            if cut.watermark > self.time:
                yield _part(batch, start, cut.records)
                start = cut.records
                self.time = cut.watermark
                yield cut.watermark
        if start < len(batch):
            yield _part(batch, start, len(batch))
        self._since += len(batch)
        if self._every is None or self._since >= self._every:
            self._since = 0
            if (periodic := self.periodic()) is not None:
                yield periodic

    def periodic(self) -> int | None:
        """The watermark by now, if it is above the last."""
        if self._ingestion is not None:
            self._ingestion.at(self._clock())
        time = _guarded(self._driver.periodic, self._operator)
        if time is None or time <= self.time:
            return None
        self.time = time
        return time

    def snapshot(self) -> StampState:
        """What a fresh stamper needs to go on."""
        return self.time, _guarded(self._generator.snapshot, self._operator), self._since

    def restore(self, state: StampState) -> None:
        """Go on from a snapshot."""
        self.time, generator, self._since = state
        if self._ingestion is not None:  # another strategy, or another parallelism, may have stored something else
            self._ingestion.restore(max(self.time + 1, generator if isinstance(generator, int) else MIN_TIME))
        elif generator is not None:
            _guarded(lambda: self._generator.restore(generator), self._operator)

    def _rows(self, batch: Batch, timed: ColumnBatch | None) -> RowBatch | None:
        """The batch as rows, where the user's code looks at values."""
        if isinstance(batch, RowBatch):
            return batch
        assigns = self._assigner is not None and timed is None
        return to_rows(batch) if assigns or self._generator.reads_values else None

    def _timed_columns(self, batch: Batch) -> ColumnBatch | None:
        """Columns with the times that an expression gives; None where rows have to say why there are none."""
        if self._column is None or not isinstance(batch, ColumnBatch):
            return None
        try:
            times = self._column.column(batch.columns)
        except Exception:  # noqa: BLE001  # columns say only that some record can't be computed
            return None
        if times.null_count or not pa.types.is_int64(times.type):
            return None
        return ColumnBatch(batch.columns, times.to_numpy(zero_copy_only=False))

    def _timed(self, batch: Batch, rows: RowBatch | None) -> Batch:
        if self._ingestion is not None:
            return _all_at(batch, self._ingestion.at(self._clock()))
        if self._assigner is not None and rows is not None:
            times = self._assigned(self._assigner, rows)
            if isinstance(batch, RowBatch):
                return RowBatch(batch.values, times)
            return ColumnBatch(batch.columns, np.array(times, np.int64))
        return batch

    def _assigned(self, assigner: Callable[[Any, int], int], rows: RowBatch) -> list[int]:
        try:
            return assign_all(assigner, rows.values, rows.timestamps)
        except BaseException as error:  # the user's code may raise what it likes
            raise UserCodeError(error, self._operator, _culprit(assigner, rows)) from error

    def _cuts(self, values: Sequence[Any], batch: Batch) -> Sequence[Cut]:
        """Where the generator lets watermarks stand.

        Records without times raise none, as in Flink: whoever needs their times says so where they are needed. A
        generator that looks at records sees them all the same.
        """
        times: list[int] | Times = [NO_TIMESTAMP] * len(batch) if batch.timestamps is None else batch.timestamps
        if batch.timestamps is None and not self._generator.reads_values:
            return ()
        with UserCode(self._operator):
            cuts = self._driver.batch(values if self._generator.reads_values else (), times)
            for cut in cuts:
                checked_time(cut.watermark, "the watermark of a cut")
        return cuts


def _guarded(call: Callable[[], T], operator: str) -> T:
    with UserCode(operator):
        return call()


def _all_at(batch: Batch, time: int) -> Batch:
    if isinstance(batch, RowBatch):
        return RowBatch(batch.values, [time] * len(batch))
    return ColumnBatch(batch.columns, np.full(len(batch), time, np.int64))


def _culprit(assigner: Callable[[Any, int], int], rows: RowBatch) -> object:
    """The first record that the assigner can't take, found by asking again."""
    former = [NO_TIMESTAMP] * len(rows) if rows.timestamps is None else rows.timestamps
    for value, time in zip(rows.values, former, strict=True):
        try:
            assign_all(assigner, (value,), (time,))
        except BaseException:  # noqa: BLE001  # the user's code may raise what it likes
            return value
    return NO_RECORD


def _part(batch: Batch, start: int, end: int) -> Batch:
    if start == 0 and end == len(batch):
        return batch
    if isinstance(batch, RowBatch):
        return RowBatch(batch.values[start:end], None if batch.timestamps is None else batch.timestamps[start:end])
    columns = batch.columns.slice(start, end - start)
    return ColumnBatch(columns, None if batch.timestamps is None else batch.timestamps[start:end])
