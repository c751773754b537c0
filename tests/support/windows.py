"""A window operator alone: records with times go in, watermarks and the clock move on, results come out."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.keys import key_group, key_hash
from millstream_dataflow.operators.base import KeySelection
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.records import Barrier, RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.windows import WindowAssigner
from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_taskmanager.operators.base import SideBatch
from millstream_taskmanager.operators.keyed import KeyedOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.operators.window_roads import window_operator
from tests.support.tasks import OperatorBench

KEY = KeySelection(lambda record: record[0])
Record = Sequence[Any]
"""Key, value and time, of which the operator sees key and value: in a tuple, or in a list if it is one."""


def joined(one: tuple[Any, str], other: tuple[Any, str]) -> tuple[Any, str]:
    """A reduction that shows its order."""
    return one[0], one[1] + other[1]


def summed(one: tuple[Any, int], other: tuple[Any, int]) -> tuple[Any, int]:
    """A sum by key."""
    return one[0], one[1] + other[1]


class Windows:
    """An operator, or all subtasks of one. Results are (value, time), late ones ("late", value, time)."""

    def __init__(
        self,
        assigner: WindowAssigner[Any, Any],
        *,
        parallelism: int = 1,
        now: int = 0,
        state: RestoredState | None = None,
        reuse: bool = False,
        **options: Any,  # noqa: ANN401  # of the specification
    ) -> None:
        self.specification = WindowSpecification(options.pop("key", KEY), assigner, **options)
        self.reuse = reuse
        self.benches = [OperatorBench(now=now, subtask=n, parallelism=parallelism) for n in range(parallelism)]
        self.operators: list[KeyedOperator] = []
        for bench in self.benches:
            operator = window_operator(self.specification, reuse=reuse)
            operator.open(bench.context(state))
            self.operators.append(operator)

    @property
    def operator(self) -> Any:  # noqa: ANN401  # of either road
        """The only one."""
        [operator] = self.operators
        return operator

    def come(self, *records: Record) -> list[Any]:
        """Records, to where their keys belong."""
        out: list[Any] = []
        for index, operator in enumerate(self.operators):
            own = [record for record in records if self.owner(record[0]) == index]
            if own:
                batch = RowBatch([record[:2] for record in own], [record[2] for record in own])
                out += shown(operator.process(0, batch))
        return out

    def untimed(self, *values: Any) -> list[Any]:  # noqa: ANN401  # any records
        """Records of a stream without times."""
        return shown(self.operator.process(0, RowBatch(list(values))))

    def reach(self, *times: int) -> list[Any]:
        """A watermark for each subtask, or one for all."""
        pairs = zip(self.operators, times if len(times) > 1 else repeat(max(times)), strict=False)
        return [row for operator, time in pairs for row in shown(operator.advance(Watermark(time)))]

    def end(self) -> list[Any]:
        """The end of the input."""
        return self.reach(MAX_TIME)

    def clock(self, now: int) -> list[Any]:
        """The clock has come so far: operators that have asked for it are called."""
        out: list[Any] = []
        for bench, operator in zip(self.benches, self.operators, strict=True):
            bench.time = now
            if any(due <= now for due in bench.due):
                bench.due = [due for due in bench.due if due > now]
                out += shown(operator.on_time(now))
        return out

    def state(self) -> RestoredState:
        """A snapshot of all subtasks, as each subtask behind them reads it."""
        runs: list[KeyedRun] = []
        for operator in self.operators:
            list(operator.snapshot(Barrier(CheckpointId(1)), ended=False))
            snapshot = operator.keyed_snapshot()
            assert snapshot is not None
            while not snapshot.done:
                snapshot.encode_some()
            runs += snapshot.runs
        return RestoredState((), tuple(runs), restored=True)

    def restored(self, parallelism: int = 1, now: int = 0, **changed: Any) -> "Windows":  # noqa: ANN401  # of the specification
        """The same, or a changed operator, that goes on from a snapshot of this one."""
        names = self.specification.__dataclass_fields__
        options: dict[str, Any] = {name: getattr(self.specification, name) for name in names} | changed
        return Windows(parallelism=parallelism, now=now, state=self.state(), reuse=self.reuse, **options)

    def owner(self, key: object) -> int:
        """The subtask that has a key."""
        return key_group(key_hash(key), 128) * len(self.operators) // 128


def shown(outputs: Iterable[object]) -> list[Any]:
    """What an operator gave, as rows."""
    rows: list[Any] = []
    for output in outputs:
        batch = output.batch if isinstance(output, SideBatch) else output
        assert isinstance(batch, RowBatch)
        times: Sequence[Any] = batch.timestamps if batch.timestamps is not None else [None] * len(batch)
        tagged = list(zip(batch.values, times, strict=True))
        rows += [(output.tag, *row) for row in tagged] if isinstance(output, SideBatch) else tagged
    return rows
