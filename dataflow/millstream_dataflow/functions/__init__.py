"""Functions: what a user writes, as classes of these bases or as plain callables.

Read in this order:

* `function`  `Function`, the base of all: `open` and `close`
* `context`   `RuntimeContext`, what a function may know and have in `open`
* `rows`      one record at a time: map, flat_map, filter, reduce, and how keys and partitions are found
* `aggregate` `AggregateFunction`, from values to an accumulator to a result
* `timers`    `TimerService` and `TimeDomain`
* `process`   `ProcessFunction` and `KeyedProcessFunction`: records with their times, state, timers and side outputs
* `window`    `ProcessWindowFunction`, `WindowFunction` and those of all records: the result of a window
* `co`        functions of two streams, `broadcast` of a stream and a broadcast one, `joins` of pairs of records
* `asynchronous` `AsyncFunction`, which waits for an answer from outside; `async_retries`, and asks once more
* `resolve`   from what the user gave to what the runtime calls, or a sentence why not; `resolve_two` for two streams,
              `resolve_windows` for windows

Names and meaning are PyFlink's (Flink, "User-Defined Functions").
"""

from millstream_dataflow.functions.aggregate import AggregateFunction
from millstream_dataflow.functions.async_retries import (
    NO_RETRY_STRATEGY,
    AsyncRetryPredicate,
    AsyncRetryStrategy,
    ExponentialBackoffDelayRetryStrategy,
    FixedDelayRetryStrategy,
    NoRetryStrategy,
    RetryPredicate,
    empty_result_predicate,
    exception_type_predicate,
    has_exception_predicate,
)
from millstream_dataflow.functions.asynchronous import AsyncFunction, is_async
from millstream_dataflow.functions.broadcast import (
    BaseBroadcastProcessFunction,
    BroadcastProcessFunction,
    KeyedBroadcastProcessFunction,
    KeyedStateFunction,
)
from millstream_dataflow.functions.co import (
    CoFlatMapFunction,
    CoMapFunction,
    CoProcessFunction,
    KeyedCoProcessFunction,
)
from millstream_dataflow.functions.context import RuntimeContext
from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.joins import CoGroupFunction, FlatJoinFunction, JoinFunction, ProcessJoinFunction
from millstream_dataflow.functions.process import KeyedProcessFunction, ProcessFunction
from millstream_dataflow.functions.resolve import (
    resolve_aggregate,
    resolve_async,
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
from millstream_dataflow.functions.resolve_two import (
    TwoFunctions,
    is_generator,
    resolve_broadcast_process,
    resolve_co_flat_map,
    resolve_co_group,
    resolve_co_map,
    resolve_co_process,
    resolve_join,
    resolve_keyed_broadcast_process,
    resolve_keyed_co_process,
    resolve_keyed_state_function,
    resolve_process_join,
)
from millstream_dataflow.functions.resolve_windows import (
    as_all_window_function,
    as_process_all_function,
    as_window_function,
    resolve_window_function,
    wants_clear,
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
from millstream_dataflow.functions.window import (
    AllWindowFunction,
    ProcessAllWindowFunction,
    ProcessWindowFunction,
    WindowFunction,
)
from millstream_dataflow.state import KeyedStateStore

__all__ = [
    "NO_RETRY_STRATEGY",
    "AggregateFunction",
    "AllWindowFunction",
    "AsyncFunction",
    "AsyncRetryPredicate",
    "AsyncRetryStrategy",
    "BaseBroadcastProcessFunction",
    "BroadcastProcessFunction",
    "CoFlatMapFunction",
    "CoGroupFunction",
    "CoMapFunction",
    "CoProcessFunction",
    "ExponentialBackoffDelayRetryStrategy",
    "FilterFunction",
    "FixedDelayRetryStrategy",
    "FlatJoinFunction",
    "FlatMapFunction",
    "Function",
    "JoinFunction",
    "KeySelector",
    "KeyedBroadcastProcessFunction",
    "KeyedCoProcessFunction",
    "KeyedProcessFunction",
    "KeyedStateFunction",
    "KeyedStateStore",
    "MapFunction",
    "NoRetryStrategy",
    "NonKeyedTimerService",
    "Partitioner",
    "ProcessAllWindowFunction",
    "ProcessFunction",
    "ProcessJoinFunction",
    "ProcessWindowFunction",
    "ReduceFunction",
    "RetryPredicate",
    "RuntimeContext",
    "TimeDomain",
    "TimerService",
    "TwoFunctions",
    "WindowFunction",
    "as_all_window_function",
    "as_process_all_function",
    "as_window_function",
    "empty_result_predicate",
    "exception_type_predicate",
    "has_exception_predicate",
    "is_async",
    "is_generator",
    "resolve_aggregate",
    "resolve_async",
    "resolve_broadcast_process",
    "resolve_co_flat_map",
    "resolve_co_group",
    "resolve_co_map",
    "resolve_co_process",
    "resolve_filter",
    "resolve_flat_map",
    "resolve_join",
    "resolve_key_selector",
    "resolve_keyed_broadcast_process",
    "resolve_keyed_co_process",
    "resolve_keyed_process",
    "resolve_keyed_state_function",
    "resolve_map",
    "resolve_map_batches",
    "resolve_partitioner",
    "resolve_process",
    "resolve_process_join",
    "resolve_process_window",
    "resolve_reduce",
    "resolve_window_function",
    "wants_clear",
]
