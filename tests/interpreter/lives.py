"""A pipeline run by real tasks, which are stopped at any step and go on from the last checkpoint, wider or narrower.

With unaligned barriers it goes on as wide as it was where another width means other exchanges, on which the records in
flight have no place (the JobManager refuses that), and where results depend on lateness: records in flight that are
dealt out anew come without the watermarks between them, so fewer of them are late (as in Flink, "Unaligned
checkpoints", which says so of every recovery).

All is real but processes and durability: compilation, batches, credits, barriers, state and what its bytes become.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hypothesis import strategies as st

from millstream_dataflow.identity import CheckpointId, Digest, SubtaskId
from millstream_dataflow.job_graph import JobGraph
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.operators.registry import OperatorSettings
from millstream_taskmanager.task.restored import Restored
from millstream_taskmanager.worker.settings import TaskSettings
from tests.interpreter.inputs import PHASE
from tests.interpreter.pipelines import Pipeline
from tests.support.ledgers import LEDGERS, empty_ledgers
from tests.support.tasks import Drawing, VirtualJob
from tests.unit.client.programs import compiled, environment


class End(Enum):
    """How far the checkpoint of a life has come when the life ends."""

    COMPLETED = "completed, and so many steps more"
    UNTOLD = "completed, but no task has heard of it"
    PENDING = "so many steps behind its trigger, whoever has acknowledged it: it is lost"


@dataclass(frozen=True)
class Life:
    """So many steps, a checkpoint, so many steps more, and the end of it; the next one has that parallelism."""

    before: int
    after: int
    then: int
    end: End = End.COMPLETED


@dataclass(frozen=True)
class Fate:
    """What happens to a job: its parallelism, how it is run, its lives but the last."""

    parallelism: int
    lives: tuple[Life, ...]
    records: int
    """That a buffer holds at most."""
    credit: int
    reuse: bool
    seed: int
    overtake_after: int | None
    """Milliseconds from which barriers are unaligned; one passes at each step."""


MOST_STEPS = 30_000  # in which a job that isn't stuck comes to its end
REST = 6  # steps without anything to do; no function of a pipeline waits for more turns of the loop

LIVES = st.builds(
    Life, st.integers(0, 40) | st.integers(0, 200), st.integers(0, 20), st.integers(1, 3), st.sampled_from(End)
)
FATES = st.builds(
    Fate,
    st.integers(1, 3),
    st.lists(LIVES, max_size=3).map(tuple),
    st.integers(1, 8),
    st.integers(1, 200),
    st.booleans(),
    st.integers(0, 99),
    st.sampled_from([None, 0, 3]),
)


class SteppedJob(VirtualJob):
    """A millisecond a step. Where nothing is left to do the clock goes on to whatever is next."""

    idle = 0

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.now += 1
            self.scheduler.run_timers(self.now)
            self.coroutines.turn(0)
            is_busy = self.scheduler.step() or bool(self.pool)
            self.do_blocking()
            self.idle = 0 if is_busy else self.idle + 1
            if self.idle > REST and (following := self.scheduler.next_timer()) is not None:
                self.now = max(self.now, following - 1)
                self.idle = 0


class Compiled(Drawing):
    """The graph of a pipeline in the place of one that a test draws."""

    def __init__(self, pipeline: Pipeline, parallelism: int) -> None:
        super().__init__()
        env = environment()
        pipeline.build(env, parallelism)
        self.job = compiled(env)

    @property
    def edges(self) -> set[tuple[str, str, str]]:
        """Where records may be in flight. It depends on the parallelism, for that decides what is chained."""
        return {(edge.source, edge.target, edge.tag) for edge in self.job.graph.edges}

    def graph(self) -> tuple[JobGraph, dict[Digest, bytes]]:
        return self.job.graph, dict(self.job.blobs)


def lived(pipeline: Pipeline, fate: Fate) -> Mapping[str, Sequence[Any]]:
    """What the sinks of a job have committed when it has come to its end."""
    empty_ledgers()
    operators = OperatorSettings(object_reuse=fate.reuse, watermark_interval=PHASE // 3)
    flushes = FlushRules(fate.records, 200, 100)
    settings = TaskSettings(
        flushes, fate.credit, fate.credit, overtake_after=fate.overtake_after, operators=operators, seed=fate.seed
    )
    drawing, now = Compiled(pipeline, fate.parallelism), 0
    restored: Mapping[SubtaskId, Restored] | None = None
    last: tuple[VirtualJob, Compiled, int, int] | None = None
    for number, life in enumerate(fate.lives, start=1):
        with _running(SteppedJob(drawing, settings, restored, now=now)) as job:
            moment = _reaches(job, life, number)
            if moment is not None:
                last = (job, drawing, number, moment)
        drawing = Compiled(pipeline, life.then)
        if last is not None:
            former, form, checkpoint, now = last
            if fate.overtake_after is not None and (pipeline.orderly or form.edges != drawing.edges):
                drawing = form
            restored = former.restored_from(checkpoint, drawing)
    with _running(SteppedJob(drawing, settings, restored, now=now)) as job:
        for _ in range(MOST_STEPS):
            job.steps(1)
            if job.ended or job.errors:
                break
        job.finish()
    return {name: list(values) for name, values in LEDGERS.items()}


@contextmanager
def _running(job: SteppedJob) -> Generator[SteppedJob]:
    """Until the job ends, and with it what its functions wait for."""
    try:
        yield job
    finally:
        job.coroutines.close()


def _reaches(job: SteppedJob, life: Life, checkpoint: int) -> int | None:
    """Live it. When its checkpoint was begun, by the clock, if it has completed."""
    job.steps(life.before)
    moment = job.now
    job.trigger(checkpoint)
    for _ in range(MOST_STEPS):
        if life.end is End.PENDING or len(job.parts.get(CheckpointId(checkpoint), ())) == len(job.tasks):
            break
        assert not job.errors, job.errors
        job.steps(1)
    if life.end is End.COMPLETED:
        job.complete(checkpoint)
    if life.end is not End.UNTOLD:
        job.steps(life.after)
    return None if life.end is End.PENDING else moment
