"""Short words for tests of operators with two inputs: what comes in, what goes out, what is stored and taken up."""

from collections.abc import Iterable, Sequence
from typing import Any

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import KeySelection
from millstream_dataflow.records import Barrier, RowBatch
from millstream_runtime.checkpoint_files.contents import KeyedRun, StoredList
from millstream_taskmanager.operators.base import Operator, SideBatch
from millstream_taskmanager.operators.state import RestoredState

FIRST = KeySelection(lambda record: record[0])
BARRIER = Barrier(CheckpointId(1))


def timed(*records: tuple[Any, int]) -> RowBatch:
    """Records as pairs of a value and its time."""
    return RowBatch([value for value, _ in records], [time for _, time in records])


def untimed(*values: Any) -> RowBatch:  # noqa: ANN401  # any records
    """Records without times."""
    return RowBatch(list(values))


def given(outputs: Iterable[object]) -> list[tuple[Any, int | None]]:
    """What came out of the main output: values with their times."""
    found: list[tuple[Any, int | None]] = []
    for output in outputs:
        assert isinstance(output, RowBatch)
        times: Sequence[int | None] = output.timestamps or [None] * len(output)
        found += zip(output.values, times, strict=True)
    return found


def side(outputs: Iterable[object]) -> dict[str, list[tuple[Any, int | None]]]:
    """What came out of side outputs, by tag."""
    found: dict[str, list[tuple[Any, int | None]]] = {}
    for output in outputs:
        if isinstance(output, SideBatch):
            found.setdefault(output.tag, []).extend(given([output.batch]))
    return found


def stored(operators: Sequence[Operator]) -> list[tuple[Sequence[StoredList], Sequence[KeyedRun]]]:
    """Snapshots of all subtasks."""
    parts: list[tuple[Sequence[StoredList], Sequence[KeyedRun]]] = []
    for operator in operators:
        lists = operator.snapshot(BARRIER, ended=False)
        keyed = operator.keyed_snapshot()
        while keyed is not None and not keyed.done:
            keyed.encode_some()
        parts.append((lists, () if keyed is None else keyed.runs))
    return parts


def restored(*operators: Operator) -> RestoredState:
    """What one subtask begins with that takes up all that these have stored: of lists those of the first."""
    parts = stored(operators)
    return RestoredState(tuple(parts[0][0]), tuple(run for _, runs in parts for run in runs), restored=True)
