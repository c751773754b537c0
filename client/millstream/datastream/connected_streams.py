"""Two streams that one operator takes, each with records of its own type. Names and meanings are PyFlink's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeAlias, TypeVar

from millstream.datastream.arguments import accepted
from millstream.datastream.call_site import call_site
from millstream.datastream.data_stream import DataStream
from millstream.datastream.declared_types import AnyType, returned_items_type, returned_type
from millstream.datastream.inputs import key_of, one_or_pair, operator_of_two, refuse_unequal_keys
from millstream.datastream.operator_settings import stays_in_program
from millstream.datastream.unfinished import Unfinished
from millstream.errors import KeyedStreamRequiredError
from millstream_dataflow.functions import (
    CoFlatMapFunction,
    CoMapFunction,
    CoProcessFunction,
    KeyedCoProcessFunction,
    KeySelector,
    TwoFunctions,
    resolve_co_flat_map,
    resolve_co_map,
    resolve_co_process,
    resolve_keyed_co_process,
)
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.operators.specifications import KeySelection, OperatorSpecification
from millstream_dataflow.operators.two_inputs import CoCall, CoProcessSpecification, KeyedCoProcessSpecification
from millstream_dataflow.types import TypeInformation

if TYPE_CHECKING:
    from millstream.datastream.environment import StreamExecutionEnvironment

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
R = TypeVar("R")

Context: TypeAlias = CoProcessFunction.Context


class ConnectedStreams(Unfinished, Generic[T, U]):
    """A stream of records of type T and one of type U, which share the state of one operator.

    It has keys if both streams have: then both are sent by key, and records with equal keys find the same state. Where
    a function is taken, an object of its class or a pair of plain functions will do, one for each stream.
    """

    _next = "say what comes of its records by map, flat_map or process"

    def __init__(self, stream1: DataStream[T], stream2: DataStream[U]) -> None:
        self._first = stream1
        self._second = stream2
        if self._keys is not None:
            refuse_unequal_keys("connect", *self._keys)

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    def get_execution_environment(self) -> StreamExecutionEnvironment:
        """The environment of the program that both streams belong to."""
        return self._first.get_execution_environment()

    def key_by(
        self,
        key_selector1: KeySelector[T, K] | Callable[[T], K] | str | int,
        key_selector2: KeySelector[U, K] | Callable[[U], K] | str | int,
        key_type: TypeInformation[K] | None = None,
    ) -> ConnectedStreams[T, U]:
        """Send records of both streams with equal keys to one subtask, and give what follows state for each key.

        KeyTypeError where the selectors are annotated to give keys of different types.
        """
        first, second = self._first, self._second
        return ConnectedStreams(first.key_by(key_selector1, key_type), second.key_by(key_selector2, key_type))

    def map(
        self,
        func: CoMapFunction[T, U, R] | tuple[Callable[[T], R], Callable[[U], R]],
        output_type: TypeInformation[R] | None = None,
    ) -> DataStream[R]:
        """One record out for each in, none for a None; with keys, the `open` of a CoMapFunction can ask for state."""
        functions = accepted(resolve_co_map, func)
        return self._operate(func, CoCall.MAP, output_type or _common(functions, returned_type))

    def flat_map(
        self,
        func: CoFlatMapFunction[T, U, R] | tuple[Callable[[T], Iterable[R] | None], Callable[[U], Iterable[R] | None]],
        output_type: TypeInformation[R] | None = None,
    ) -> DataStream[R]:
        """Any number of records out for each in; with keys, the `open` of a CoFlatMapFunction can ask for state."""
        functions = accepted(resolve_co_flat_map, func)
        return self._operate(func, CoCall.FLAT_MAP, output_type or _common(functions, returned_items_type))

    def process(
        self,
        func: CoProcessFunction[T, U, R]
        | KeyedCoProcessFunction[Any, T, U, R]
        | tuple[Callable[[T, Context], Emitted[R]], Callable[[U, Context], Emitted[R]]],
        output_type: TypeInformation[R] | None = None,
    ) -> DataStream[R]:
        """Any number of records out for each in, with its time and side outputs; with keys, state for each key, and for
        a KeyedCoProcessFunction timers.
        """
        if self._keys is None and isinstance(func, KeyedCoProcessFunction):
            what = f"process got the KeyedCoProcessFunction {type(func).__name__}, but {self._without_keys}"
            mend = "call key_by on both before connect, or connected.key_by(selector1, selector2)"
            raise KeyedStreamRequiredError(what, mend, defined_at=call_site())
        accepted(resolve_co_process if self._keys is None else resolve_keyed_co_process, func)
        return self._operate(func, CoCall.PROCESS, output_type)

    # ---------------------------------------------------------------------------------------------------- inside

    @property
    def _keys(self) -> tuple[KeySelection, KeySelection] | None:
        """How keys are found; None unless both streams have some, as in Flink."""
        first, second = key_of(self._first), key_of(self._second)
        return None if first is None or second is None else (first, second)

    @property
    def _without_keys(self) -> str:
        for stream, which in ((self._first, "second"), (self._second, "first")):
            if key_of(stream) is not None:
                return f"of the connected streams the {which} has no keys"
        return "the connected streams have no keys"

    def _operate(self, func: object, call: CoCall, type_: AnyType) -> DataStream[Any]:
        function = one_or_pair(func)
        keys = self._keys
        specification: OperatorSpecification = (
            CoProcessSpecification(function, call)
            if keys is None
            else KeyedCoProcessSpecification(function, call, keys)
        )
        return operator_of_two(self._first, self._second, specification, type_)


def _common(functions: TwoFunctions, type_of: Callable[[object], AnyType]) -> AnyType:
    """What both functions are annotated to give; None where they aren't, or disagree."""
    first, second = map(type_of, functions.both)
    return first if first == second else None
