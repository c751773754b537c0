"""End of data, finish, final checkpoint, end (law 5). Pure: frames and commands in, what the task is to do out.

    RUNNING --- all inputs brought end of data --->  FINISHING   highest watermark and finish(); not for `stop`
    FINISHING - all of that has been emitted ----->  ENDED       end of data into every output, and reported
    ENDED ----- the last checkpoint is stored ---->  CLOSED      sinks commit, end into every output, FINISHED

An ended task emits nothing more; it forwards and acknowledges barriers, and its timers are silent but stay in its
state. So the final checkpoint can be tried again under a new id. A task restored from a final checkpoint starts
ENDED: it commits what it restored, and is told the completion again.

Inputs may end for different reasons: one was read to its end before the user stopped the job. The strongest counts,
because a stopped job goes on later: its windows must not fire now.
"""

from dataclasses import dataclass
from enum import Enum

from millstream_dataflow.records import EndReason
from millstream_taskmanager.task.protocol import ProtocolError


class Phase(Enum):
    """How far a task is with its ending."""

    RUNNING = "running"
    FINISHING = "finishing"
    ENDED = "ended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Finish:
    """Emit what is left, then say `emitted`. `fire`: first the highest watermark, then `finish()` of every operator."""

    fire: bool


@dataclass(frozen=True, slots=True)
class AnnounceEnd:
    """End of data into every output, and report that this task has ended."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class Close:
    """End into every output; the task is FINISHED."""


Step = Finish | AnnounceEnd | Close

_STRENGTH = (EndReason.INPUT, EndReason.DRAIN, EndReason.STOP)


class Ending:
    """One task's way to its end. `channels` is the number of its input channels; a source has none and says
    `exhausted`.
    """

    def __init__(self, channels: int, *, restored: EndReason | None = None) -> None:
        self._channels = channels
        self._data_ended: dict[int, EndReason] = {}
        self._closed = set[int]()
        self.phase = Phase.RUNNING if restored is None else Phase.ENDED
        """How far it is."""
        self._reason = restored

    @property
    def reason(self) -> EndReason | None:
        """Why no more data comes; None while it does."""
        return self._reason

    @property
    def emits(self) -> bool:
        """Whether operators may still emit: timers are silent once the task has ended."""
        return self.phase in {Phase.RUNNING, Phase.FINISHING}

    @property
    def finished(self) -> bool:
        """Whether a restore need not read this task's input again (law 5.3): all was read, and not merely stopped."""
        return self.phase in {Phase.ENDED, Phase.CLOSED} and self._reason is not EndReason.STOP

    def start(self) -> list[Step]:
        """What the task has to say when it runs: one that was restored as ended tells its peers again."""
        return [AnnounceEnd(self._reason)] if self._reason is not None else []

    def check_data(self, channel: int) -> None:
        """ProtocolError when a batch or a watermark comes by a channel after its end of data."""
        if channel in self._data_ended:
            raise ProtocolError(f"channel {channel} brings data after its end of data")

    def end_of_data(self, channel: int, reason: EndReason) -> list[Step]:
        """A channel will bring nothing but barriers."""
        self.check_data(channel)
        self._data_ended[channel] = reason
        if len(self._data_ended) < self._channels:
            return []
        return self.exhausted(max(self._data_ended.values(), key=_STRENGTH.index))

    def exhausted(self, reason: EndReason) -> list[Step]:
        """There is no more input, whatever the reason: a source has read all, or is told to stop."""
        if self.phase is Phase.RUNNING:
            self.phase = Phase.FINISHING
            self._reason = reason
            return [Finish(fire=reason is not EndReason.STOP)]
        return []  # told to stop while it was ending anyway

    def emitted(self) -> list[Step]:
        """What was left has been emitted."""
        if self.phase is not Phase.FINISHING or self._reason is None:
            raise ProtocolError(f"a task that is {self.phase.value} can't have emitted the rest")
        self.phase = Phase.ENDED
        return [AnnounceEnd(self._reason)]

    def completed(self, *, last: bool) -> list[Step]:
        """A checkpoint is stored. The last one ends the task; it may be told again."""
        if not last or self.phase is Phase.CLOSED:
            return []
        if self.phase is not Phase.ENDED:
            raise ProtocolError(f"the last checkpoint is said to be stored, but the task is {self.phase.value}")
        self.phase = Phase.CLOSED
        return [Close()]

    def end(self, channel: int) -> None:
        """Nothing comes by this channel any more. Its sender was told the completion before us."""
        if channel in self._closed:
            raise ProtocolError(f"channel {channel} ends a second time")
        if self.phase is Phase.RUNNING and channel not in self._data_ended:
            raise ProtocolError(f"channel {channel} ends without an end of data")
        self._closed.add(channel)
