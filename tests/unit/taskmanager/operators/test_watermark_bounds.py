"""Whatever the order of records, splits, pauses and restarts: no watermark of a source is beyond what its strategy
allows (laws 7.1 and 7.3).
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import ReaderSpecification
from millstream_dataflow.records import Barrier, RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.time import WatermarkStrategy
from millstream_taskmanager.operators.reader import ReaderOperator
from millstream_taskmanager.operators.state import RestoredState
from tests.support.tasks import ListSource, OperatorBench

BARRIER = Barrier(CheckpointId(1))
SPLITS = st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=8), min_size=1, max_size=4)
STEPS = st.lists(st.sampled_from(["read", "read", "read", "tick", "restart", "limit", "free"]), max_size=60)


class Watched:
    """A reader, and how far each of its splits has been read."""

    def __init__(self, strategy: WatermarkStrategy[Any], splits: list[list[int]], delay: int) -> None:
        source = ListSource((), timed=True, batch=2, boundedness=Boundedness.CONTINUOUS_UNBOUNDED)
        self.specification = ReaderSpecification(source, strategy)
        self.delay = delay
        self.read: dict[int, int] = dict.fromkeys(range(len(splits)), MIN_TIME)
        self.last = MIN_TIME
        self.open(None)
        for number, times in enumerate(splits):
            self.check(self.reader.add(tuple(((number, time), time) for time in times)))

    def open(self, state: RestoredState | None) -> None:
        self.bench = OperatorBench()
        self.reader = ReaderOperator(self.specification, 200)
        self.reader.open(self.bench.context(state))
        self.check(self.reader.start())

    def step(self, step: str) -> None:
        match step:
            case "read" if self.reader.readable(self.bench.time):
                self.check(self.reader.read(100))
            case "tick":
                self.bench.time += 200
                self.check(self.reader.on_time(self.bench.time))
            case "restart":
                state = RestoredState(tuple(self.reader.snapshot(BARRIER, ended=False)), restored=True)
                self.open(state)
            case "limit":
                self.reader.read_up_to(self.last + 10)
            case "free":
                self.reader.read_up_to(MAX_TIME)
            case _:
                pass

    def check(self, outputs: Any) -> None:  # noqa: ANN401  # whatever it says
        for output in outputs:
            if isinstance(output, RowBatch):
                for number, time in output.values:
                    self.read[number] = max(self.read[number], time)
            elif isinstance(output, Watermark):
                allowed = min(highest - self.delay - 1 for highest in self.read.values())
                assert output.time <= allowed
                assert output.time >= self.last, "it never falls, not by a restart either"
                self.last = output.time


@given(SPLITS, STEPS, st.integers(0, 20), st.booleans(), st.booleans())
def test_no_watermark_is_beyond_the_slowest_split(
    splits: list[list[int]], steps: list[str], delay: int, punctuated: bool, aligned: bool
) -> None:
    strategy = WatermarkStrategy.for_bounded_out_of_orderness(delay)
    strategy = strategy.with_punctuated_watermarks() if punctuated else strategy
    strategy = strategy.with_watermark_alignment("group", 10) if aligned else strategy
    watched = Watched(strategy, splits, delay)
    for step in steps:
        watched.step(step)
    # Everything is read in the end, whatever was paused: then the watermark is the highest that is allowed.
    watched.step("free")
    while watched.reader.readable(watched.bench.time):
        watched.step("read")
        watched.bench.time += 20 if not watched.reader.readable(watched.bench.time) else 0
        if all(highest == max(times) for highest, times in zip(watched.read.values(), splits, strict=True)):
            break
    watched.step("tick")
    assert watched.reader.time >= min(max(times) for times in splits) - delay - 1
