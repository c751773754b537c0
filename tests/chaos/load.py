"""The job: windows by key over endless input at a pace, exactly once into files. Its tasks write down their stops."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millstream import (
    FileSink,
    StreamExecutionEnvironment,
    Time,
    TumblingEventTimeWindows,
    WatermarkStrategy,
)
from millstream.connectors.files.writer import FileCommittable
from millstream_dataflow.connectors import (
    Boundedness,
    Committer,
    Read,
    SinkContext,
    Source,
    SourceContext,
    SplitEnumerator,
    SplitReader,
)
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import RowBatch
from tests.integration.programs import HEADER, WINDOW, WithWindow
from tests.integration.pulses import PulsingCount, PulsingMap
from tests.support.jobs import event

KEYS = 10
PARALLELISM = 2
RATE = 400
"""Events a second of each split: with all that is around it, ZooKeeper too, half a core."""
STEP_MS = 20
"""Between two looks for what is due."""
CHECKPOINT_MS = 150
"""Between two checkpoints."""
COMMIT_S = 0.04
"""For the files of one checkpoint."""


@dataclass(frozen=True)
class EndlessEvents(Source[int]):
    """Events of `tests.support.jobs`, dealt out to the splits one by one, at RATE, until the file `end` says how many
    there are; then all that is left comes at once. A split that was restored goes on at its pace from then: it has
    never read more than RATE allows since the job's beginning.
    """

    end: str
    boundedness: Boundedness = Boundedness.BOUNDED
    discovery_interval: int | None = None

    def create_enumerator(self, context: SourceContext, state: Any) -> Splits:  # noqa: ANN401  # the interface's
        return Splits(given=bool(state))

    def create_reader(self, context: SourceContext, split: int, position: Any) -> Reader:  # noqa: ANN401  # the interface's
        return Reader(Path(self.end), context, split, position or 0)


class Splits(SplitEnumerator[int]):
    """One a subtask, all at once."""

    def __init__(self, *, given: bool) -> None:
        self.given = given

    def discover(self) -> Sequence[int]:
        if self.given:
            return ()
        self.given = True
        return range(PARALLELISM)

    def snapshot(self) -> bool:
        return self.given


class Reader(SplitReader):
    """Of one split, whose events are counted by themselves."""

    def __init__(self, end: Path, context: SourceContext, split: int, position: int) -> None:
        self.end = end
        self.context = context
        self.split = split
        self.next = self.first = position
        self.started = context.now()

    def read(self, limit: int) -> Read:
        now = self.context.now()
        ends = self.end.exists()
        due = math.ceil((int(self.end.read_text(encoding="utf-8")) - self.split) / PARALLELISM) if ends else 0
        upto = min(self.next + limit, due or self.first + (now - self.started) * RATE // 1_000)
        if upto <= self.next:
            return Read(ended=ends, ready_at=now + STEP_MS)
        numbers = range(self.next, upto)
        events = [event(number * PARALLELISM + self.split, KEYS) for number in numbers]
        self.next = upto
        return Read(RowBatch(events, [moment for _, _, moment in events]), ended=ends and upto == due)

    def position(self) -> int:
        return self.next


class SlowCommitter(Committer[FileCommittable]):
    """Takes as long as an object store: a fault that comes at any time finds something that is stored and not yet out
    every third time, where a disk's renames would be hit once in twenty.
    """

    def __init__(self, committer: Committer[FileCommittable]) -> None:
        self.committer = committer

    def commit(self, committables: Sequence[FileCommittable]) -> None:
        time.sleep(COMMIT_S)
        self.committer.commit(committables)

    def drop_leftovers(self, context: SinkContext, spared: Sequence[CheckpointId]) -> None:
        self.committer.drop_leftovers(context, spared)


class SlowFileSink(FileSink):
    """Else as any other."""

    def create_committer(self, context: SinkContext) -> Committer[FileCommittable]:
        return SlowCommitter(super().create_committer(context))


class Load:
    """Where the job writes, and how it is started and ended."""

    def __init__(self, directory: Path) -> None:
        self.pulses = directory / "pulses"
        self.output = directory / "out"
        self.pulses.mkdir()
        self._end = directory / "end"
        self._begun = time.monotonic()

    def start(self, env: StreamExecutionEnvironment) -> str:
        """The job's id."""
        (
            env.from_source(EndlessEvents(str(self._end)), WatermarkStrategy.for_monotonous_timestamps(), "events")
            .map(PulsingMap(str(self.pulses)))
            .key_by(lambda event: event[0])
            .window(TumblingEventTimeWindows.of(Time.milliseconds(WINDOW)))
            .aggregate(PulsingCount(str(self.pulses)), WithWindow())
            .sink_to(SlowFileSink.csv(str(self.output), HEADER))
        )
        self._begun = time.monotonic()
        return env.execute_async("chaos").get_job_id()

    def end_input(self) -> int:
        """How many events there are: more than any split can have read."""
        count = PARALLELISM * RATE * math.ceil(time.monotonic() - self._begun + 2) + 1
        draft = self._end.with_suffix(".draft")
        draft.write_text(str(count), encoding="utf-8")
        os.replace(draft, self._end)  # noqa: PTH105  # as atomic as the reader needs it
        return count
