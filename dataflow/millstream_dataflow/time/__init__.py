"""Time: spans, the event times of records, and the watermarks that say how far event time has come (law 7).

Read in this order:

* `quantities`  `Duration` and `Time`, which are spans as PyFlink writes them; a `timedelta` goes wherever they go
* `timestamps`  `TimestampAssigner`, where a record's event time comes from; `assign_all`, a batch's;
  `checked_time`, whether what user code gives is a time
* `output`      `WatermarkOutput`, by which a generator may speak
* `generators`  `WatermarkGenerator`, how watermarks follow the times, record by record and batch by batch;
  `GeneratorDriver`, how the runtime works one
* `ingestion`   `IngestionTime`, times and watermarks of the clock
* `alignment`   `WatermarkAlignment`, sources that keep together: who may read how far
* `strategy`    `WatermarkStrategy`, all of them together as a user writes them

All times are milliseconds since the epoch, `int`. Watermark(t) means: no more records with a time at or before t.
"""

from millstream_dataflow.time.alignment import ReadingLimit, WatermarkAlignment, lowest_of
from millstream_dataflow.time.generators import (
    BoundedOutOfOrderness,
    Cut,
    GeneratorDriver,
    MonotonousTimestamps,
    NoWatermarks,
    WatermarkGenerator,
)
from millstream_dataflow.time.ingestion import IngestionTime
from millstream_dataflow.time.output import WatermarkOutput
from millstream_dataflow.time.quantities import Duration, Span, Time, to_milliseconds
from millstream_dataflow.time.strategy import WatermarkStrategy
from millstream_dataflow.time.timestamps import NO_TIMESTAMP, TimestampAssigner, assign_all, checked_time

__all__ = [
    "NO_TIMESTAMP",
    "BoundedOutOfOrderness",
    "Cut",
    "Duration",
    "GeneratorDriver",
    "IngestionTime",
    "MonotonousTimestamps",
    "NoWatermarks",
    "ReadingLimit",
    "Span",
    "Time",
    "TimestampAssigner",
    "WatermarkAlignment",
    "WatermarkGenerator",
    "WatermarkOutput",
    "WatermarkStrategy",
    "assign_all",
    "checked_time",
    "lowest_of",
    "to_milliseconds",
]
