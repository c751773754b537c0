"""A split that is being read: its reader, its watermark generator, its clock of idleness, and why it isn't read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from millstream_dataflow.connectors import Read, SplitReader
from millstream_dataflow.records.controls import MAX_TIME
from millstream_taskmanager.operators.base import OperatorContext
from millstream_taskmanager.operators.idleness import IdleClock
from millstream_taskmanager.operators.stamping import Stamper, StampState
from millstream_taskmanager.user_code.errors import ConnectorCode

_ASK_AGAIN = 10  # milliseconds until a reader without records is asked again, if it doesn't say itself
WHEN_CALLED: Final = MAX_TIME
"""When a reader is ready that waits for a call, and for no time."""

StoredSplit = tuple[Any, Any, StampState]
"""An open split in a checkpoint: where its reader goes on, and how far event time had come. A plain tuple, since a
savepoint outlives the names of our classes.
"""


class Calls:
    """What one split's reader knows of its task (SourceContext), and what it has in the task's threads."""

    def __init__(self, context: OperatorContext, guard: ConnectorCode, woken: Callable[[], None]) -> None:
        """`woken`: a job is through, and the reader has been told."""
        self.subtask_index = context.subtask_index
        self.parallelism = context.parallelism
        self.now = context.now
        self.malformed = context.malformed
        self._context = context
        self._guard = guard
        self._woken = woken
        self.under_way = 0

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        """See SourceContext."""

        def told(error: Exception | None) -> None:
            self.under_way -= 1
            with self._guard:
                then(error)
            self._woken()

        self.under_way += 1
        self._context.run_blocking(job, told)


@dataclass(slots=True)
class OpenSplit:
    """See the module."""

    split: Any
    reader: SplitReader
    calls: Calls
    stamper: Stamper
    clock: IdleClock | None
    ready_at: int = 0
    paused: bool = False
    """It is further than its alignment group allows."""
    quiet: bool = False
    """It has brought nothing for so long that it is idle by the clock."""
    idle: bool = False
    """As the reader's confluence was told: quiet, or by its generator's word."""
    called: bool = False
    """Since it was asked last. Inline that may be before it has answered."""

    @property
    def waits(self) -> bool:
        """Whether only a call makes it ready."""
        return self.ready_at == WHEN_CALLED

    def hold(self, now: int, *, held: bool) -> None:
        """The clock of idleness runs only while somebody could take what comes. `held`: the task can't take input."""
        if self.clock is not None:
            self.clock.hold(now, held=held or self.waits or self.paused)

    def look(self, now: int) -> None:
        """By its reader's own word it has nothing yet; who might have something is looked at by reading it."""
        if self.clock is not None and self.ready_at > now:
            self.clock.look(now)

    def has_read(self, read: Read, now: int) -> None:
        """When to read next."""
        if read.batch is not None or self.called:
            self.ready_at = 0  # whatever is done to the clock
        elif read.waits and not read.ended:
            if not self.calls.under_way:
                raise RuntimeError(f"{type(self.reader).__name__}.read waits for a job, but it has none under way")
            self.ready_at = WHEN_CALLED
        else:
            self.ready_at = now + _ASK_AGAIN if read.ready_at is None else read.ready_at
