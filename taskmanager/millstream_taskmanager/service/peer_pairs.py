"""Which TaskManagers this one must hear from, and which have been silent for too long (law 9.2). Decides; no I/O.

Two TaskManagers are a pair while a region has workers on both and they aren't on one machine: there the kernel closes
a dead process's sockets, and nothing lies between the two that could swallow that. The smaller id connects.
"""

from dataclasses import dataclass, field

from millstream_dataflow.identity import TaskManagerId, WorkerId
from millstream_runtime.messages.deployments import DataAddress, RegionDeployment


@dataclass(frozen=True, slots=True)
class Silence:
    """These workers must drop their connections with that TaskManager's."""

    taskmanager: TaskManagerId
    workers: tuple[WorkerId, ...]
    lasted: int


@dataclass(slots=True)
class _Pair:
    address: DataAddress
    heard_at: int
    secrets: dict[WorkerId, bytes] = field(default_factory=dict[WorkerId, bytes])
    """Of the attempts of our workers, each of which has a worker there too; the newest last."""
    dropped: bool = False
    """Its silence has been told."""


class PeerPairs:
    """All pairs of one TaskManager. Times are monotonic milliseconds."""

    def __init__(self, me: TaskManagerId, machine: str, timeout: int) -> None:
        self._me = me
        self._machine = machine
        self._timeout = timeout
        self._pairs: dict[TaskManagerId, _Pair] = {}

    def begin(self, worker: WorkerId, deployment: RegionDeployment, now: int) -> None:
        """A worker of ours starts. A pair that was silent gets its whole time again."""
        for placement in deployment.workers:
            peer = placement.taskmanager
            if peer == self._me or placement.address.machine == self._machine:
                continue
            pair = self._pairs.setdefault(peer, _Pair(placement.address, now))
            if pair.dropped:
                pair.dropped, pair.heard_at = False, now
            pair.secrets[worker] = deployment.secret

    def end(self, worker: WorkerId) -> None:
        """It is gone; a pair without workers is none."""
        for peer, pair in list(self._pairs.items()):
            pair.secrets.pop(worker, None)
            if not pair.secrets:
                del self._pairs[peer]

    def secrets(self, peer: TaskManagerId) -> list[bytes]:
        """What only that TaskManager's workers know beside ours, the newest first; empty: it is none of our peers."""
        pair = self._pairs.get(peer)
        return [] if pair is None else list(pair.secrets.values())[::-1]

    def heard(self, peer: TaskManagerId, now: int) -> None:
        """A ping, or its answer."""
        if peer in self._pairs:
            self._pairs[peer].heard_at = now

    def forgive(self, time: int) -> None:
        """We didn't listen for so long, so nobody was silent."""
        for pair in self._pairs.values():
            pair.heard_at += time

    def silent(self, now: int) -> list[Silence]:
        """Whose silence has lasted too long, each once."""
        found: list[Silence] = []
        for peer, pair in self._pairs.items():
            if not pair.dropped and now >= pair.heard_at + self._timeout:
                pair.dropped = True
                found.append(Silence(peer, tuple(sorted(pair.secrets)), now - pair.heard_at))
        return found

    def deadline(self) -> int | None:
        """When somebody's silence has lasted too long if nothing is heard."""
        return min((p.heard_at + self._timeout for p in self._pairs.values() if not p.dropped), default=None)

    def to_connect(self) -> dict[TaskManagerId, DataAddress]:
        """The peers that we connect with; the others connect with us."""
        return {peer: pair.address for peer, pair in self._pairs.items() if self._me < peer}
