"""A broadcast stream, and a stream connected with it. Names and meanings are PyFlink's (Flink, "The Broadcast State
Pattern").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeAlias, TypeVar

from millstream.datastream.arguments import accepted, accepted_instance
from millstream.datastream.call_site import call_site
from millstream.datastream.data_stream import DataStream
from millstream.datastream.inputs import key_of, one_or_pair, operator_of_two
from millstream.datastream.operator_settings import stays_in_program
from millstream.datastream.unfinished import Unfinished
from millstream.errors import ArgumentError, KeyedStreamRequiredError
from millstream_dataflow.functions import (
    BaseBroadcastProcessFunction,
    BroadcastProcessFunction,
    KeyedBroadcastProcessFunction,
    resolve_broadcast_process,
    resolve_keyed_broadcast_process,
)
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.operators.two_inputs import BroadcastProcessSpecification, KeyedBroadcastProcessSpecification
from millstream_dataflow.state import MapStateDescriptor
from millstream_dataflow.types import TypeInformation

if TYPE_CHECKING:
    from millstream.datastream.environment import StreamExecutionEnvironment

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")

States: TypeAlias = tuple[MapStateDescriptor[Any, Any], ...]
ReadOnlyContext: TypeAlias = BaseBroadcastProcessFunction.ReadOnlyContext
WritingContext: TypeAlias = BaseBroadcastProcessFunction.Context


class BroadcastStream(Unfinished, Generic[U]):
    """A stream whose records of type U go to every subtask, and the states in which they are kept there.

    Made by `stream.broadcast(descriptor, ...)`, and given to `connect` of another stream.
    """

    _next = "say which stream it goes with by stream.connect(broadcast)"

    def __init__(self, input_stream: DataStream[U], broadcast_state_descriptors: States) -> None:
        """The stream is on its way to every subtask already."""
        self._stream = input_stream
        self._states = broadcast_state_descriptors

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    def get_execution_environment(self) -> StreamExecutionEnvironment:
        """The environment of the program that the stream belongs to."""
        return self._stream.get_execution_environment()

    @property
    def stream(self) -> DataStream[U]:
        """The records, on their way to every subtask."""
        return self._stream

    @property
    def states(self) -> States:
        """What they are kept in."""
        return self._states


class BroadcastConnectedStream(Unfinished, Generic[T, U]):
    """A stream of records of type T, with keys or without, and a broadcast one of records of type U."""

    _next = "say what comes of its records by process(function)"

    def __init__(
        self,
        non_broadcast_stream: DataStream[T],
        broadcast_stream: BroadcastStream[U],
        broadcast_state_descriptors: States,
    ) -> None:
        self._stream = non_broadcast_stream
        self._broadcast = broadcast_stream
        self._states = broadcast_state_descriptors

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    def get_execution_environment(self) -> StreamExecutionEnvironment:
        """The environment of the program that both streams belong to."""
        return self._stream.get_execution_environment()

    def process(
        self,
        func: BroadcastProcessFunction[T, U, R]
        | KeyedBroadcastProcessFunction[Any, T, U, R]
        | tuple[Callable[[T, ReadOnlyContext], Emitted[R]], Callable[[U, WritingContext], Emitted[R]]],
        output_type: TypeInformation[R] | None = None,
    ) -> DataStream[R]:
        """Any number of records out for each in, of either stream: those that aren't broadcast read the state, the
        broadcast ones write it. A stream with keys takes a KeyedBroadcastProcessFunction, with state and timers for
        each key; one without takes a BroadcastProcessFunction. A pair of plain functions will do for both.

        The watermark is that of the stream that is behind: a broadcast one without watermarks that never ends and is
        never idle holds all timers back.
        """
        function = one_or_pair(func)
        states = self._states
        if (key := key_of(self._stream)) is not None:
            accepted(resolve_keyed_broadcast_process, func)
            keyed = KeyedBroadcastProcessSpecification(function, key, states)
            return operator_of_two(self._stream, self._broadcast.stream, keyed, output_type)
        if isinstance(func, KeyedBroadcastProcessFunction):
            what = f"process got the KeyedBroadcastProcessFunction {type(func).__name__}, but the stream has no keys"
            raise KeyedStreamRequiredError(what, "call key_by before connect", defined_at=call_site())
        accepted(resolve_broadcast_process, func)
        plain = BroadcastProcessSpecification(function, states)
        return operator_of_two(self._stream, self._broadcast.stream, plain, output_type)


def broadcast_states(descriptors: States) -> States:
    """What `broadcast` accepts; ArgumentError for anything but descriptors of maps, each with a name of its own
    and none with a time to live.
    """
    names = set[str]()
    for descriptor in descriptors:
        accepted_instance("broadcast", descriptor, MapStateDescriptor, "MapStateDescriptors")
        if descriptor.name in names:
            what = f"broadcast got two states of the name {descriptor.name!r}"
            raise ArgumentError(what, "give each a name of its own", defined_at=call_site())
        if descriptor.ttl is not None:
            what = f"broadcast got the state {descriptor.name!r} with a time to live, which only state of keys has"
            raise ArgumentError(what, "leave it out, and remove entries by a broadcast record", defined_at=call_site())
        names.add(descriptor.name)
    return descriptors
