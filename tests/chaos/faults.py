"""How each kind of harm is done, and undone. A fault is a generator that says for how many seconds it wants to be left
alone, so many of them run side by side in one thread; whoever is hit is in its hand until all is undone.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TypeVar

from tests.chaos.schedule import SHUTDOWN_S, Fault, Kind
from tests.chaos.stage import ChaosError, Stage
from tests.chaos.verdict import Figures
from tests.support.clusters import Process, alive, children, descendants

T = TypeVar("T")
Steps = Generator[float]
"""Seconds to wait, again and again."""
LOOK_S = 0.05
FREE_S = 20.0
"""So long a fault waits for somebody to do it to: no other lasts longer than 10 s, and an election takes three."""
NEXT_S = 20.0
"""So long the next leader is waited for."""
ADOPTS_S = 0.3
"""A leader that answers is adopting, for so long at most."""
SERVES_S = 30.0
"""A busy machine starts three JVMs in three seconds."""
LEADER_GRACE_S = 15.0
TASKMANAGER_GRACE_S = SHUTDOWN_S + 15.0
"""What it takes beyond the time for handing over its tasks is the machine's."""


class _NobodyError(Exception):
    """Nobody is there to whom it could be done."""


class Faults:
    """Done to a stage, counted, and told as they begin."""

    def __init__(self, stage: Stage, figures: Figures, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._cluster = stage.cluster
        self._ensemble = stage.ensemble
        self._figures = figures
        self._kinds = set[Kind]()
        """That have been done."""
        self._say = say

    def play(self, fault: Fault) -> Steps:
        """From its beginning until all is undone."""
        name = fault.kind.name.lower()
        if name.startswith("cut_"):
            name = "cut"
        try:
            yield from getattr(self, f"_{name}")(fault)
        except _NobodyError as reason:
            self._figures.skipped_faults += 1
            self._say(f"{fault}: skipped, {reason}")

    def _begin(self, fault: Fault, who: str) -> None:
        self._kinds.add(fault.kind)
        self._figures.kinds = len(self._kinds)
        self._say(f"{fault}: {who}")

    # ------------------------------------------------------------------------------------------------ who is meant

    def _found(self, look: Callable[[], T | None], missing: str) -> Generator[float, None, T]:
        until = time.monotonic() + FREE_S
        while (found := look()) is None:
            if time.monotonic() > until:
                raise _NobodyError(missing)
            yield LOOK_S
        return found

    def _leader(self) -> Generator[float, None, int]:
        return self._found(self._stage.leader, "nobody leads, or who leads is in the hand of another fault")

    def _standby(self, fault: Fault) -> Generator[float, None, int]:
        def standby() -> int | None:
            leader = self._stage.leader()
            others = self._stage.free("jobmanager", [n for n in self._cluster.jobmanagers if n != leader])
            return fault.one_of(others) if others else None

        return self._found(standby, "nobody stands by")

    def _free_taskmanager(self, fault: Fault) -> int | None:
        free = self._stage.taskmanagers()
        return fault.one_of(free) if free else None

    def _taskmanager(self, fault: Fault) -> Generator[float, None, int]:
        return self._found(lambda: self._free_taskmanager(fault), "each TaskManager is in another fault's hand")

    def _both(self, fault: Fault) -> Generator[float, None, tuple[int, int]]:
        """The leader and a TaskManager, at the same time."""

        def both() -> tuple[int, int] | None:
            leader, taskmanager = self._stage.leader(), self._free_taskmanager(fault)
            return None if leader is None or taskmanager is None else (leader, taskmanager)

        return self._found(both, "nobody leads, or each TaskManager is in another fault's hand")

    def _below(self, fault: Fault, pids: Callable[[int], Sequence[int]]) -> Generator[float, None, tuple[int, int]]:
        """One of these processes of a TaskManager, and the TaskManager."""

        def below() -> tuple[int, int] | None:
            number = self._free_taskmanager(fault)
            found = [] if number is None else pids(number)
            return (fault.one_of(found), number) if found and number is not None else None

        return self._found(below, "no such process runs whose TaskManager isn't in another fault's hand")

    # ------------------------------------------------------------------------------------------------ JobManagers

    def _kill_leader(self, fault: Fault) -> Steps:
        yield from self._kill_jobmanager(fault, (yield from self._leader()))

    def _kill_standby(self, fault: Fault) -> Steps:
        yield from self._kill_jobmanager(fault, (yield from self._standby(fault)))

    def _kill_jobmanager(self, fault: Fault, number: int, after: float = 0) -> Steps:
        with self._stage.holding(f"jobmanager {number}"):
            yield after
            self._begin(fault, f"jobmanager {number}")
            self._kill(self._cluster.jobmanagers[number])
            yield fault.seconds
            self._cluster.launch_jobmanager(number)

    def _kill_adopting(self, fault: Fault) -> Steps:
        first = yield from self._leader()
        with self._stage.holding(f"jobmanager {first}"):
            self._begin(fault, f"jobmanager {first}")
            self._kill(self._cluster.jobmanagers[first])
            until = time.monotonic() + NEXT_S
            while (second := self._stage.leader()) is None and time.monotonic() < until:
                yield LOOK_S
            if second is None:  # ZooKeeper is down as well
                yield fault.seconds
            else:
                yield from self._kill_jobmanager(fault, second, fault.pick * ADOPTS_S)
            self._cluster.launch_jobmanager(first)

    def _end_leader(self, fault: Fault) -> Steps:
        number = yield from self._leader()
        with self._stage.holding(f"jobmanager {number}"):
            self._begin(fault, f"jobmanager {number}")
            yield from self._end(self._cluster.jobmanagers[number], LEADER_GRACE_S)
            yield fault.seconds
            self._cluster.launch_jobmanager(number)

    def _freeze_leader(self, fault: Fault) -> Steps:
        yield from self._freeze_jobmanager(fault, (yield from self._leader()))

    def _freeze_standby(self, fault: Fault) -> Steps:
        yield from self._freeze_jobmanager(fault, (yield from self._standby(fault)))

    def _freeze_jobmanager(self, fault: Fault, number: int) -> Steps:
        with self._stage.holding(f"jobmanager {number}"):
            self._begin(fault, f"jobmanager {number}")
            yield from self._freeze([self._cluster.jobmanagers[number].pid], fault)

    def _cut(self, fault: Fault) -> Steps:
        number = yield from self._leader()
        which = {Kind.CUT_FROM_ZOOKEEPER: "zookeeper", Kind.CUT_FROM_BOTH: "both"}.get(fault.kind, "taskmanagers")
        with self._stage.holding(f"jobmanager {number}"):
            self._begin(fault, f"jobmanager {number}")
            self._figures.cuts += 1
            self._figures.cuts_from_zookeeper += which != "taskmanagers"
            for cable in self._stage.cables.of(number, which):
                cable.cut()
            yield fault.seconds
            for cable in self._stage.cables.of(number, which):
                cable.mend()

    # ----------------------------------------------------------------------------------------------- TaskManagers

    def _kill_taskmanager(self, fault: Fault) -> Steps:
        number = yield from self._taskmanager(fault)
        with self._stage.holding(f"taskmanager {number}"):
            self._begin(fault, f"taskmanager {number}")
            self._kill(self._cluster.taskmanagers[number])
            yield fault.seconds
            self._stage.start_taskmanager(number)

    def _kill_worker(self, fault: Fault) -> Steps:
        yield from self._kill_below(fault, self._cluster.workers)

    def _kill_forkserver(self, fault: Fault) -> Steps:
        yield from self._kill_below(fault, lambda number: children(self._cluster.taskmanagers[number].pid))

    def _kill_below(self, fault: Fault, pids: Callable[[int], Sequence[int]]) -> Steps:
        pid, number = yield from self._below(fault, pids)
        self._begin(fault, f"pid {pid} of taskmanager {number}")
        self._figures.kills += 1
        os.kill(pid, signal.SIGKILL)
        yield LOOK_S

    def _freeze_taskmanager(self, fault: Fault) -> Steps:
        number = yield from self._taskmanager(fault)
        with self._stage.holding(f"taskmanager {number}"):
            self._begin(fault, f"taskmanager {number}")
            yield from self._freeze([self._cluster.taskmanagers[number].pid], fault)

    def _freeze_with_workers(self, fault: Fault) -> Steps:
        number = yield from self._taskmanager(fault)
        with self._stage.holding(f"taskmanager {number}"):
            self._begin(fault, f"taskmanager {number}")
            pid = self._cluster.taskmanagers[number].pid
            yield from self._freeze([pid, *descendants(pid)], fault)

    def _end_taskmanager(self, fault: Fault) -> Steps:
        number = yield from self._taskmanager(fault)
        with self._stage.holding(f"taskmanager {number}"):
            self._begin(fault, f"taskmanager {number}")
            yield from self._end(self._cluster.taskmanagers[number], TASKMANAGER_GRACE_S)
            yield fault.seconds
            self._stage.start_taskmanager(number)

    def _kill_together(self, fault: Fault) -> Steps:
        leader, number = yield from self._both(fault)
        with self._stage.holding(f"jobmanager {leader}", f"taskmanager {number}"):
            self._begin(fault, f"jobmanager {leader} and taskmanager {number}")
            self._kill(self._cluster.jobmanagers[leader])
            yield fault.pick
            self._kill(self._cluster.taskmanagers[number])
            yield fault.seconds
            self._cluster.launch_jobmanager(leader)
            self._stage.start_taskmanager(number)

    # -------------------------------------------------------------------------------------------------- ZooKeeper

    def _kill_server(self, fault: Fault) -> Steps:
        with self._stage.holding("zookeeper"):
            number = self._server(fault)
            self._ensemble.kill(number)
            yield fault.seconds
            yield from self._serve([number])

    def _freeze_server(self, fault: Fault) -> Steps:
        with self._stage.holding("zookeeper"):
            number = self._server(fault)
            self._ensemble.freeze(number)
            yield fault.seconds
            self._ensemble.thaw(number)
            yield from self._serve([number])

    def _lose_quorum(self, fault: Fault) -> Steps:
        with self._stage.holding("zookeeper"):
            frozen = fault.pick < 0.5
            stopped = self._ensemble.stop_quorum(freeze=frozen)
            self._figures.zookeeper_faults += 1
            self._figures.quorums_lost += 1
            self._begin(fault, f"zookeepers {stopped} are {'frozen' if frozen else 'killed'}")
            yield fault.seconds
            self._ensemble.thaw(*(number for number in stopped if self._ensemble.is_running(number)))
            yield from self._serve(stopped)

    def _expire_sessions(self, fault: Fault) -> Steps:
        with self._stage.holding("zookeeper"):
            sessions = self._ensemble.sessions()
            self._begin(fault, f"{len(sessions)} of them")
            self._ensemble.expire(*sessions)
            self._figures.expiries += len(sessions)
            yield LOOK_S

    def _fill_disk(self, fault: Fault) -> Steps:
        with self._stage.holding("zookeeper"):
            number = self._server(fault)
            self._ensemble.fill_disk(number)
            yield fault.seconds
            self._ensemble.make_room(number)
            yield from self._serve([number])

    def _server(self, fault: Fault) -> int:
        """The leader half of the time, else another."""
        leader = self._ensemble.leader()
        others = sorted(number for number in self._ensemble.servers if number != leader)
        number = leader if leader is not None and fault.pick < 0.5 else fault.one_of(others)
        self._figures.zookeeper_faults += 1
        self._begin(fault, f"zookeeper {number}, which {'leads' if number == leader else 'follows'}")
        return number

    def _serve(self, numbers: Sequence[int]) -> Steps:
        """Until they do, started again as by a supervisor."""
        until = time.monotonic() + SERVES_S
        while not all(self._ensemble.servers[number].mode() for number in numbers):
            if time.monotonic() > until:
                raise ChaosError(f"zookeepers {numbers} don't serve within {SERVES_S:.0f} s")
            self._empty_who_refuses_its_data()
            self._ensemble.launch(*numbers)
            yield LOOK_S

    def _empty_who_refuses_its_data(self) -> None:
        """By the operator, as docs/operations.md says, while all others serve."""
        servers = self._ensemble.servers.values()
        for server in servers:
            if server.refuses_its_data() and all(other.mode() for other in servers if other is not server):
                self._ensemble.empty(server.number)
                self._figures.servers_emptied += 1
                self._say(
                    f"zookeeper {server.number}, whose log lacks a proposal, is emptied and takes the others' data"
                )

    # ------------------------------------------------------------------------------------------------- everything

    def _kill_everything(self, fault: Fault) -> Steps:
        jobmanagers, taskmanagers = list(self._cluster.jobmanagers), list(self._cluster.taskmanagers)
        names = [*(f"jobmanager {n}" for n in jobmanagers), *(f"taskmanager {n}" for n in taskmanagers)]
        with self._stage.holding("zookeeper", *names):
            self._begin(fault, "all")
            self._figures.everything_killed += 1
            for process in self._cluster.processes():
                self._kill(process)
            self._ensemble.kill(*self._ensemble.servers)
            self._figures.zookeeper_faults += 1
            yield fault.seconds
            starts: list[Callable[[], None]] = [
                self._ensemble.launch,
                *(partial(self._cluster.launch_jobmanager, number) for number in jobmanagers),
                *(partial(self._stage.start_taskmanager, number) for number in taskmanagers),
            ]
            first = int(fault.pick * len(starts))
            for start in [*starts[first:], *starts[:first]]:
                start()
                yield fault.pick / 2
            yield from self._serve(list(self._ensemble.servers))

    # --------------------------------------------------------------------------------------------------- by hand

    def _kill(self, process: Process) -> None:
        self._figures.kills += 1
        process.kill()

    def _end(self, process: Process, grace_s: float) -> Steps:
        """By SIGTERM; it must have ended within its grace."""
        self._figures.graceful_ends += 1
        process.popen.terminate()
        until = time.monotonic() + grace_s
        while (code := process.popen.poll()) is None:
            if time.monotonic() > until:
                raise ChaosError(f"{process.name} (pid {process.pid}) has not ended {grace_s:.0f} s after SIGTERM")
            yield LOOK_S
        if code not in {0, 128 + signal.SIGTERM, -signal.SIGTERM}:
            raise ChaosError(f"{process.name} (pid {process.pid}) ended by SIGTERM with exit code {code}")

    def _freeze(self, pids: Sequence[int], fault: Fault) -> Steps:
        self._figures.freezes += 1
        self._cluster.freeze(pids)
        yield fault.seconds
        self._cluster.signal([pid for pid in pids if alive(pid)], signal.SIGCONT)
