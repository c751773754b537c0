"""What one seed does.

A job of random shape, random faults for some seconds, then quiet, and in the end everything must be right.
"""

from dataclasses import dataclass

from millstream_dataflow.identity import Digest, EdgeId, JobId, OperatorId, VertexId
from millstream_dataflow.job_graph import BlobRef, Edge, JobGraph, OperatorSummary, Partitioning, Vertex
from millstream_jobmanager.core.events import Asked
from millstream_runtime.messages.client import CancelJob, StopJob, SubmitJob, TriggerSavepoint
from millstream_runtime.messages.session import StopMode
from millstream_runtime.states import JOB_STATES, JobState
from tests.simulation.cluster import Cluster, job_settings
from tests.simulation.jobmanager import MakeCore, real_core
from tests.simulation.outside import BrokenInvariantError
from tests.simulation.stores import Faults
from tests.simulation.taskmanager import LEADER_ABSENCE, VERSIONS
from tests.simulation.worker import KEYS, NUMBERS
from tests.simulation.world import World

QUIET_AFTER = 9_000
END = 400_000
JOB = JobId("j" * 32)


@dataclass
class Run:
    """One seed, played."""

    cluster: Cluster
    pipelines: int
    parallelism: int
    asked: str = ""


def graph(pipelines: int, parallelism: int) -> JobGraph:
    """A job of source -> keyed -> sink, once or twice without a connection."""
    vertices: list[Vertex] = []
    edges: list[Edge] = []
    for number in range(pipelines):
        for kind in ("source", "keyed", "sink"):
            name = f"{kind}{number}"
            operator = OperatorSummary(
                OperatorId(name), name, kind, keyed=kind == "keyed", commits_outside=kind == "sink"
            )
            vertices.append(
                Vertex(
                    VertexId(name),
                    name,
                    parallelism,
                    128,
                    f"group{number}",
                    (operator,),
                    BlobRef(Digest(name), 1),
                    triggered=kind == "source",
                    bounded=True,
                )
            )
        for source, target, partitioning in (
            ("source", "keyed", Partitioning.HASH),
            ("keyed", "sink", Partitioning.FORWARD),
        ):
            edge = EdgeId(len(edges))
            edges.append(Edge(edge, VertexId(f"{source}{number}"), VertexId(f"{target}{number}"), partitioning))
    return JobGraph(JOB, "simulated", tuple(vertices), tuple(edges), VERSIONS)


class Scenario:
    """Plays a seed."""

    def __init__(self, seed: int, make_core: MakeCore = real_core, *, tell: bool = False) -> None:
        self.world = World(seed, tell=tell)
        random = self.world.random
        interval = random.choice([None, 100, 200, 500, 500])
        settings = job_settings(interval, tolerable=random.choice([0, 2, 100]), concurrent=random.choice([1, 1, 2]))
        self.cluster = Cluster(self.world, make_core, settings, doubled=random.choice([0.0, 0.02, 0.1]))
        self.parallelism = random.randint(1, 3)
        self.pipelines = random.choice([1, 1, 2])
        self.asked = ""
        self._requests = 0
        self._done = False

    # ------------------------------------------------------------ the run

    def play(self) -> None:
        """Raises BrokenInvariantError, or whatever the core raised, when something is wrong."""
        cluster, world, random = self.cluster, self.world, self.world.random
        job = graph(self.pipelines, self.parallelism)
        cluster.stores.graphs[JOB] = job
        cluster.start_leader()
        spare = random.randint(0, 3)
        slots = self._slots(self.pipelines * self.parallelism + spare)
        for number, count in enumerate(slots):
            cluster.start_taskmanager(number, count)
        world.after(0, 300, self._submit)
        world.after(100, 400, self._fault)
        world.at(random.randint(0, QUIET_AFTER // 2), self._bad_storage)
        world.at(QUIET_AFTER, self._quiet)
        world.run(END, lambda: self._done or cluster.broken is not None or self._ended())
        if cluster.broken is not None:
            raise cluster.broken
        self._check()

    def _slots(self, total: int) -> list[int]:
        slots: list[int] = []
        while sum(slots) < total:
            slots.append(self.world.random.randint(1, 3))
        return slots

    def _ended(self) -> bool:
        record = self.cluster.stores.records.get(JOB)
        return record is not None and JOB_STATES.is_final(record.state)

    def _check(self) -> None:
        record = self.cluster.stores.records.get(JOB)
        if record is None or not JOB_STATES.is_final(record.state):
            state = record.state.name if record else "unknown"
            raise BrokenInvariantError(f"after {self.world.now} ms the job has not ended; its stored state is {state}")
        outside = self.cluster.outside
        outside.check_exactly_once(JOB, KEYS)
        if record.state is JobState.FINISHED and not any(result.path for result in record.results):
            sources = [100 * number + index for number in range(self.pipelines) for index in range(self.parallelism)]
            outside.check_complete(JOB, sources, NUMBERS)
        if record.state is JobState.FAILED or (record.state is JobState.CANCELED and self.asked != "cancel"):
            raise BrokenInvariantError(f"the job ended {record.state.name}: {record.failure}")

    # ------------------------------------------------------------ what people do

    def _ask(self, ask: SubmitJob | CancelJob | StopJob | TriggerSavepoint) -> None:
        leader = self.cluster.leader
        if leader is not None and leader.alive:
            self._requests += 1
            leader.deliver(Asked(self._requests, ask))

    def _submit(self) -> None:
        """A client tries until it hears that the job is there."""
        if JOB in self.cluster.stores.records:
            return
        self._ask(SubmitJob(self.cluster.stores.graphs[JOB], BlobRef(Digest("graph"), 1)))
        self.world.after(300, 600, self._submit)

    def _person(self) -> None:
        self.asked = self.world.random.choice(["cancel", "stop", "drain", "savepoint", "savepoint"])
        name = f"r{self.world.now}"
        self.world.say("person", self.asked)
        match self.asked:
            case "cancel":
                self._ask(CancelJob(JOB))
            case "stop":
                self._ask(StopJob(JOB, name, StopMode.STOP, "sp"))
            case "drain":
                self._ask(StopJob(JOB, name, StopMode.DRAIN, "sp"))
            case _:
                self._ask(TriggerSavepoint(JOB, name, "sp"))

    # ------------------------------------------------------------ faults

    def _fault(self) -> None:
        if self.world.now >= QUIET_AFTER:
            return
        random = self.world.random
        alive = [taskmanager for taskmanager in self.cluster.taskmanagers if taskmanager.alive]
        workers = self.cluster.workers()
        match random.choice(["worker", "worker", "task", "taskmanager", "leader", "cut", "cut", "person", "nothing"]):
            case "worker" if workers:
                random.choice(workers).die("killed by signal 9")
            case "task" if workers and (tasks := list(random.choice(workers).tasks.values())):
                random.choice(tasks).fail("user code raised")
            case "taskmanager" if alive:
                self._kill_taskmanager(random.choice(alive).number)
            case "leader":
                self._kill_leader()
            case "cut" if alive:
                random.choice(alive).cut(for_time=random.choice([0, 0, 100, 700, 4_000]))
            case "person" if self.asked != "cancel" and random.random() < 0.3:
                self._person()
            case _:
                pass
        self.world.after(50, 1_500, self._fault)

    def _kill_taskmanager(self, number: int) -> None:
        victim = next(tm for tm in self.cluster.taskmanagers if tm.alive and tm.number == number)
        slots = victim.core.slots
        victim.kill()
        self.world.after(10, 2_500, lambda: self._start_taskmanager(number, slots))

    def _start_taskmanager(self, number: int, slots: int) -> None:
        self.cluster.start_taskmanager(number, slots)

    def _kill_leader(self) -> None:
        leader = self.cluster.leader
        if leader is not None and leader.alive:
            leader.kill()
            # Now and then nobody leads for longer than TaskManagers wait: their tasks are cancelled meanwhile.
            soonest, latest = (10, 1_500) if self.world.chance(0.8) else (LEADER_ABSENCE, LEADER_ABSENCE + 1_000)
            self.world.after(soonest, latest, self.cluster.start_leader)

    def _bad_storage(self) -> None:
        random = self.world.random
        self.cluster.stores.faults = Faults(random.choice([0, 0.05]), random.choice([0, 0.1, 0.3]))

    def _quiet(self) -> None:
        """From here on nothing goes wrong any more."""
        self.world.say("world", "quiet")
        self.cluster.stores.faults = Faults()
        self.cluster.doubled = 0.0


def play(seed: int, make_core: MakeCore = real_core, *, tell: bool = False) -> Scenario:
    """Play a seed to its end; raises when something was wrong."""
    scenario = Scenario(seed, make_core, tell=tell)
    scenario.play()
    return scenario
