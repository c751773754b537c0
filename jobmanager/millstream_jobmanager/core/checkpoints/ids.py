"""Checkpoint ids: one sequence a job, reserved in blocks by a write of the record before use (law 1.4).

A new leader starts above the block of its predecessor, so an id never names two checkpoints.
"""

from collections.abc import Callable
from dataclasses import replace

from millstream_dataflow.identity import CheckpointId
from millstream_jobmanager.core.journal import Journal
from millstream_jobmanager.core.turn import Turn

BLOCK = 100
"""So a checkpoint costs no write of its own for its id."""


class CheckpointIds:
    """Hands out the ids of one job under one leader."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._next = journal.record.reserved_checkpoints
        self._reserving = False
        self._not_before: int | None = None

    @property
    def next(self) -> CheckpointId:
        """Every id that was handed out is below it."""
        return self._next

    @property
    def reserving(self) -> bool:
        """A block is being reserved; its answer is an event of its own."""
        return self._reserving

    def deadline(self) -> int | None:
        """When the store is asked again after it has refused."""
        return self._not_before

    def take(self, turn: Turn, refused: Callable[[Turn, str], None]) -> CheckpointId | None:
        """The next id; None while a block must be reserved first. `refused` hears why there is none."""
        if self._next < self._journal.record.reserved_checkpoints:
            taken = self._next
            self._next = CheckpointId(taken + 1)
            return taken
        if not self._reserving and (self._not_before is None or turn.now.monotonic >= self._not_before):
            self._reserve(turn, refused)
        return None

    def _reserve(self, turn: Turn, refused: Callable[[Turn, str], None]) -> None:
        self._reserving, self._not_before = True, None
        self._next = CheckpointId(max(1, self._next))
        end = CheckpointId(self._next + BLOCK)

        def stored(_: Turn) -> None:
            self._reserving = False

        def otherwise(turn: Turn, reason: str) -> None:
            self._reserving, self._not_before = False, turn.now.later(self._journal.retry_delay)
            refused(turn, reason)

        self._journal.change(turn, lambda record: replace(record, reserved_checkpoints=end), stored, otherwise)
