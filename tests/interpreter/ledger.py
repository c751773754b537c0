"""The sink of pipelines: commits into a list of this process, and no two committables of it are equal."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from millstream_dataflow.connectors import SinkContext
from millstream_dataflow.identity import CheckpointId
from tests.support.ledgers import LedgerSink, LedgerWriter


class Ledger(LedgerSink):
    """As its base. Compiled programs carry the modules of tests by value, and with them a list of their own; this one
    says by which name to find the list of this process.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"__import__({__name__!r}, fromlist=['Ledger']).Ledger({self.name!r})",)

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> LedgerWriter:
        return _Writer(self.name)


class _Writer(LedgerWriter):
    def prepare_commit(self, checkpoint: CheckpointId, *, end_of_input: bool) -> Sequence[tuple[Any, ...]]:
        """Two subtasks may have written the same records: the base's committables of one checkpoint would be equal."""
        records, self.records = self.records, []
        committables = [(uuid4().hex, *records)] if records else []
        self.prepared += committables
        return committables
