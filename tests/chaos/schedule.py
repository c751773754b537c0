"""What happens when: a pure function of the seed. Which process it hits may depend on the run (who leads), by rule.

Bursts of faults that may overlap, and calm between them, in which the job must get well. Seven bursts are a round, in
which each kind comes once, shuffled anew for the next: so a minute has had all of them, whatever the machine's speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count, islice
from random import Random
from typing import TypeVar

T = TypeVar("T")

SESSION_S = 2.0
"""The session timeout of the JobManagers."""
HEARTBEAT_S = 4.0
"""The heartbeat timeout between JobManagers and TaskManagers."""
SHUTDOWN_S = 5.0
"""How long a TaskManager that was told to end may take to hand over its tasks."""


class Kind(Enum):
    """One way to do harm; the text says what it is, `{seconds}` for how long."""

    KILL_LEADER = "SIGKILL of the leader, started again {seconds} later"
    KILL_STANDBY = "SIGKILL of a standby, started again {seconds} later"
    KILL_ADOPTING = "SIGKILL of the leader, and of the next one while it adopts, both started again {seconds} later"
    END_LEADER = "SIGTERM of the leader, started again {seconds} after its end"
    FREEZE_LEADER = "SIGSTOP of the leader for {seconds}"
    FREEZE_STANDBY = "SIGSTOP of a standby for {seconds}"
    CUT_FROM_ZOOKEEPER = "the leader is cut from ZooKeeper for {seconds}"
    CUT_BRIEFLY = "the leader is cut from the TaskManagers for {seconds}, less than the heartbeat timeout"
    CUT_FROM_BOTH = "the leader is cut from ZooKeeper and the TaskManagers for {seconds}"

    KILL_SERVER = "SIGKILL of a ZooKeeper server, started again {seconds} later"
    FREEZE_SERVER = "SIGSTOP of a ZooKeeper server for {seconds}"
    LOSE_QUORUM = "ZooKeeper's quorum is lost for {seconds}"
    EXPIRE_SESSIONS = "all sessions with ZooKeeper are expired"
    FILL_DISK = "a ZooKeeper server's disk is full for {seconds}"

    CUT_FROM_TASKMANAGERS = "the leader is cut from the TaskManagers for {seconds}"
    KILL_TASKMANAGER = "SIGKILL of a TaskManager, started again {seconds} later"
    KILL_WORKER = "SIGKILL of a worker"
    KILL_FORKSERVER = "SIGKILL of a forkserver"
    FREEZE_TASKMANAGER = "SIGSTOP of a TaskManager, not of its workers, for {seconds}"
    FREEZE_WITH_WORKERS = "SIGSTOP of a TaskManager and all below it for {seconds}"
    END_TASKMANAGER = "SIGTERM of a TaskManager, started again {seconds} after its end"
    KILL_TOGETHER = "SIGKILL of the leader and a TaskManager in the same second, both started again {seconds} later"

    KILL_EVERYTHING = "SIGKILL of every process, ZooKeeper's too, all started again {seconds} later"


OF_JOBMANAGERS = (
    Kind.KILL_LEADER,
    Kind.KILL_STANDBY,
    Kind.KILL_ADOPTING,
    Kind.END_LEADER,
    Kind.FREEZE_LEADER,
    Kind.FREEZE_STANDBY,
    Kind.CUT_FROM_ZOOKEEPER,
    Kind.CUT_BRIEFLY,
    Kind.CUT_FROM_BOTH,
)
OF_ZOOKEEPER = (Kind.KILL_SERVER, Kind.FREEZE_SERVER, Kind.LOSE_QUORUM, Kind.EXPIRE_SESSIONS, Kind.FILL_DISK)
OF_TASKMANAGERS = (
    Kind.CUT_FROM_TASKMANAGERS,
    Kind.KILL_TASKMANAGER,
    Kind.KILL_WORKER,
    Kind.KILL_FORKSERVER,
    Kind.FREEZE_TASKMANAGER,
    Kind.FREEZE_WITH_WORKERS,
    Kind.END_TASKMANAGER,
    Kind.KILL_TOGETHER,
)

LONGEST_S = {
    Kind.FREEZE_LEADER: 2.5 * SESSION_S,
    Kind.FREEZE_STANDBY: 2.5 * SESSION_S,
    Kind.FREEZE_SERVER: 2.5 * SESSION_S,
    Kind.CUT_FROM_ZOOKEEPER: 2.5 * SESSION_S,
    Kind.CUT_FROM_BOTH: 2.5 * SESSION_S,
    Kind.CUT_BRIEFLY: 0.6 * HEARTBEAT_S,
    Kind.CUT_FROM_TASKMANAGERS: 2.5 * HEARTBEAT_S,
    Kind.FREEZE_TASKMANAGER: 2.5 * HEARTBEAT_S,
    Kind.FREEZE_WITH_WORKERS: 2.5 * HEARTBEAT_S,
    Kind.LOSE_QUORUM: 4 * SESSION_S,
}
"""Others last up to REST_S."""
REST_S = 4.0
SHORTEST_S = 0.2
GAP_S = 2.0
"""Between two beginnings in a burst, at most; so that most faults overlap."""
OF_A_ROUND = (
    (OF_JOBMANAGERS, (1, 1, 1, 2, 2, 2)),
    (OF_ZOOKEEPER, (0, 1, 1, 1, 1, 1)),
    (OF_TASKMANAGERS, (0, 0, 0, 2, 3, 3)),
)
"""How many of these a round's bursts have, in any order. Half of the bursts are gentle; ZooKeeper has one fault at a
time, since two are a third kind. In one burst more everything is killed.
"""
ROUND = 1 + len(OF_A_ROUND[0][1])
"""Bursts. On two cores they take a minute."""


@dataclass(frozen=True)
class Fault:
    """One of a burst."""

    at: float
    """Seconds after the burst's beginning."""
    kind: Kind
    seconds: float
    """Until what was done is undone."""
    pick: float
    """Below 1: which one, where there is a choice."""

    def __str__(self) -> str:
        """For who reads along."""
        return self.kind.value.format(seconds=f"{self.seconds:.1f} s")

    def one_of(self, choices: Sequence[int]) -> int:
        """The one that is meant."""
        return choices[int(self.pick * len(choices))]


@dataclass(frozen=True)
class Burst:
    """Faults that may overlap, then calm."""

    number: int
    faults: tuple[Fault, ...]
    calm_s: float
    """How long the job is left alone once it is well."""

    @property
    def is_gentle(self) -> bool:
        """It touches only JobManagers and ZooKeeper: no task may notice."""
        return all(fault.kind in OF_JOBMANAGERS or fault.kind in OF_ZOOKEEPER for fault in self.faults)


def spares(seed: int) -> int:
    """TaskManagers above what the job needs."""
    return Random(f"{seed} spares").choice((1, 2))


def schedule(seed: int, minutes: float) -> Sequence[Burst]:
    """Of a run: a round a minute, so that the same faults come on every machine; a slow one takes longer for them."""
    return list(islice(bursts(seed), max(1, round(minutes * ROUND))))


def bursts(seed: int) -> Iterator[Burst]:
    """Without end, round after round."""
    chance, numbers = Random(seed), count(1)
    while True:
        for kinds in _round(chance):
            at, faults = 0.0, list[Fault]()
            for kind in kinds:
                longest = LONGEST_S.get(kind, REST_S)
                seconds = round(chance.uniform(SHORTEST_S, longest), 1)
                faults.append(Fault(round(at, 1), kind, seconds, chance.random()))
                at += chance.uniform(0, GAP_S)
            yield Burst(next(numbers), tuple(faults), round(chance.uniform(0.5, 1.5), 1))


def _round(chance: Random) -> list[list[Kind]]:
    """The kinds of each of its bursts."""
    dealt = [list[Kind]() for _ in range(ROUND - 1)]
    for kinds, numbers in OF_A_ROUND:
        deck = iter(_shuffled(chance, kinds))
        for place, number in enumerate(_shuffled(chance, numbers)):
            dealt[place] += islice(deck, number)
    return _shuffled(chance, [[Kind.KILL_EVERYTHING], *(_shuffled(chance, burst) for burst in dealt)])


def _shuffled(chance: Random, some: Sequence[T]) -> list[T]:
    return chance.sample(some, len(some))
