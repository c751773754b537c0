"""Time: spans, the event times of records, and the watermarks that say how far event time has come (law 7).

Read in this order:

* `quantities`  `Duration` and `Time`, which are spans as PyFlink writes them; a `timedelta` goes wherever they go
* `timestamps`  `TimestampAssigner`, where a record's event time comes from; `assign_all`, a batch's;
  `checked_time`, whether what user code gives is a time
* `generators`  `WatermarkGenerator`, how watermarks follow the times, record by record and batch by batch
* `strategy`    `WatermarkStrategy`, the two together as a user writes them

All times are milliseconds since the epoch, `int`. Watermark(t) means: no more records with a time at or before t.
"""

from millstream_dataflow.time.generators import (
    BoundedOutOfOrderness,
    Cut,
    MonotonousTimestamps,
    NoWatermarks,
    WatermarkGenerator,
)
from millstream_dataflow.time.quantities import Duration, Span, Time, to_milliseconds
from millstream_dataflow.time.strategy import WatermarkStrategy
from millstream_dataflow.time.timestamps import NO_TIMESTAMP, TimestampAssigner, assign_all, checked_time

__all__ = [
    "NO_TIMESTAMP",
    "BoundedOutOfOrderness",
    "Cut",
    "Duration",
    "MonotonousTimestamps",
    "NoWatermarks",
    "Span",
    "Time",
    "TimestampAssigner",
    "WatermarkGenerator",
    "WatermarkStrategy",
    "assign_all",
    "checked_time",
    "to_milliseconds",
]
