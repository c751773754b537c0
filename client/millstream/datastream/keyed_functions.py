"""MapFunction, FlatMapFunction and FilterFunction on a keyed stream: as process functions, since only those have state.

In Flink these calls run in the keyed context too, so that a `FlatMapFunction` may ask for `ValueState` in `open`.
"""

from typing import Any, ClassVar, cast

from millstream.datastream.stand_in import StandIn
from millstream_dataflow.functions import FilterFunction, FlatMapFunction, KeyedProcessFunction, MapFunction
from millstream_dataflow.functions.process import Emitted


class KeyedStandIn(StandIn, KeyedProcessFunction[Any, Any, Any]):
    """A function that has the key of the record at hand."""

    stands_for: ClassVar[str]
    """The call that the user made; his operator has this name."""


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
