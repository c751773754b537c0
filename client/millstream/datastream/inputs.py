"""What an operator of two streams needs to know of them, which users aren't shown."""

from typing import Any, cast

from millstream.datastream.call_site import call_site
from millstream.datastream.data_stream import DataStream
from millstream.datastream.declared_types import AnyType
from millstream.datastream.keyed_stream import KeyedStream
from millstream.datastream.recording import add_operator_of_two
from millstream.errors import KeyTypeError
from millstream_dataflow.operators.specifications import KeySelection, OperatorSpecification
from millstream_dataflow.types import TypeInformation
from millstream_dataflow.types.composites import OptionalType


def key_of(stream: DataStream[Any]) -> KeySelection | None:
    """How the keys of its records are found; None for a stream without keys."""
    return stream._key if isinstance(stream, KeyedStream) else None  # noqa: SLF001  # see the module


def one_or_pair(function: object) -> object:
    """What a specification keeps of what the user gave: a pair as a tuple."""
    return tuple(cast("list[object]", function)) if isinstance(function, list) else function


def operator_of_two(
    first: DataStream[Any], second: DataStream[Any], specification: OperatorSpecification, type_: AnyType
) -> DataStream[Any]:
    """The stream that an operator of two streams gives."""
    environment = first.get_execution_environment()
    inputs = first._transformation, second._transformation  # noqa: SLF001  # see the module
    return DataStream(environment, add_operator_of_two(environment.program, inputs, specification, type_))


def _without_null(type_: TypeInformation[Any]) -> object:
    """The class of keys, some of which may be None: so fields of Rows are, whatever their type."""
    inner: TypeInformation[Any] = type_.inner if isinstance(type_, OptionalType) else type_
    return inner.python_type()


def refuse_unequal_keys(call: str, first: KeySelection, second: KeySelection) -> None:
    """KeyTypeError where both types are known, and no key of the one is a key of the other."""
    if first.type is None or second.type is None or _without_null(first.type) == _without_null(second.type):
        return
    what = f"{call} got streams with keys of different types, {first.type} and {second.type}"
    raise KeyTypeError(what, "let both key selectors give the same type", defined_at=call_site())
