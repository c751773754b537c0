"""How many records a task takes in at a turn: about 50 ms of its work, or of the work of those behind it.

Whatever waits for a task, a timer, a barrier behind the records, another task of its process, waits for the end of a
turn. So a turn is bounded by time. Records of a slow function come in turns of a few, and because readers read no more
and channels hold no more than some turns (`exchange/credits.py`), a barrier is through in a fraction of a second where
records of the usual batches would take half a minute. A task that needs little time for a turn gets a longer one, up to
twice as long; what comes in trickles, shorter than a turn, says how long a record takes at most, and so how many may be
taken without danger.

What a turn takes is T = F + c n for n records. Only c n gets less with the turn. Code that is called once for a batch,
a sink that writes it over a network, is all F: shorter turns would make it slow and nothing else quick. So both are
estimated, from turns of different lengths, and a turn is long enough to keep the share of F low.
"""

from dataclasses import dataclass
from math import inf

TURN = 50
"""Milliseconds."""
FIRST = 4
"""Records of the first turn; longer ones follow where that is quick."""

_SHORT = TURN // 4  # milliseconds: who needs no more may have twice as much
_DECAY = 0.8  # weight of a turn against the one after it
_RARELY = 8  # turns: so often a shorter one is tried where that costs


@dataclass(slots=True)
class _Costs:
    """The line through (records, milliseconds) of past turns, the older the lighter."""

    count: float = 0.0
    records: float = 0.0
    time: float = 0.0
    square: float = 0.0
    product: float = 0.0

    def add(self, records: int, time: float) -> None:
        """A turn."""
        self.count = _DECAY * self.count + 1
        self.records = _DECAY * self.records + records
        self.time = _DECAY * self.time + time
        self.square = _DECAY * self.square + records * records
        self.product = _DECAY * self.product + records * time

    def line(self) -> tuple[float, float] | None:
        """Milliseconds of a turn whatever its length, and of each record; None: all turns were of one length."""
        spread = self.count * self.square - self.records * self.records
        if spread <= 1e-6 * self.count * self.square:
            return None
        each = max(0.0, (self.count * self.product - self.records * self.time) / spread)
        return (self.time - each * self.records) / self.count, each


class Turns:
    """The turns of one task."""

    def __init__(self, most: int) -> None:
        """`most`: records of a batch."""
        self._most = most
        self._goal = min(FIRST, most)
        self._shorter: int | None = None  # the next turn, for the sake of the estimate
        self._turn = 0
        self._costs = _Costs()
        self._behind = inf
        self.goal: int | None
        """Records of a full turn; None: as many as come."""
        self.limit: int | None
        """Records of the next turn; None: a batch as it comes, whatever its length."""
        self.records: int
        """Records of the next turn for who makes its own batches."""
        self._settle()

    def took(self, records: int, time: float, behind: float) -> None:
        """A turn is over: how many records came in, the milliseconds of work, and how many may well come in at a turn
        for the sake of those behind.
        """
        self._behind = behind
        self._shorter = None
        if time > _SHORT:
            self._turn += 1
            self._costs.add(records, time)
            self._adapt(records, time)
        else:
            self._costs = _Costs()
            harmless = records * TURN / time if time else inf
            self._goal = max(self._goal, int(min(self._most, 2 * self._goal, harmless)))
        self._settle()

    def _settle(self) -> None:
        """What is known makes the next turn."""
        goal = min(self._goal, self._behind)
        self.goal = None if goal >= self._most else max(1, int(goal))
        self.limit = self.goal if self._shorter is None else min(self.goal or self._most, self._shorter)
        self.records = self.limit or self._most

    def _adapt(self, records: int, time: float) -> None:
        if (line := self._costs.line()) is None:
            self._shorter = max(1, min(records // 2, int(records * TURN / time)))
            return
        fixed, each = line
        goal = 2 * self._goal
        if each:
            goal = min(goal, int(max(TURN, 2 * fixed) / each))
        self._goal = max(2, min(self._most, goal))
        if self._turn % (2 if 2 * fixed <= TURN else _RARELY) == 0:
            self._shorter = self._goal // 2
