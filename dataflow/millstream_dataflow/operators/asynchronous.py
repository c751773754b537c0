"""The operator that has many records under way at once, each waiting for its answer."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from millstream_dataflow.functions.async_retries import AsyncRetryStrategy
from millstream_dataflow.operators.specifications import Function, OperatorSpecification

DEFAULT_CAPACITY: Final = 100
"""Records under way at once in a subtask, as in PyFlink."""


class Gives(Enum):
    """What an awaited function gives for a record."""

    RECORDS = "records"
    """Any number of them: a list, another iterable, or None for none."""
    RECORD = "record"
    """One."""
    VERDICT = "verdict"
    """Whether to keep the record that it was asked for."""


@dataclass(frozen=True, slots=True)
class AsyncWaitSpecification(OperatorSpecification):
    """An `async def` function for each record, up to `capacity` of them at once in each subtask.

    Results come in the order of the records, or, not `ordered`, as they are there, but never across a watermark.
    """

    function: Function
    ordered: bool = True
    capacity: int = DEFAULT_CAPACITY
    timeout: int | None = None
    """Milliseconds for all attempts of one record; None: as long as it takes."""
    retry: AsyncRetryStrategy[Any] | None = None
    gives: Gives = Gives.RECORDS
    stands_for: str = ""
    """The call that the user made, where it was another than that of AsyncDataStream."""
