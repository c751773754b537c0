"""`async def` in map, flat_map and filter: the operator that waits for many records at once, in their order."""

from collections.abc import Callable
from typing import Any, Final

from millstream_dataflow.functions import is_async
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification, Gives
from millstream_dataflow.operators.specifications import (
    FilterSpecification,
    FlatMapSpecification,
    MapSpecification,
    OperatorSpecification,
)

Rows = MapSpecification | FlatMapSpecification | FilterSpecification

_GIVES: Final[dict[type[OperatorSpecification], tuple[Gives, str]]] = {
    MapSpecification: (Gives.RECORD, "Map"),
    FlatMapSpecification: (Gives.RECORDS, "Flat Map"),
    FilterSpecification: (Gives.VERDICT, "Filter"),
}


def awaited(specification: Rows, callback: Callable[[Any], Any]) -> OperatorSpecification:
    """The specification, or that of an ordered wait without a timeout where its function's answers are awaited.

    `callback` is what would be called.
    """
    if not is_async(callback):
        return specification
    gives, call = _GIVES[type(specification)]
    return AsyncWaitSpecification(specification.function, gives=gives, stands_for=call)
