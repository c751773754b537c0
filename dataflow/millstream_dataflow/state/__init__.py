"""State: what a function remembers between records, kept by the runtime and stored in its checkpoints.

Read in this order:

* `ttl`           `StateTtlConfig`, how long what nobody uses is kept
* `descriptors`   the name and the type of a state, as a function asks for it
* `handles`       what a function does with it: value, list, map, reducing, aggregating
* `broadcast`     the map that every subtask has whole
* `stores`        where a function asks: `KeyedStateStore` for the state of the current key, `OperatorStateStore`
* `checkpointed`  `CheckpointedFunction`, for state of a subtask that belongs to no key

A keyed state shows a function the part that belongs to the key of the current record or timer.
"""

from millstream_dataflow.state.broadcast import BroadcastState, ReadOnlyBroadcastState
from millstream_dataflow.state.checkpointed import (
    CheckpointedFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
)
from millstream_dataflow.state.descriptors import (
    Aggregates,
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    Reduces,
    ReducingStateDescriptor,
    StateDescriptor,
    ValueStateDescriptor,
)
from millstream_dataflow.state.handles import (
    AggregatingState,
    AppendingState,
    ListState,
    MapState,
    ReducingState,
    State,
    ValueState,
)
from millstream_dataflow.state.stores import KeyedStateStore, OperatorStateStore
from millstream_dataflow.state.ttl import StateTtlConfig

__all__ = [
    "Aggregates",
    "AggregatingState",
    "AggregatingStateDescriptor",
    "AppendingState",
    "BroadcastState",
    "CheckpointedFunction",
    "FunctionInitializationContext",
    "FunctionSnapshotContext",
    "KeyedStateStore",
    "ListState",
    "ListStateDescriptor",
    "MapState",
    "MapStateDescriptor",
    "OperatorStateStore",
    "ReadOnlyBroadcastState",
    "Reduces",
    "ReducingState",
    "ReducingStateDescriptor",
    "State",
    "StateDescriptor",
    "StateTtlConfig",
    "ValueState",
    "ValueStateDescriptor",
]
