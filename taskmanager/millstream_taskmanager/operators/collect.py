"""Keeps records until the client has fetched them (`execute_and_collect`)."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from millstream_dataflow.records import RowBatch
from millstream_taskmanager.operators.base import Output, RowOperator


class CollectOperator(RowOperator):
    """See the module."""

    def __init__(self) -> None:
        self._records = deque[Any]()

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        self._records.extend(batch.values)
        return iter(())

    def fetch(self) -> list[Any]:
        """What has come since the last call, in order."""
        records = list(self._records)
        self._records.clear()
        return records
