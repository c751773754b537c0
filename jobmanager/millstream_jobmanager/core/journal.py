"""A job's record and everything that waits for it: "stored before told" as one mechanism (laws 1.3, 2.1, 2.2, 4.3).

At most one write of a record is in flight. Changes that come meanwhile wait and go into the next write together.
`then` is called when the write is known to be done, `otherwise` when it is known that it never will be. While the
outcome is unknown the same conditional put is repeated: same version, same nonce, so a copy that landed late is
recognised and nothing is decided in between. Once it was unknown, a refusal doesn't settle it: the first copy may
still land. What `record` shows has been stored; nothing here is believed before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from millstream_jobmanager.core.commands import StepDown, StoreRecord
from millstream_jobmanager.core.events import Outcome, RecordStored
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.record import JobRecord

Mutation = Callable[[JobRecord], JobRecord]
Then = Callable[[Turn], None]
Otherwise = Callable[[Turn, str], None]


@dataclass(frozen=True, slots=True)
class _Change:
    mutation: Mutation
    then: Then
    otherwise: Otherwise


class Journal:
    """The only writer of one job's record."""

    def __init__(self, record: JobRecord, nonces: Callable[[], str], retry_delay: int) -> None:
        self.record = record
        self._nonces = nonces
        self.retry_delay = retry_delay
        self._waiting: list[_Change] = []
        self._flying: list[_Change] = []
        self._written: JobRecord | None = None
        self._retry_at: int | None = None
        self._doubtful = False
        self._trouble = ""
        """Why the last try was unanswered, which people hear once."""

    @property
    def settled(self) -> bool:
        """Nothing is in flight and nothing waits."""
        return self._written is None and not self._waiting

    def deadline(self) -> int | None:
        """When a write whose outcome is unknown is to be repeated."""
        return self._retry_at

    def change(self, turn: Turn, mutation: Mutation, then: Then, otherwise: Otherwise) -> None:
        """Store `mutation` of the newest record, then call one of the two."""
        self._waiting.append(_Change(mutation, then, otherwise))
        self._write(turn)

    def stored(self, turn: Turn, event: RecordStored) -> None:
        """The store has answered. Answers to other nonces are late repetitions and mean nothing."""
        written = self._written
        if written is None or event.nonce != written.nonce:
            return
        match event.outcome:
            case Outcome.DONE:
                self.record = written
                self._finish(turn, [change.then for change in self._flying])
            case Outcome.REFUSED if not self._doubtful:
                refused = [change.otherwise for change in self._flying]
                self._finish(turn, [_bind(otherwise, event.reason) for otherwise in refused])
            case Outcome.CONFLICT:
                turn.emit(StepDown(f"the record of job {written.job} was written by another leader: {event.reason}"))
            case Outcome.UNKNOWN | Outcome.REFUSED:
                if event.reason != self._trouble:
                    self._trouble = event.reason
                    turn.tell(written.job, f"it isn't known whether its record is stored: {event.reason}", warning=True)
                self._doubtful = True
                self._retry_at = turn.now.later(self.retry_delay)

    def tick(self, turn: Turn) -> None:
        """Repeat the write whose outcome is unknown, when its time has come."""
        if self._retry_at is not None and turn.now.monotonic >= self._retry_at and self._written is not None:
            self._retry_at = None
            turn.emit(StoreRecord(self._written))

    def _finish(self, turn: Turn, calls: list[Then]) -> None:
        self._written, self._flying = None, []
        self._retry_at, self._doubtful, self._trouble = None, False, ""
        for call in calls:
            call(turn)
        self._write(turn)

    def _write(self, turn: Turn) -> None:
        if self._written is not None or not self._waiting:
            return
        self._flying, self._waiting = self._waiting, []
        record = self.record
        for change in self._flying:
            record = change.mutation(record)
        self._written = replace(record, version=self.record.version + 1, nonce=self._nonces())
        turn.emit(StoreRecord(self._written))


def _bind(otherwise: Otherwise, reason: str) -> Then:
    return lambda turn: otherwise(turn, reason)
