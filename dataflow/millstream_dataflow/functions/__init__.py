"""Functions: what a user writes, as classes of these bases or as plain callables.

Read in this order:

* `function`  `Function`, the base of all: `open` and `close`
* `context`   `RuntimeContext`, what a function may know and have in `open`
* `rows`      one record at a time: map, flat_map, filter, reduce, and how keys and partitions are found
* `aggregate` `AggregateFunction`, from values to an accumulator to a result
* `timers`    `TimerService` and `TimeDomain`
* `process`   `ProcessFunction` and `KeyedProcessFunction`: records with their times, state, timers and side outputs
* `window`    `ProcessWindowFunction`: the result of a window
* `resolve`   from what the user gave to what the runtime calls, or a sentence why not

Names and meaning are PyFlink's (Flink, "User-Defined Functions").
"""

from millstream_dataflow.functions.aggregate import AggregateFunction
from millstream_dataflow.functions.context import RuntimeContext
from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.process import KeyedProcessFunction, ProcessFunction
from millstream_dataflow.functions.resolve import (
    resolve_aggregate,
    resolve_filter,
    resolve_flat_map,
    resolve_key_selector,
    resolve_keyed_process,
    resolve_map,
    resolve_map_batches,
    resolve_partitioner,
    resolve_process,
    resolve_process_window,
    resolve_reduce,
)
from millstream_dataflow.functions.rows import (
    FilterFunction,
    FlatMapFunction,
    KeySelector,
    MapFunction,
    Partitioner,
    ReduceFunction,
)
from millstream_dataflow.functions.timers import NonKeyedTimerService, TimeDomain, TimerService
from millstream_dataflow.functions.window import ProcessWindowFunction
from millstream_dataflow.state import KeyedStateStore

__all__ = [
    "AggregateFunction",
    "FilterFunction",
    "FlatMapFunction",
    "Function",
    "KeySelector",
    "KeyedProcessFunction",
    "KeyedStateStore",
    "MapFunction",
    "NonKeyedTimerService",
    "Partitioner",
    "ProcessFunction",
    "ProcessWindowFunction",
    "ReduceFunction",
    "RuntimeContext",
    "TimeDomain",
    "TimerService",
    "resolve_aggregate",
    "resolve_filter",
    "resolve_flat_map",
    "resolve_key_selector",
    "resolve_keyed_process",
    "resolve_map",
    "resolve_map_batches",
    "resolve_partitioner",
    "resolve_process",
    "resolve_process_window",
    "resolve_reduce",
]
