"""Virtual time, chance and the story of one run."""

import heapq
import random
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class World:
    """One seed's world.

    Everything that happens is an action at a virtual time, in milliseconds; ties in the order of asking.
    """

    def __init__(self, seed: int, *, tell: bool = False) -> None:
        self.seed = seed
        self.random = random.Random(seed)  # replayable chance is the point
        self.now = 0
        self.story: list[str] = []
        self.tells = tell
        """Somebody will read the story; where nobody does, its lines aren't even made."""
        self.over = False
        self.broken: BaseException | None = None
        """What went wrong first; the run ends with it."""
        self._queue: list[tuple[int, int, Action]] = []
        self._order = count()
        self._uniform = self.random.random

    def after(self, low: int, high: int, action: Action) -> None:
        """Do it after a random time between two numbers of milliseconds."""
        self.at(self.now + self.number(low, high), action)

    def at(self, time: int, action: Action) -> None:
        """Do it at a time."""
        heapq.heappush(self._queue, (max(time, self.now), next(self._order), action))

    def number(self, low: int, high: int) -> int:
        """One of these, both included. `randint` takes six times as long, and a run asks a thousand times."""
        return low + int(self._uniform() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self._uniform() < probability

    def say(self, who: str, text: str) -> None:
        """A line of the story; kept only when somebody will read it."""
        if self.tells:
            self.story.append(f"{self.now:>7} {who:<6} {text}")

    def fail(self, error: BaseException) -> None:
        """Something happened that never may; the first one counts."""
        if self.broken is None:
            self.broken, self.over = error, True

    def guard(self, action: Action) -> None:
        """What may raise: the run ends with it."""
        if not self.over:
            try:
                action()
            except Exception as error:  # noqa: BLE001  # any error ends the run and is raised at its end
                self.fail(error)

    def run(self, until: int) -> None:
        """Let things happen until it is over, or that time."""
        queue = self._queue
        while queue and queue[0][0] <= until and not self.over:
            self.now, _, action = heapq.heappop(queue)
            action()
