"""A pipeline run by real tasks, which are stopped at any step and go on from the last checkpoint, wider or narrower.

All is real but processes and durability: compilation, batches, credits, barriers, state and what its bytes become.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from millstream_dataflow.identity import CheckpointId, Digest
from millstream_dataflow.job_graph import JobGraph
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.operators.registry import OperatorSettings
from millstream_taskmanager.worker.settings import TaskSettings
from tests.interpreter.pipelines import Pipeline
from tests.support.ledgers import LEDGERS, empty_ledgers
from tests.support.tasks import Drawing, VirtualJob
from tests.unit.client.programs import compiled, environment


@dataclass(frozen=True)
class Life:
    """So many steps, a checkpoint, so many steps more, and the end of it; the next one has that parallelism."""

    before: int
    after: int
    then: int


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


FATES = st.builds(
    Fate,
    st.integers(1, 3),
    st.lists(st.builds(Life, st.integers(0, 40), st.integers(0, 20), st.integers(1, 3)), max_size=2).map(tuple),
    st.integers(1, 8),
    st.integers(1, 200),
    st.booleans(),
    st.integers(0, 99),
)


class Compiled(Drawing):
    """The graph of a pipeline in the place of one that a test draws."""

    def __init__(self, pipeline: Pipeline, parallelism: int) -> None:
        super().__init__()
        env = environment()
        pipeline.build(env, parallelism)
        self.job = compiled(env)

    def graph(self) -> tuple[JobGraph, dict[Digest, bytes]]:
        return self.job.graph, dict(self.job.blobs)


def lived(pipeline: Pipeline, fate: Fate) -> Mapping[str, Sequence[Any]]:
    """What the sinks of a job have committed when it has come to its end."""
    empty_ledgers()
    operators = OperatorSettings(object_reuse=fate.reuse)
    settings = TaskSettings(
        FlushRules(fate.records, 200, 100), fate.credit, fate.credit, operators=operators, seed=fate.seed
    )
    job = VirtualJob(Compiled(pipeline, fate.parallelism), settings)
    for number, life in enumerate(fate.lives, start=1):
        _step(job, life.before)
        job.trigger(number)
        while len(job.parts.get(CheckpointId(number), ())) < len(job.tasks):
            assert not job.errors, job.errors
            _step(job, 1)
        job.complete(number)
        _step(job, life.after)
        onto = Compiled(pipeline, life.then)
        job = VirtualJob(onto, settings, job.restored_from(number, onto))
    job.finish()
    return {name: list(values) for name, values in LEDGERS.items()}


def _step(job: VirtualJob, count: int) -> None:
    for _ in range(count):
        job.scheduler.step()
        job.do_blocking()
