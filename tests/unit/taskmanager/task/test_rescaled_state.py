"""State of every kind goes on at another parallelism: 2, then 3, then 1, with a crash before each change.

The kinds are in `tests.support.kept_kinds`. Positions of readers are in all of it: a record that was read twice, or
not at all, is one too many, or too few.
"""

from collections import Counter
from collections.abc import Callable

import pytest

from millstream_dataflow.identity import CheckpointId, OperatorId
from millstream_dataflow.operators.specifications import SinkSpecification
from millstream_dataflow.time import WatermarkStrategy
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.kept_kinds import KINDS
from tests.support.kept_state import PAUSE, RECORDS, Kept, PausingSource
from tests.support.ledgers import LEDGERS, LedgerSink, empty_ledgers
from tests.support.tasks import Drawing, VirtualJob

SETTINGS = TaskSettings(FlushRules(4, 60, 100), 100, 100)
LAST = 99


def drawn(kept: Kept, parallelism: int, *, enumerated: bool) -> Drawing:
    drawing = Drawing()
    strategy = WatermarkStrategy.no_watermarks()
    source = drawing.source("source", PausingSource(3, enumerated), strategy, parallelism=min(parallelism, 2))
    sink = SinkSpecification(LedgerSink("kept"))
    vertex = drawing.vertex("kept", kept.specification(), sink, parallelism=parallelism)
    kept.connect(drawing, source, vertex)
    return drawing


def until(job: VirtualJob, done: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if done():
            return
        steps(job, 1)
    raise AssertionError("it never comes to that")


def steps(job: VirtualJob, count: int) -> None:
    for _ in range(count):
        job.scheduler.step()
        job.do_blocking()


@pytest.mark.parametrize(("pace", "enumerated"), [((3, 6), True), ((12, 9), False), ((40, 1), True)])
@pytest.mark.parametrize("kept", KINDS.values(), ids=KINDS.keys())
def test_it_goes_on_at_another_parallelism(kept: Kept, pace: tuple[int, int], enumerated: bool) -> None:
    empty_ledgers()
    job = VirtualJob(drawn(kept, 2, enumerated=enumerated), SETTINGS)
    for checkpoint, (count, parallelism) in enumerate(zip(pace, (3, 1), strict=True), 1):
        steps(job, count)
        job.trigger(checkpoint)
        id_ = CheckpointId(checkpoint)
        until(job, lambda: len(job.parts.get(id_, ())) == len(job.tasks))  # noqa: B023  # called at once
        job.complete(checkpoint)
        steps(job, 5)  # which the crash undoes
        job.coroutines.close()
        drawing = drawn(kept, parallelism, enumerated=enumerated)
        job = VirtualJob(drawing, SETTINGS, job.restored_from(checkpoint, drawing))
    job.settle()
    job.pass_time(PAUSE)
    job.finish(LAST)
    job.coroutines.close()
    assert kept.counted(LEDGERS["kept"]) == kept.results
    if kept.stored is not None:
        restored = job.restored_from(LAST, drawn(kept, 3, enumerated=enumerated))
        states = [one.of(OperatorId("kept/0")) for subtask, one in restored.items() if subtask.vertex == "kept"]
        assert kept.stored(states) == Counter(RECORDS)
