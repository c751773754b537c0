"""May a leader decide now? By its own clock, whatever others know by then (ARCHITECTURE 9).

A lease runs from before the question to which ZooKeeper has answered. So nobody else can lead before it is over, even
if this process was stopped, or asked servers that had lost their quorum.

It is shorter than the session timeout, for ZooKeeper's leader counts from what it has heard: a server that takes a
question passes it on at once, but says only every half tick whose sessions it has heard from, and a session lasts two
ticks at least. Where that server dies just after its answer, the leader counts from what was asked a quarter of the
timeout before. So does a lease, and it is two thirds of the timeout at most; with a question every sixth both are the
same.

Pure: times go in as milliseconds of a clock that goes on while the machine sleeps.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum


class Hold(Enum):
    """What a leader may do."""

    HOLDS = "holds"
    """It decides."""
    PAUSED = "paused"
    """Its connection is interrupted: nothing is decided, events wait."""
    OVER = "over"
    """It leads no more, and never will in this term."""


def lease(session_timeout: int) -> int:
    """How long an answered question lets a leader lead, milliseconds from when it was asked."""
    return session_timeout * 2 // 3


@dataclass(slots=True)
class Tenure:
    """One leader's. `tolerant`: an interrupted connection alone doesn't make it pause."""

    session_timeout: int
    """Milliseconds, as ZooKeeper granted it."""
    lease_until: int
    tolerant: bool = False
    reason: str = ""
    """Why it is over."""
    _interrupted_at: int | None = None
    _asked: deque[int] = field(default_factory=deque[int])
    """When the answered questions were asked, from the newest one that is surely told on."""
    _newest: int = field(init=False)
    """When the newest of them was asked; at first the one by which the office was won."""

    def __post_init__(self) -> None:
        """The lease of the first one is given."""
        self._newest = self.lease_until - lease(self.session_timeout)

    def hold(self, now: int) -> Hold:
        """What the leader may do at this moment. OVER stays. Any thread may ask; all else is of one thread."""
        if not self.reason and now >= self.lease_until:
            self.lost(f"ZooKeeper has not answered for {lease(self.session_timeout)} ms")
        if self.reason:
            return Hold.OVER
        return Hold.PAUSED if self._interrupted_at is not None and not self.tolerant else Hold.HOLDS

    def answered(self, asked: int, now: int) -> None:
        """The fence was checked by a quorum and stands; the question was sent at `asked`. An answer that comes when all
        is over mends nothing.
        """
        if self.hold(now) is Hold.OVER:
            return
        if self._interrupted_at is not None and asked > self._interrupted_at:
            self._interrupted_at = None
        self._asked.append(asked)
        while len(self._asked) > 1 and self._asked[1] <= asked - self.session_timeout // 4:
            self._asked.popleft()
        self._newest = max(self._newest, asked)
        self.lease_until = max(self.lease_until, self._allowed(asked))

    def granted(self, session_timeout: int) -> None:
        """A server to which this session has moved may grant it less: of the lease that runs as well, for the servers
        count by that from now on. A lease that would have ended already is over.
        """
        if session_timeout < self.session_timeout:
            self.session_timeout = session_timeout
            self.lease_until = min(self.lease_until, self._allowed(self._newest))

    def _allowed(self, asked: int) -> int:
        """Until when the answer to that question lets it lead."""
        told = (self._asked[0] if self._asked else asked) + self.session_timeout
        return min(told, asked + lease(self.session_timeout))

    def interrupted(self, now: int) -> None:
        """The connection is gone; only what is asked after that shows that there is another."""
        self._interrupted_at = now

    def lost(self, reason: str) -> None:
        """The session has ended, or another leads."""
        self.reason = self.reason or reason

    @property
    def renewal_interval(self) -> int:
        """Milliseconds between two questions: three may go unanswered."""
        return max(1, self.session_timeout // 6)

    @property
    def patience(self) -> int:
        """Milliseconds until a server that doesn't answer is left for another one, which has as many to answer."""
        return max(1, self.session_timeout // 3)
