"""A stream between a TaskManager and a JobManager: in order while it stands, and gone with everything in flight when
it breaks.

Each end hears of the break in its own time. Where the network just swallows everything, only the end that gives up
knows. Messages are sometimes delivered twice; some of a broken stream turn up long after, under the name of a session
that is over.
"""

from collections.abc import Callable
from functools import partial

from millstream_dataflow.identity import SessionId
from tests.simulation.world import World

Deliver = Callable[[object], None]
LEADER, TASKMANAGER = 0, 1
"""The ends of a stream."""


class Direction:
    """One way of a stream."""

    def __init__(self, world: World, deliver: Deliver, doubled: float) -> None:
        self._world = world
        self._deliver = deliver
        self._doubled = doubled
        self._last = 0
        self._broken = False
        self._flying: list[object] = []

    def send(self, message: object) -> None:
        """Arrives later, never before what was sent earlier."""
        if self._broken:
            return
        times = 2 if self._world.chance(self._doubled) else 1
        for _ in range(times):
            self._last = max(self._last, self._world.now + self._world.number(0, 8))
            self._flying.append(message)
            self._world.at(self._last, self._arrive)

    def _arrive(self) -> None:
        if not self._broken:
            self._deliver(self._flying.pop(0))

    def cut(self) -> None:
        """Everything in flight is lost, or comes much too late."""
        lost, self._flying = self._flying, []
        self._broken = True
        for message in lost:
            if self._world.chance(0.2):
                self._world.after(20, 3_000, partial(self._deliver, message))


class Stream:
    """Both ways, and the ends' wish to hear of the break."""

    def __init__(self, world: World, session: SessionId, doubled: float) -> None:
        self._world = world
        self.session = session
        self.doubled = doubled
        self.to_leader: Direction | None = None
        self.to_taskmanager: Direction | None = None
        self._ends: list[Callable[[str], None] | None] = []
        self._silent = False

    def join(self, at_leader: Deliver, at_taskmanager: Deliver, ends: list[Callable[[str], None] | None]) -> None:
        """Both ends are there: first the leader's."""
        self.to_leader = Direction(self._world, at_leader, self.doubled)
        self.to_taskmanager = Direction(self._world, at_taskmanager, self.doubled)
        self._ends = ends

    def silence(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._silent = True
        self._break()

    def cut(self, reason: str, by: int | None = None) -> None:
        """It breaks, or an end closes it; the ends hear of it in their own time."""
        self._break()
        for number, end in enumerate(self._ends):
            if end is not None and (not self._silent or by in (None, number)):
                self._ends[number] = None
                self._world.after(0, 60, partial(end, reason))

    def _break(self) -> None:
        for direction in (self.to_leader, self.to_taskmanager):
            if direction is not None:
                direction.cut()
