"""Everything that goes wrong in a run, until it is quiet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.storage import Faults
from tests.simulation.taskmanager import LEADER_ABSENCE, SHUTDOWN_TIMEOUT, VirtualTaskManager
from tests.simulation.zookeeper import SESSION_TIMEOUT

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster
    from tests.simulation.jobmanager import VirtualJobManager

TASKS = ("worker", "worker", "task", "taskmanager", "leaving", "cut", "cut", "stopped", "person", "nothing")
LEADERS = (
    *("killed", "killed", "in steps", "in steps", "in steps", "stopped"),
    *("ghosts", "ghosts", "late write", "late write", "resigns", "standby"),
)
CONNECTIONS = ("leader and zk", "leader and zk", "leader and tm", "tm and zk", "majority", "sessions", "all of leader")


class Enemy:
    """Of one cluster."""

    def __init__(self, cluster: Cluster, person: Callable[[], None]) -> None:
        self._cluster = cluster
        self._world = cluster.world
        self._person = person
        self._rests = False

    def begin(self, until: int) -> None:
        """Until that time; some runs have one kind of faults alone."""
        kinds = self._world.random.choice([(1, 0, 0), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 4, 0)])
        self._acts = (self._act_on_tasks,) * kinds[0] + (self._act_on_leaders,) * kinds[1]
        self._acts += (self._act_on_connections,) * kinds[2]
        self._world.after(100, 700, self._act)
        self._world.at(self._world.number(0, until // 2), self._bad_storage)
        self._world.at(until, self.rest)

    def _act(self) -> None:
        if not self._rests:
            self._world.random.choice(self._acts)()
            self._world.after(50, 900, self._act)

    def _bad_storage(self) -> None:
        if self._rests:
            return
        random = self._world.random
        self._cluster.disk.faults = Faults(random.choice([0, 0.05]), random.choice([0, 0.1, 0.3]))
        self._cluster.quorum.unanswered = random.choice([0, 0.05, 0.2])

    def rest(self) -> None:
        """From here on nothing goes wrong any more; what is down comes back in its time."""
        if self._rests:
            return
        self._rests = True
        self._world.say("world", "quiet")
        self._cluster.disk.faults = Faults()
        self._cluster.quorum.unanswered = 0.0
        self._cluster.doubled = 0.0

    # ------------------------------------------------------------ tasks and TaskManagers

    def _act_on_tasks(self) -> None:
        random = self._world.random
        alive = [taskmanager for taskmanager in self._cluster.taskmanagers if taskmanager.alive]
        workers = self._cluster.workers()
        match random.choice(TASKS):
            case "worker" if workers:
                random.choice(workers).die("killed by signal 9")
            case "task" if workers and (tasks := list(random.choice(workers).tasks.values())):
                random.choice(tasks).fail("user code raised")
            case "taskmanager" if alive:
                self._kill_taskmanager(random.choice(alive))
            case "leaving" if staying := [taskmanager for taskmanager in alive if taskmanager.leaves_by is None]:
                self._leave(random.choice(staying))
            case "cut" if alive:
                random.choice(alive).cut(for_time=random.choice([0, 0, 100, 700, 4_000]))
            case "stopped" if alive:
                random.choice(alive).stop_for(random.choice([200, 1_000, 4_500]))
            case "person" if self._world.chance(0.3):
                self._person()
            case _:
                pass

    def _kill_taskmanager(self, victim: VirtualTaskManager) -> None:
        slots = victim.core.slots
        victim.kill()
        self._world.after(10, 2_500, lambda: self._start_taskmanager(victim.number, slots))

    def _leave(self, taskmanager: VirtualTaskManager) -> None:
        """One comes in its place when it has gone, or before, as a spare."""
        taskmanager.say("told to leave")
        taskmanager.leave()
        slots = taskmanager.core.slots
        self._world.after(10, SHUTDOWN_TIMEOUT + 1_000, lambda: self._replace(taskmanager, slots))

    def _replace(self, taskmanager: VirtualTaskManager, slots: int) -> None:
        number = max(tm.number for tm in self._cluster.taskmanagers) + 1 if taskmanager.alive else taskmanager.number
        self._start_taskmanager(number, slots)

    def _start_taskmanager(self, number: int, slots: int) -> None:
        """Unless one with that number lives: it claims its resource for itself alone."""
        if not any(taskmanager.alive and taskmanager.number == number for taskmanager in self._cluster.taskmanagers):
            self._cluster.start_taskmanager(number, slots)

    # ------------------------------------------------------------ JobManagers

    def _act_on_leaders(self) -> None:
        random = self._world.random
        leaders = self._cluster.leaders()
        alive = [jobmanager for jobmanager in self._cluster.jobmanagers if jobmanager.alive]
        if not leaders:
            if alive and self._world.chance(0.3):
                self.kill_jobmanager(random.choice(alive))  # perhaps while it campaigns, opens its store, recovers
            return
        leader = random.choice(leaders)
        match random.choice(LEADERS):
            case "killed":
                self.kill_jobmanager(leader)
            case "in steps":
                steps, what = self._world.number(1, 8), random.choice([self.kill_jobmanager, self._stop, self._cut_off])
                leader.say(f"after {steps} steps of its store: {what.__name__}")
                leader.storage.after_steps(steps, lambda: what(leader))
            case "stopped":
                self._stop(leader)
            case "ghosts":
                self._ghosts(leader)
            case "late write":
                leader.say("loses ZooKeeper with its next write")
                leader.zookeeper.break_at_next_write()
            case "resigns":
                leader.resign()
                self._restart(leader)
            case _:
                self.kill_jobmanager(random.choice(alive))

    def kill_jobmanager(self, jobmanager: VirtualJobManager) -> None:
        """And one with its number is started by and by."""
        if jobmanager.alive:
            jobmanager.kill()
            self._restart(jobmanager)

    def _restart(self, jobmanager: VirtualJobManager) -> None:
        # Now and then nobody leads for longer than TaskManagers wait: their tasks are cancelled meanwhile.
        soonest, latest = (10, 1_500) if self._world.chance(0.8) else (LEADER_ABSENCE, LEADER_ABSENCE + 1_000)
        self._world.after(soonest, latest, lambda: self._start_again(jobmanager))

    def _start_again(self, jobmanager: VirtualJobManager) -> None:
        if self._cluster.jobmanagers[jobmanager.number] is not jobmanager:
            return
        if jobmanager.alive:  # it takes its time to end
            self._world.after(200, 500, lambda: self._start_again(jobmanager))
        else:
            self._cluster.start_jobmanager(jobmanager.number)

    def _stop(self, jobmanager: VirtualJobManager) -> None:
        """Often for just as long as it takes until another leads, and hasn't written yet."""
        short = self._world.number(200, SESSION_TIMEOUT)
        jobmanager.stop_for(self._world.random.choice([short, *self._takeover(), 4_500]))

    def _cut_off(self, jobmanager: VirtualJobManager) -> None:
        self._cut_from_zookeeper(jobmanager)

    def _ghosts(self, leader: VirtualJobManager) -> None:
        """A TaskManager is cut off for so long that its tasks are placed elsewhere, and comes back to a new leader."""
        alive = [taskmanager for taskmanager in self._cluster.taskmanagers if taskmanager.alive]
        if alive:
            taskmanager = max(alive, key=lambda one: len(one.workers))
            time = self._world.number(600, 1_500)
            taskmanager.say(f"cut from all JobManagers for {time} ms")
            taskmanager.cut(for_time=time)
            steps = self._world.random.choice([3, 4, 4, 8])  # the third is behind the pointer
            self._world.after(450, 450, lambda: leader.storage.after_steps(steps, lambda: self.kill_jobmanager(leader)))

    def _takeover(self) -> list[int]:
        return [SESSION_TIMEOUT + self._world.number(0, 300), SESSION_TIMEOUT + self._world.number(0, 1_000)]

    # ------------------------------------------------------------ connections

    def _time(self) -> int:
        return self._world.random.choice([0, self._world.number(0, SESSION_TIMEOUT), *self._takeover(), 4_000])

    def _cut_from_zookeeper(self, process: VirtualJobManager | VirtualTaskManager) -> None:
        time = self._time()
        process.say(f"cut from ZooKeeper for {time} ms")
        process.zookeeper.cut(time)

    def _sever(self, jobmanager: VirtualJobManager, taskmanager: VirtualTaskManager) -> None:
        time = self._time()
        taskmanager.say(f"cut from {jobmanager.address} for {time} ms")
        taskmanager.sever(jobmanager.address, time)

    def _act_on_connections(self) -> None:
        random, cluster = self._world.random, self._cluster
        leaders = cluster.leaders() or [jobmanager for jobmanager in cluster.jobmanagers if jobmanager.alive]
        alive = [taskmanager for taskmanager in cluster.taskmanagers if taskmanager.alive]
        match random.choice(CONNECTIONS):
            case "leader and zk" if leaders:
                self._cut_from_zookeeper(random.choice(leaders))
            case "leader and tm" if leaders and alive:
                self._sever(random.choice(leaders), random.choice(alive))
            case "tm and zk" if alive:
                self._cut_from_zookeeper(random.choice(alive))
            case "majority":
                cluster.quorum.lose_majority(self._time())
            case "sessions":
                for session in list(cluster.quorum.sessions.values()):
                    cluster.quorum.expire(session, "with all others")
            case "all of leader" if leaders:
                leader = random.choice(leaders)
                self._cut_from_zookeeper(leader)
                for taskmanager in alive:
                    self._sever(leader, taskmanager)
            case _:
                pass
