"""What one seed does.

A job of random shape, some JobManagers and TaskManagers, random faults for some seconds, then quiet, and in the end
everything must be right: the job has ended, and when its tombstone is gone nothing of it is left.
"""

import hashlib
import logging
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial

from millstream_dataflow.identity import Digest, EdgeId, JobId, OperatorId, VertexId
from millstream_dataflow.job_graph import BlobRef, Edge, JobGraph, OperatorSummary, Partitioning, Vertex
from millstream_jobmanager.core.commands import Reply
from millstream_runtime.messages.client import CancelJob, StopJob, SubmitJob, TriggerSavepoint
from millstream_runtime.messages.codec import encode
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.session import StopMode
from millstream_runtime.states import JOB_STATES, JobState
from tests.simulation.cluster import Cluster, job_settings
from tests.simulation.enemy import Enemy
from tests.simulation.jobmanager import DIRECTORY, REAL, SETTINGS, Parts
from tests.simulation.outside import BrokenInvariantError, NotOverError
from tests.simulation.taskmanager import VERSIONS
from tests.simulation.worker import KEYS, NUMBERS
from tests.simulation.world import World

QUIET_AFTER = 4_000
END = 150_000
AGAIN_AFTER = 10_000
"""When a tombstone is still there so long after its job's end, its deletion has failed: the next leader tries again."""
JOB = JobId("j" * 32)


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

    def __init__(self, seed: int, parts: Parts = REAL, *, tell: bool = False) -> None:
        self.world = World(seed, tell=tell)
        random = self.world.random
        interval = random.choice([None, 100, 200, 500, 500])
        settings = job_settings(interval, tolerable=random.choice([0, 2, 100]), concurrent=random.choice([1, 1, 2]))
        doubled = random.choice([0.0, 0.02, 0.1])
        self.cluster = Cluster(self.world, parts, settings, doubled, tolerant=self.world.chance(0.2))
        self.parallelism = random.choice([1, 1, 2, 2, 3])
        self.pipelines = random.choice([1, 1, 1, 2])
        self.asked = ""
        self._accepted = False
        self._ended_at: int | None = None
        self._blob = b""
        self._graph = BlobRef(Digest(""), 0)
        self._enemy = Enemy(self.cluster, self._person)

    # ------------------------------------------------------------ the run

    def play(self) -> None:
        """Raises BrokenInvariantError, NotOverError, or whatever the core raised, when something is wrong."""
        cluster, world, random = self.cluster, self.world, self.world.random
        cluster.stores.graphs[JOB] = made = graph(self.pipelines, self.parallelism)
        self._blob = encode(made)
        self._graph = BlobRef(Digest(hashlib.sha256(self._blob).hexdigest()), len(self._blob))
        for number in range(random.choice([1, 2, 2, 3])):
            cluster.start_jobmanager(number)
        for number, count in enumerate(self._slots(self.pipelines * self.parallelism + random.randint(0, 3))):
            cluster.start_taskmanager(number, count)
        world.after(0, 300, self._submit)
        self._enemy.begin(QUIET_AFTER)
        world.after(1_000, 1_000, self._look)
        try:
            with _log_of(world):
                world.run(END)
            if world.broken is None:
                self._check()
        finally:
            cluster.close()
        if world.broken is not None:
            raise world.broken

    def _slots(self, total: int) -> list[int]:
        slots: list[int] = []
        while sum(slots) < total:
            slots.append(self.world.random.randint(1, 3))
        return slots

    def _look(self) -> None:
        """Is it over? When the job has ended and is forgotten, and nothing is left that waits to be collected."""
        world, outside = self.world, self.cluster.outside
        record = outside.records.get(JOB)
        if JOB in outside.over:
            self._enemy.rest()
            for taskmanager in self.cluster.taskmanagers:
                taskmanager.kill()  # they have nothing more to say, and would say it for long
            world.over = not self._left()
            self.cluster.skipped += 1_000
            for leader in self.cluster.leaders():
                leader.collect_garbage()
        elif record is not None and JOB_STATES.is_final(record.state):
            self._ended_at = self._ended_at or world.now
            if world.now >= self._ended_at + AGAIN_AFTER:
                self._ended_at = world.now
                for leader in self.cluster.leaders():
                    self._enemy.kill_jobmanager(leader)
        world.after(250, 250, self._look)

    def _left(self) -> list[str]:
        """What is there of the job although it is forgotten. The highest epoch stays. Nobody deletes what a task writes
        after its job is forgotten, since its TaskManager was stopped for so long: in reality, for an hour.
        """
        stores, record = self.cluster.stores, self.cluster.outside.over[JOB]
        kept = {point.path for point in record.checkpoints if not point.discardable}
        outlived = record.ended_at + SETTINGS.tombstone_time - SETTINGS.retry_delay
        left = [path for path in stores.left_of("chk", JOB, outlived) if path not in kept]
        return left + [path for path in self.cluster.disk.files if not path.startswith(f"{DIRECTORY}/epochs/")]

    # ------------------------------------------------------------ what must be true in the end

    def _check(self) -> None:
        outside, stores = self.cluster.outside, self.cluster.stores
        record = outside.over.get(JOB)
        if record is None:
            last = outside.records.get(JOB)
            state = last.state.name if last else "unknown"
            raise NotOverError(f"after {self.world.now} ms the job is not over; its stored state is {state}")
        self._check_end(record)
        outside.check_exactly_once(JOB, KEYS)
        if left := self._left():
            raise BrokenInvariantError(f"the job is forgotten, and {len(left)} files are left of it: {left[:2]}")
        kept = {point.path for point in record.checkpoints if not point.discardable}
        gone = [point.path for point in record.checkpoints if point.path in kept and point.path not in stores.metadata]
        if gone:
            raise BrokenInvariantError(f"{gone} should have outlived the job")

    def _check_end(self, record: JobRecord) -> None:
        if record.state is JobState.FINISHED and not any(result.path for result in record.results):
            sources = [100 * number + index for number in range(self.pipelines) for index in range(self.parallelism)]
            self.cluster.outside.check_complete(JOB, sources, NUMBERS)
        if record.state is JobState.FAILED or (record.state is JobState.CANCELED and self.asked != "cancel"):
            raise BrokenInvariantError(f"the job ended {record.state.name}: {record.failure}")

    # ------------------------------------------------------------ what people do

    def _ask(self, ask: SubmitJob | CancelJob | StopJob | TriggerSavepoint) -> None:
        """Of somebody who believes that it leads."""
        leaders = self.cluster.leaders()
        if leaders:
            self.world.random.choice(leaders).ask(ask, partial(self._answered, ask))

    def _answered(self, ask: SubmitJob | CancelJob | StopJob | TriggerSavepoint, reply: Reply) -> None:
        outside = self.cluster.outside
        if isinstance(ask, SubmitJob) and reply.status is not None:
            self._accepted = True
            if JOB not in outside.records and JOB not in outside.over:
                self.world.fail(BrokenInvariantError("the job was accepted, and isn't stored"))

    def _submit(self) -> None:
        """A client tries until it hears that the job is there."""
        if not self._accepted:
            self.cluster.disk.files[f"{DIRECTORY}/blobs/{self._graph.digest}"] = self._blob  # an upload comes first
            self._ask(SubmitJob(self.cluster.stores.graphs[JOB], self._graph))
            self.world.after(300, 600, self._submit)

    def _person(self) -> None:
        """Once cancelled, nothing more is asked."""
        if self.asked == "cancel":
            return
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


def play(seed: int, parts: Parts = REAL, *, tell: bool = False) -> Scenario:
    """Play a seed to its end; raises when something was wrong."""
    scenario = Scenario(seed, parts, tell=tell)
    scenario.play()
    return scenario


class _Lines(logging.Handler):
    """What the product logs is a part of the story."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        """Without a traceback: what matters is raised in the end."""
        if record.name != "millstream.jobmanager":  # what a leader tells is told by itself
            self._world.say("log", record.getMessage().replace(JOB, "job"))


@contextmanager
def _log_of(world: World) -> Generator[None]:
    """The product logs into the story, or nowhere."""
    logger, lines = logging.getLogger("millstream"), _Lines(world)
    former = logger.level, logger.propagate
    logger.setLevel(logging.WARNING if world.tells else logging.CRITICAL + 1)
    logger.propagate = False
    logger.addHandler(lines)
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.level, logger.propagate = former
        logger.setLevel(former[0])
