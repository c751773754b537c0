"""PyFlink's `AsyncFunctionDescriptor`: what a call of AsyncDataStream says, as a value."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from millstream_dataflow.functions import AsyncFunction, AsyncRetryStrategy
from millstream_dataflow.time import Span


@dataclass(frozen=True)
class AsyncFunctionDescriptor:
    """A function with all that AsyncDataStream is told about it. No call takes one, in PyFlink neither."""

    class OutputMode(Enum):
        """In which order results come."""

        ORDERED = 0
        UNORDERED = 1

    async_function: AsyncFunction[Any, Any]
    timeout: Span
    capacity: int
    async_retry_strategy: AsyncRetryStrategy[Any]
    output_mode: OutputMode
