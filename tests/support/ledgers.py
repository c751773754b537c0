"""A sink that commits into lists of this process, and holds the laws of sinks: first durable, then out (law 6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.connectors import Committer, Sink, SinkContext, SinkWriter
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Batch, RowBatch

LEDGERS: dict[str, list[Any]] = {}
COMMITTED: dict[str, set[tuple[Any, ...]]] = {}
DURABLE: dict[str, set[tuple[Any, ...]]] = {}
FULL_DISKS: list[str] = []
"""Each lets one job of a ledger sink fail."""


def empty_ledgers() -> None:
    """As before the first job."""
    for one in (LEDGERS, COMMITTED, DURABLE, FULL_DISKS):
        one.clear()


@dataclass(frozen=True)
class LedgerSink(Sink[tuple[Any, ...]]):
    """Commits into `LEDGERS[name]`, a list of records, each committable once, and only when it has become durable."""

    name: str
    commits_outside: bool = True

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> "LedgerWriter":
        return LedgerWriter(self.name, context.subtask_index)

    def create_committer(self, context: SinkContext) -> "LedgerCommitter":
        return LedgerCommitter(self.name)


class LedgerWriter(SinkWriter[tuple[Any, ...]]):
    """Makes a committable of what came since the last barrier. Those of two subtasks are never equal."""

    def __init__(self, name: str, subtask: int = 0) -> None:
        self.name = name
        self.subtask = subtask
        self.records: list[Any] = []
        self.prepared: list[tuple[Any, ...]] = []

    def write(self, batch: Batch) -> None:
        assert isinstance(batch, RowBatch)
        self.records += batch.values

    def prepare_commit(self, checkpoint: CheckpointId, *, end_of_input: bool) -> Sequence[tuple[Any, ...]]:
        records, self.records = self.records, []
        committables = [((checkpoint, self.subtask), *records)] if records else []
        self.prepared += committables
        return committables

    def make_durable(self) -> Callable[[], None] | None:
        return self._write if self.prepared else None

    def _write(self) -> None:
        while self.prepared:
            if FULL_DISKS:
                raise OSError(FULL_DISKS.pop())
            DURABLE.setdefault(self.name, set()).add(self.prepared.pop(0))


class LedgerCommitter(Committer[tuple[Any, ...]]):
    """Idempotent."""

    def __init__(self, name: str) -> None:
        self.name = name

    def commit(self, committables: Sequence[tuple[Any, ...]]) -> None:
        done = COMMITTED.setdefault(self.name, set())
        for committable in committables:
            assert committable in DURABLE.get(self.name, ()), "a power cut could have taken it away"
            if committable not in done:
                done.add(committable)
                LEDGERS.setdefault(self.name, []).extend(committable[1:])
