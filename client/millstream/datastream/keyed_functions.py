"""MapFunction, FlatMapFunction and FilterFunction on a keyed stream: as process functions, since only those have state.

In Flink these calls run in the keyed context too, so that a `FlatMapFunction` may ask for `ValueState` in `open`.
"""

from typing import Any, ClassVar, cast

from millstream_dataflow.functions import (
    FilterFunction,
    FlatMapFunction,
    Function,
    KeyedProcessFunction,
    MapFunction,
    RuntimeContext,
)
from millstream_dataflow.functions.function import give_context
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.state import CheckpointedFunction, FunctionInitializationContext, FunctionSnapshotContext


class KeyedStandIn(KeyedProcessFunction[Any, Any, Any], CheckpointedFunction):
    """Opens and closes the function that it stands for, and has it store its own lists."""

    stands_for: ClassVar[str]
    """The call that the user made; his operator has this name."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.__name__ = type(function).__name__  # what errors call it

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        """As the function wants it."""
        give_context(self.function, self.get_runtime_context())
        if isinstance(self.function, CheckpointedFunction):
            self.function.initialize_state(context)

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        """As the function wants it."""
        if isinstance(self.function, CheckpointedFunction):
            self.function.snapshot_state(context)

    def open(self, runtime_context: RuntimeContext) -> None:
        """As the function wants it."""
        self.function.open(runtime_context)

    def close(self) -> None:
        """As the function wants it."""
        self.function.close()


class KeyedMap(KeyedStandIn):
    """A MapFunction with state of the record's key."""

    stands_for = "Map"
    function: MapFunction[Any, Any]

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Emitted[Any]:  # noqa: ANN401  # any record
        """One record out."""
        return (self.function.map(value),)


class KeyedFlatMap(KeyedStandIn):
    """A FlatMapFunction with state of the record's key."""

    stands_for = "Flat Map"
    function: FlatMapFunction[Any, Any]

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Emitted[Any]:  # noqa: ANN401  # any record
        """Any number of records out."""
        return cast("Emitted[Any]", self.function.flat_map(value))  # an `async def` is awaited before it comes here


class KeyedFilter(KeyedStandIn):
    """A FilterFunction with state of the record's key."""

    stands_for = "Filter"
    function: FilterFunction[Any]

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Emitted[Any]:  # noqa: ANN401  # any record
        """The record or nothing."""
        return (value,) if self.function.filter(value) else ()
