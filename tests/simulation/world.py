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
        self._tell = tell
        self._queue: list[tuple[int, int, Action]] = []
        self._order = count()

    def after(self, low: int, high: int, action: Action) -> None:
        """Do it after a random time between two numbers of milliseconds."""
        self.at(self.now + self.random.randint(low, high), action)

    def at(self, time: int, action: Action) -> None:
        """Do it at a time."""
        heapq.heappush(self._queue, (max(time, self.now), next(self._order), action))

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.random.random() < probability

    def say(self, who: str, text: str) -> None:
        """A line of the story; kept only when somebody will read it."""
        if self._tell:
            self.story.append(f"{self.now:>7} {who:<6} {text}")

    def run(self, until: int, done: Callable[[], bool]) -> None:
        """Let things happen until it is done, or that time."""
        while self._queue and self._queue[0][0] <= until and not done():
            self.now, _, action = heapq.heappop(self._queue)
            action()
