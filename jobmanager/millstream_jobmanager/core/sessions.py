"""TaskManagers as the leader knows them: their session, when they were last heard, and when they count as dead (laws
3.1, 3.2).

A closed stream is a death at once when a peer also reports a lost connection, else after a short grace without a new
session. A silent one is a death after the heartbeat timeout.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from millstream_dataflow.identity import SessionId, TaskManagerId
from millstream_jobmanager.core.settings import ClusterSettings
from millstream_runtime.messages.session import Register


@dataclass(slots=True)
class Member:
    """One registered TaskManager."""

    session: SessionId
    registration: Register
    heard_at: int
    next_heartbeat: int
    closed_at: int | None = None
    close_reason: str = ""
    peer_reported_at: int | None = None
    heartbeats: int = 0
    leaving: bool = False
    """It is to end, and takes no new tasks."""
    dismissed: bool = False
    """Nothing runs there any more, and it knows."""

    @property
    def open(self) -> bool:
        """Its stream stands."""
        return self.closed_at is None

    def dies_at(self, settings: ClusterSettings) -> int:
        """When it counts as dead if nothing more is heard. Monotonic milliseconds."""
        if self.closed_at is None:
            return self.heard_at + settings.heartbeat_timeout
        if self.dismissed:
            return self.closed_at
        confirmed = (
            self.peer_reported_at is not None and self.peer_reported_at >= self.heard_at - settings.session_grace
        )
        return self.closed_at if confirmed else self.closed_at + settings.session_grace

    def death(self) -> str:
        """Why, in words."""
        return self.close_reason if self.closed_at is not None else "no heartbeat within heartbeat.timeout"


class Members:
    """Everybody registered with this leader."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._members: dict[TaskManagerId, Member] = {}
        self._resources: set[str] = set()

    def __iter__(self) -> Iterator[tuple[TaskManagerId, Member]]:
        return iter(self._members.items())

    def get(self, taskmanager: TaskManagerId) -> Member | None:
        """What is known of it; None when it isn't registered."""
        return self._members.get(taskmanager)

    def current(self, session: SessionId) -> Member | None:
        """The member that speaks in this session, unless a newer one stands."""
        member = self._members.get(session.taskmanager)
        return member if member is not None and member.session == session and member.open else None

    def add(self, session: SessionId, registration: Register, now: int) -> Member:
        """A registration replaces what was known."""
        due = now + self._settings.heartbeat_interval
        member = Member(session, registration, now, due, leaving=registration.leaving)
        self._members[session.taskmanager] = member
        self._resources.add(registration.resource)
        return member

    def remove(self, taskmanager: TaskManagerId) -> None:
        """It is dead."""
        self._members.pop(taskmanager, None)

    def predecessors(self, session: SessionId, registration: Register) -> list[TaskManagerId]:
        """Others with the same resource: a TaskManager that was started again stands for them."""
        return [
            taskmanager
            for taskmanager, member in self._members.items()
            if taskmanager != session.taskmanager and member.registration.resource == registration.resource
        ]

    def registered(self, taskmanager: TaskManagerId, resource: str) -> bool:
        """It, or one that stands for it, has registered."""
        return taskmanager in self._members or resource in self._resources

    def deadline(self) -> int | None:
        """When somebody dies or must be sent a heartbeat."""
        deaths = [member.dies_at(self._settings) for member in self._members.values()]
        beats = [member.next_heartbeat for member in self._members.values() if member.open]
        return min((*deaths, *beats), default=None)
