"""How functions of two streams are called: all as process functions are, with a record and what is around it."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from millstream_dataflow.functions import (
    TwoFunctions,
    resolve_co_flat_map,
    resolve_co_map,
    resolve_co_process,
    resolve_keyed_co_process,
)
from millstream_dataflow.operators.two_inputs import CoCall, CoProcessSpecification, KeyedCoProcessSpecification


def calls_of(specification: CoProcessSpecification | KeyedCoProcessSpecification) -> TwoFunctions:
    """What the operator calls."""
    function = specification.function
    match specification.call:
        case CoCall.MAP:
            maps = resolve_co_map(function)
            return TwoFunctions(_one(maps.first), _one(maps.second))
        case CoCall.FLAT_MAP:
            flat_maps = resolve_co_flat_map(function)
            return TwoFunctions(_several(flat_maps.first), _several(flat_maps.second))
        case CoCall.PROCESS:
            is_keyed = isinstance(specification, KeyedCoProcessSpecification)
            return resolve_keyed_co_process(function) if is_keyed else resolve_co_process(function)


def functions_of(function: object) -> Sequence[object]:
    """What the user gave, each with a life of its own."""
    return cast("tuple[object, ...]", function) if isinstance(function, tuple) else (function,)


def _one(function: Callable[[Any], Any]) -> Callable[[Any, object], tuple[Any, ...]]:
    return lambda value, _around: () if (record := function(value)) is None else (record,)


def _several(function: Callable[[Any], Any]) -> Callable[[Any, object], Any]:
    return lambda value, _around: function(value)
