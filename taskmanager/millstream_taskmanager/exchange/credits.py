"""Credit: how many bytes a channel may have under way. Pure accounting of both ends (law 9.1).

Each channel has a window of its own, and the gate lends from a floating pool to channels that need more. At any
moment

    sender's credit + frames and grants under way + queued + kept back + taken but not yet returned  =  window + lent
    free + lent to all channels                                                                      =  pool

A task that needs long for its records says how many bytes it takes in at a turn (`task/turns.py`). Then a channel has
a few turns under way, its sender waits no longer for company than a turn, and what is left of its window is kept back:
a barrier waits for what stands before it, so for that much time and not for that many bytes. A channel starts small
in this way, and grows as soon as its task has shown that it is fast.

A frame may exceed the credit once: it is sent as long as credit is above zero, so credit is never below zero by as
much as one frame. Bytes that are taken first repay what was lent, then they are the channel's again. They are
returned in lots of half a window, or as soon as the gate runs dry: a return per frame would cost a message each way
for each frame.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from millstream_taskmanager.exchange.errors import ExchangeError

Grant = tuple[int, int]
"""Channel (position in the gate), and by how much its sender's credit grows."""

NO_LIMIT: Final = 1 << 62
"""Bytes of a turn that nobody need think of."""
FIRST_TURN: Final = 1 << 6
"""Bytes of a turn until its task has said more: few, for of small records a kilobyte is a hundred, and before the first
barrier a function of half a second each went through 112 s of them. Now 4 s.
"""

_TURNS_AHEAD = 4  # under way in one channel


def _most(turn: int) -> int:
    return min(NO_LIMIT, turn * _TURNS_AHEAD)


class CreditedEnd:
    """The end of a channel that spends credit: see SendingEnd."""

    __slots__ = ("_on_credit", "credit")

    def __init__(self, window: int) -> None:
        self.credit = min(window, _most(FIRST_TURN))
        self._on_credit: Callable[[], None] | None = None

    def when_credited(self, action: Callable[[], None]) -> None:
        """Whom to call when credit has come while there was none."""
        self._on_credit = action

    def spend(self, size: int) -> None:
        """A frame goes out. ExchangeError when there was no credit for it."""
        if self.credit <= 0:
            raise ExchangeError(f"a frame of {size} was sent with a credit of {self.credit}; wait for a grant first")
        self.credit -= size

    def grant(self, size: int) -> None:
        """The receiver returned or lent so much."""
        had_none = self.credit <= 0
        self.credit += size
        if had_none and self.credit > 0 and self._on_credit is not None:
            self._on_credit()


class GateCredits(Protocol):
    """The receiver's end of all channels of one gate. What a call gives is to be granted to the senders."""

    def received(self, channel: int, size: int, *, backlog: bool) -> Sequence[Grant]:
        """A frame came in; `backlog` says that its sender is left without credit and has more to send."""
        ...

    def taken(self, channel: int, size: int) -> Sequence[Grant]:
        """The task has taken a frame out of the queue."""
        ...

    def dry(self) -> Sequence[Grant]:
        """There is nothing left that the task could take."""
        ...

    def block(self, channel: int) -> None:
        """Alignment holds the channel back: nothing is lent to it."""
        ...

    def unblock(self, channel: int) -> Sequence[Grant]:
        """Alignment lets the channel go on."""
        ...

    def pace(self, channel: int, turn: int) -> Sequence[Grant]:
        """The task takes in so many bytes of the channel at a turn."""
        ...


class ExplicitCredits:
    """For channels whose credit the task grants by itself, as a reader does for splits (law 8.1): nothing returns by
    itself.
    """

    def received(self, channel: int, size: int, *, backlog: bool) -> Sequence[Grant]:
        """Nothing."""
        return ()

    def taken(self, channel: int, size: int) -> Sequence[Grant]:
        """Nothing."""
        return ()

    def dry(self) -> Sequence[Grant]:
        """Nothing."""
        return ()

    def block(self, channel: int) -> None:
        """Nothing."""

    def unblock(self, channel: int) -> Sequence[Grant]:
        """Nothing."""
        return ()

    def pace(self, channel: int, turn: int) -> Sequence[Grant]:
        """Nothing."""
        return ()


class ByteCredits:
    """A window per channel and a floating pool per gate.

    `_outstanding` is what a sender may still send as far as the receiver knows: grants under way count as there. It is
    lent up to a window, or two frames of the size that came last: while one is worked on, the next is on its way.
    """

    def __init__(self, channels: int, window: int, floating: int) -> None:
        self._window = window
        self._limits = [_most(FIRST_TURN)] * channels  # what may be under way
        reserve = self._reserve(0) if channels else 0
        self._outstanding = [window - reserve] * channels
        self._kept = [reserve] * channels
        self._lent = [0] * channels
        self._owed = dict[int, int]()
        self._free = floating
        self._goals = [window] * channels
        self._blocked = set[int]()
        self._backlogged = set[int]()
        self._waiting = dict[int, None]()  # in order: who waits longest is served first

    @property
    def free(self) -> int:
        """What is left of the floating pool."""
        return self._free

    def lent(self, channel: int) -> int:
        """What the channel has of the floating pool."""
        return self._lent[channel]

    def owed(self, channel: int) -> int:
        """What was taken and not yet returned, or is kept back."""
        return self._kept[channel] + self._owed.get(channel, 0)

    def received(self, channel: int, size: int, *, backlog: bool) -> Sequence[Grant]:
        """See GateCredits."""
        self._outstanding[channel] -= size
        if not backlog:
            self._backlogged.discard(channel)
            return ()
        self._backlogged.add(channel)
        self._goals[channel] = max(self._window, 2 * size)
        return self._serve(channel)

    def taken(self, channel: int, size: int) -> Sequence[Grant]:
        """See GateCredits."""
        repaid = min(size, self._lent[channel])
        if size > repaid:
            self._owed[channel] = self._owed.get(channel, 0) + size - repaid
        lot = max(1, min(self._window, self._limits[channel]) // 2)
        grants = self._give_back(channel) if self._owed.get(channel, 0) >= lot else []
        if repaid:
            self._lent[channel] -= repaid
            self._free += repaid
            grants += self._lend()
        return grants

    def dry(self) -> Sequence[Grant]:
        """See GateCredits."""
        return [grant for channel in tuple(self._owed) for grant in self._give_back(channel)] if self._owed else ()

    def block(self, channel: int) -> None:
        """See GateCredits."""
        self._blocked.add(channel)

    def unblock(self, channel: int) -> Sequence[Grant]:
        """See GateCredits."""
        self._blocked.discard(channel)
        return self._serve(channel) if channel in self._backlogged else ()

    def pace(self, channel: int, turn: int) -> Sequence[Grant]:
        """See GateCredits. What is kept back too much is returned at once, what is lacking when it is taken; who waits
        for more than its former turns gets it.
        """
        self._limits[channel] = _most(turn)
        reserve = self._reserve(channel)
        back = self._kept[channel] - reserve
        grants: list[Grant] = []
        if back > 0:
            self._kept[channel] = reserve
            self._outstanding[channel] += back
            grants.append((channel, back))
        return [*grants, *self._serve(channel)] if channel in self._backlogged else grants

    def _reserve(self, channel: int) -> int:
        """What is kept back of the channel's window."""
        return max(0, self._window - self._limits[channel])

    def _give_back(self, channel: int) -> list[Grant]:
        size = self._owed.pop(channel)
        kept = min(size, max(0, self._reserve(channel) - self._kept[channel]))
        self._kept[channel] += kept
        self._outstanding[channel] += size - kept
        return [(channel, size - kept)] if size > kept else []

    def _serve(self, channel: int) -> list[Grant]:
        """A backlogged channel gets what is its own first, then stands in line for the pool."""
        own = self._give_back(channel) if channel in self._owed else []
        self._waiting[channel] = None
        return own + self._lend()

    def _lend(self) -> list[Grant]:
        """To whoever waits longest, up to its goal: then its sender will say whether it needs more."""
        grants: list[Grant] = []
        while self._waiting and self._free > 0:
            channel = next(iter(self._waiting))
            under_way = self._window + self._lent[channel] - self.owed(channel)
            wish = min(self._goals[channel] - self._outstanding[channel], self._limits[channel] - under_way)
            if wish > 0 and channel in self._backlogged and channel not in self._blocked:
                lot = min(wish, self._free)
                self._free -= lot
                self._lent[channel] += lot
                self._outstanding[channel] += lot
                grants.append((channel, lot))
                if self._outstanding[channel] <= 0 and self._free <= 0:  # the sender still can't send
                    break
                self._backlogged.discard(channel)
            del self._waiting[channel]
        return grants
