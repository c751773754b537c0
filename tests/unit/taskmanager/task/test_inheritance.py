"""What a task keeps of a checkpoint: lists that nobody asks for are stored again, all else is in memory once."""

import gc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from millstream_dataflow.functions import KeyedProcessFunction, MapFunction, RuntimeContext
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import KeyedProcessSpecification, KeySelection, MapSpecification
from millstream_dataflow.state import (
    CheckpointedFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
    ListStateDescriptor,
    ValueStateDescriptor,
)
from millstream_runtime.checkpoint_files.contents import KeyedRun, StoredList
from millstream_runtime.messages.snapshots import Redistribution
from millstream_taskmanager.operators import chain_snapshot
from millstream_taskmanager.operators.keyed_process import KeyedProcessOperator
from tests.support.tasks import Drawing, ListSource, VirtualJob

KEY = KeySelection(lambda record: record[0])
RECORDS = ListSource((tuple(("abcd"[number % 4], number) for number in range(40)),), batch=10)


class Listing(MapFunction[Any, Any], CheckpointedFunction):
    """Keeps records in a list, and its subtask's number in a union."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.index = runtime_context.get_index_of_this_subtask()

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        store = context.get_operator_state_store()
        self.kept: Any = store.get_list_state(ListStateDescriptor("kept"))
        self.union: Any = store.get_union_list_state(ListStateDescriptor("union"))
        self.found = (sorted(self.kept.get()), sorted(self.union.get()))

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        self.union.update([self.index])

    def map(self, value: Any) -> Any:  # noqa: ANN401  # any record
        self.kept.add(value)
        return value, self.found


class Asking(MapFunction[Any, Any], CheckpointedFunction):
    """The next version: it has a list of its own, and asks for none of the old ones."""

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        self.own: Any = context.get_operator_state_store().get_list_state(ListStateDescriptor("own"))

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        self.own.update([1])

    def map(self, value: Any) -> Any:  # noqa: ANN401  # any record
        return value


def unchanged(value: Any) -> Any:  # noqa: ANN401  # any record
    return value


def listing(function: Any, parallelism: int, *, source: ListSource = RECORDS) -> Drawing:  # noqa: ANN401  # of any kind
    """The function is second in its chain, so that a plain one runs in the loop of the first."""
    drawing = Drawing()
    read = drawing.source("source", source)
    work = drawing.vertex("work", MapSpecification(unchanged), MapSpecification(function), parallelism=parallelism)
    out = drawing.collect("out")
    drawing.edge(read, work, Partitioning.REBALANCE)
    drawing.edge(work, out, Partitioning.REBALANCE)
    return drawing


def lists_of(job: VirtualJob, checkpoint: int) -> Iterable[tuple[str, Redistribution, int]]:
    parts = job.parts[CheckpointId(checkpoint)].values()
    lists = [stored for part in parts for operator in part.operators for stored in operator.lists]
    return [
        (name, how, sum(len(stored.items) for stored in lists if stored.name == name))
        for name, how in sorted({(stored.name, stored.redistribution) for stored in lists}, key=str)
        if name in ("own", "kept", "union")
    ]


@pytest.mark.parametrize("between", [unchanged, Asking()], ids=["in another's loop", "with a list of its own"])
def test_lists_that_nobody_asks_for_are_stored_again(between: Any) -> None:  # noqa: ANN401  # of any kind
    job = VirtualJob(listing(Listing(), 2))
    job.settle()
    job.trigger(1)
    job.settle()
    stored = [("kept", Redistribution.SPLIT, 40), ("union", Redistribution.UNION, 2)]
    assert lists_of(job, 1) == stored
    for checkpoint, parallelism in ((2, 3), (3, 3), (4, 1)):  # a version that doesn't use them, at any parallelism
        drawing = listing(between, parallelism)
        job = VirtualJob(drawing, restored=job.restored_from(checkpoint - 1, drawing))
        job.settle()
        job.trigger(checkpoint)
        job.settle()
        assert not job.errors
        assert [one for one in lists_of(job, checkpoint) if one[0] != "own"] == stored
    again = listing(Listing(), 2)
    job = VirtualJob(again, restored=job.restored_from(4, again))
    job.settle()
    functions = [function for function in _functions(job) if isinstance(function, Listing)]
    assert sorted(record for function in functions for record in function.found[0]) == sorted(RECORDS.splits[0])
    assert [function.found[1] for function in functions] == [[0, 1], [0, 1]]


def _functions(job: VirtualJob) -> Iterator[object]:
    for index in range(2):
        for operator in job.task("work", index).chain.operators:
            yield from (stage.life._function for stage in getattr(operator, "_stages", ()))


class Counting(KeyedProcessFunction[str, tuple[str, int], Any]):
    """Counts, in something that can be changed, so that a snapshot wants to hear of it."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", list))

    def process_element(self, value: tuple[str, int], ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        kept = [*(self.count.value() or []), value[1]]
        self.count.update(kept)
        yield value[0], len(kept)


def counting() -> Drawing:
    drawing = Drawing()
    read = drawing.source("source", RECORDS)
    work = drawing.vertex("work", KeyedProcessSpecification(Counting(), KEY), MapSpecification(Listing()))
    drawing.edge(read, work, Partitioning.HASH, key=lambda record: record[0])
    drawing.edge(work, drawing.collect("out"), Partitioning.REBALANCE)
    return drawing


def test_restored_state_is_in_memory_once() -> None:
    job = VirtualJob(counting())
    job.settle()
    job.trigger(1)
    job.settle()
    restored = job.restored_from(1)
    states = [state for one in restored.values() for state in one.states.values()]
    taken = [run for state in states for run in state.runs] + [one for state in states for one in state.lists]
    kept = {id(one) for one in taken if isinstance(one, KeyedRun) or one.name in ("kept", "union")}
    assert kept
    del states, taken
    again = VirtualJob(counting(), restored=restored)
    again.settle()
    assert not again.errors
    restored.clear()
    gc.collect()
    alive = [one for one in gc.get_objects() if isinstance(one, KeyedRun | StoredList) and id(one) in kept]
    assert alive == []


def test_a_task_that_is_over_has_no_snapshot_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_snapshot, "SLICE_BYTES", 1)
    job = VirtualJob(counting())
    job.settle()
    task = job.task("work")
    [operator] = [one for one in task.chain.operators if isinstance(one, KeyedProcessOperator)]
    table = operator.backend._tables["value:count"]
    job.trigger(1)
    for _ in range(10):
        if not table.shadows:
            job.task("source").step()
            task.step()
    assert table.shadows, "its cut is made, and not all encoded"
    task.cancel()
    assert table.shadows == []
