"""The tree of a vertex: what is fused, how batches and events walk it, who gets copies and conversions."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from millstream_dataflow.functions import MapFunction
from millstream_dataflow.identity import CheckpointId, EdgeId, OperatorId
from millstream_dataflow.operators.chain import HEAD, ChainInput, ChainOutput, ChainSpecification
from millstream_dataflow.operators.specifications import (
    CollectSpecification,
    FilterSpecification,
    MapBatchesSpecification,
    MapSpecification,
    OperatorSpecification,
    ProcessSpecification,
    SinkSpecification,
    TimestampsSpecification,
)
from millstream_dataflow.records import Barrier, ColumnBatch, RowBatch, StreamStatus, Watermark
from millstream_dataflow.state import CheckpointedFunction, FunctionInitializationContext, FunctionSnapshotContext
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.types import Row, TypeInformation, Types
from millstream_runtime.messages.failures import FailureKind
from millstream_taskmanager.operators.building import build_chain
from millstream_taskmanager.operators.chain import Chain
from millstream_taskmanager.operators.collect import CollectOperator
from millstream_taskmanager.operators.fusion import FusedOperator
from millstream_taskmanager.operators.registry import OperatorSettings
from millstream_taskmanager.operators.sink import SinkOperator
from millstream_taskmanager.user_code.errors import UnsupportedOperatorError, UserCodeError
from tests.support.failing import GUILTY_LINE, KINDS, Failing
from tests.support.ledgers import LedgerSink
from tests.support.tasks import Draft, OperatorBench

SIDE: OutputTag[Any] = OutputTag("side")


class Tree:
    """A chain as it is drawn."""

    def __init__(self, *row: OperatorSpecification) -> None:
        self.draft = Draft("v", 1, [], triggered=False)
        self.outputs: list[ChainOutput] = []
        for number, specification in enumerate(row):
            self.draft.add(specification, number - 1 if number else HEAD)

    def add(self, specification: OperatorSpecification, parent: int, tag: str = "") -> int:
        return self.draft.add(specification, parent, tag)

    def out(self, node: int, tag: str = "") -> None:
        self.outputs.append(ChainOutput(EdgeId(len(self.outputs)), node, tag))

    def chain(
        self,
        *,
        rows_only: Sequence[int] = (),
        type_: TypeInformation[Any] | None = None,
        settings: OperatorSettings = OperatorSettings(),  # noqa: B008  # frozen, so one may be shared
    ) -> Chain:
        specification = ChainSpecification(self.draft.nodes, [ChainInput(EdgeId(9), type_)], self.outputs)
        flags = [number in rows_only for number in range(len(self.outputs))]
        chain = build_chain(specification, flags, settings)
        bench = OperatorBench()
        chain.open(lambda id_, name: bench.context().named(id_, name))
        return chain


def plus(more: int) -> MapSpecification:
    return MapSpecification(lambda value: value + more)


def emitted(emissions: Iterator[tuple[int, Any]]) -> list[tuple[int, Any]]:
    return [(index, e.values if isinstance(e, RowBatch) else e) for index, e in emissions]


def kinds(chain: Chain) -> list[type]:
    return [type(operator) for operator in chain.operators]


def test_a_row_of_stateless_operators_is_one_loop() -> None:
    tree = Tree(plus(1), FilterSpecification(lambda value: value % 2), plus(10), SinkSpecification(LedgerSink("x")))
    tree.out(2)
    chain = tree.chain()
    assert kinds(chain) == [FusedOperator, SinkOperator]
    assert emitted(chain.process(0, RowBatch([1, 2, 4]))) == [(0, [13, 15])]


def test_who_has_two_consumers_ends_the_loop() -> None:
    tree = Tree(plus(1), plus(10))
    tree.add(plus(100), parent=0)
    tree.out(1)
    tree.out(2)
    chain = tree.chain()
    assert kinds(chain) == [FusedOperator] * 3
    assert emitted(chain.process(0, RowBatch([0]))) == [(0, [11]), (1, [101])]


class Counting(MapFunction[int, int], CheckpointedFunction):
    """Keeps state."""

    def initialize_state(self, context: FunctionInitializationContext) -> None: ...

    def snapshot_state(self, context: FunctionSnapshotContext) -> None: ...

    def map(self, value: int) -> int:
        return value


def test_a_function_with_state_stands_alone() -> None:
    tree = Tree(plus(1), MapSpecification(Counting()), plus(1))
    tree.out(2)
    assert kinds(tree.chain()) == [FusedOperator] * 3


def test_side_outputs_go_their_own_way() -> None:
    def split(value: int, _: object) -> Iterator[Any]:
        yield (SIDE, value) if value < 0 else value

    tree = Tree(ProcessSpecification(split))
    tree.add(plus(1), parent=0, tag="side")
    tree.out(0)
    tree.out(1)
    chain = tree.chain()
    assert emitted(chain.process(0, RowBatch([1, -5, 2]))) == [(0, [1, 2]), (1, [-4])]
    assert emitted(chain.event(Watermark(7))) == [(0, Watermark(7)), (1, Watermark(7))]
    # A tag that nobody reads is dropped.
    assert emitted(Tree(ProcessSpecification(split)).chain().process(0, RowBatch([-1]))) == []


def test_all_consumers_but_the_last_get_copies() -> None:
    def spoil(record: dict[str, int]) -> dict[str, int]:
        record["spoilt"] = 1
        return record

    tree = Tree(MapSpecification(lambda record: record), CollectSpecification())
    tree.add(MapSpecification(spoil), parent=0)
    tree.add(CollectSpecification(), parent=2)
    tree.out(0)
    chain = tree.chain()
    record = {"a": 1}
    assert emitted(chain.process(0, RowBatch([record]))) == [(0, [{"a": 1}])]
    kept, spoilt = (operator.fetch() for operator in chain.operators if isinstance(operator, CollectOperator))
    assert kept == [{"a": 1}]
    assert spoilt == [{"a": 1, "spoilt": 1}]
    [(_, [same])] = emitted(tree.chain(settings=OperatorSettings(object_reuse=True)).process(0, RowBatch([record])))
    assert same is record, "nobody changes records, the program says"


def test_a_record_that_cannot_be_copied_names_who_gave_it() -> None:
    tree = Tree(MapSpecification(lambda _: threading.Lock()), CollectSpecification())
    tree.add(CollectSpecification(), parent=0)
    with pytest.raises(UserCodeError, match=r"<unlocked _thread.lock.*has more than one holder") as caught:
        list(tree.chain().process(0, RowBatch([1])))
    assert caught.value.operator == tree.draft.nodes[0].name
    assert not caught.value.restartable


def test_a_record_that_cannot_be_stored_names_its_operator() -> None:
    tree = Tree(CollectSpecification())
    chain = tree.chain()
    list(chain.process(0, RowBatch([threading.Lock()])))
    with pytest.raises(UserCodeError, match="can't be pickled") as caught:
        chain.snapshot(Barrier(CheckpointId(1)), ended=False)
    assert caught.value.operator == tree.draft.nodes[0].name
    assert not caught.value.restartable


@pytest.mark.parametrize(("kind", "restartable"), KINDS)
def test_a_record_whose_class_raises_names_operator_and_line(kind: type[Exception], restartable: bool) -> None:
    record = Failing(kind)
    copying = Tree(MapSpecification(lambda _: record), CollectSpecification())
    copying.add(CollectSpecification(), parent=0)
    storing = Tree(CollectSpecification())
    chain = storing.chain()
    list(chain.process(0, RowBatch([record])))
    for tree, do in (
        (copying, lambda: list(copying.chain().process(0, RowBatch([1])))),
        (storing, lambda: chain.snapshot(Barrier(CheckpointId(1)), ended=False)),
    ):
        with pytest.raises(UserCodeError) as caught:
            do()
        failure = caught.value.failure()
        assert (failure.kind, failure.restartable) == (FailureKind.USER, restartable)
        assert failure.operator == tree.draft.nodes[0].name
        assert repr(record) in failure.message
        assert failure.source_line.endswith(GUILTY_LINE)


def columns(**names: list[Any]) -> ColumnBatch:
    batch = pa.RecordBatch.from_pydict(dict(names))
    return ColumnBatch(batch, np.arange(batch.num_rows))


def test_columns_become_rows_for_who_takes_rows() -> None:
    tree = Tree(MapBatchesSpecification(lambda batch: batch), MapSpecification(lambda row: row.n + 1))
    tree.out(0)
    tree.out(0)
    tree.out(1)
    chain = tree.chain(rows_only=[1])
    batches = dict(chain.process(0, columns(n=[1, 2])))
    assert batches[2] == RowBatch([2, 3], [0, 1])
    assert isinstance(batches[0], ColumnBatch)
    assert batches[1] == RowBatch([Row(n=1), Row(n=2)], [0, 1])


def test_rows_become_columns_where_the_type_is_known() -> None:
    tree = Tree(MapBatchesSpecification(lambda batch: batch))
    tree.out(0)
    chain = tree.chain(type_=Types.ROW_NAMED(["n"], [Types.LONG()]))
    [(_, batch)] = chain.process(0, RowBatch([Row(n=5)]))
    assert isinstance(batch, ColumnBatch)
    assert batch.columns.to_pydict() == {"n": [5]}


class Point(NamedTuple):
    """A class says its type itself."""

    x: int


@pytest.mark.parametrize(("make", "good"), [(Point, True), (lambda value: value, False)])
def test_rows_become_columns_inside_a_chain(make: Callable[[int], object], good: bool) -> None:
    tree = Tree(MapSpecification(make), MapBatchesSpecification(lambda batch: batch))
    tree.out(1)
    chain = tree.chain()
    if good:
        [(_, batch)] = chain.process(0, RowBatch([3]))
        assert isinstance(batch, ColumnBatch)
        assert batch.columns.to_pydict() == {"x": [3]}
    else:
        with pytest.raises(UserCodeError, match="isn't declared"):
            list(chain.process(0, RowBatch([3])))


def itself(value: int) -> int:
    return value


def test_events_walk_behind_the_records() -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(itself)
    tree = Tree(plus(0), TimestampsSpecification(strategy), plus(0))
    tree.add(plus(0), parent=0)
    tree.out(2)
    tree.out(3)
    chain = tree.chain()
    assert emitted(chain.process(0, RowBatch([5]))) == [(0, [5]), (0, Watermark(4)), (1, [5])]
    # Watermarks of the input pass where nobody makes others.
    assert emitted(chain.event(Watermark(9))) == [(1, Watermark(9))]
    assert emitted(chain.event(StreamStatus(idle=True))) == [(1, StreamStatus(idle=True))]
    assert not chain.counts_idleness


@pytest.mark.parametrize("timeout", [None, timedelta(seconds=1)])
def test_a_chain_counts_idleness_where_a_strategy_does(timeout: timedelta | None) -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(itself)
    if timeout is not None:
        strategy = strategy.with_idleness(timeout)
    tree = Tree(plus(0), TimestampsSpecification(strategy))
    assert tree.chain().counts_idleness is (timeout is not None)


def test_it_can_stop_at_any_batch() -> None:
    seen: list[int] = []

    def note(value: int) -> int:
        seen.append(value)
        return value

    tree = Tree(ProcessSpecification(lambda value, _: range(value)), MapSpecification(note))
    tree.out(1)
    chain = tree.chain()
    pulled = chain.process(0, RowBatch([8_192, 8_192]))
    next(pulled)
    assert len(seen) == 8_192, "the second slice is not touched before it is pulled"
    assert len(list(pulled)) == 1


def test_snapshots_and_commits_of_all_operators() -> None:
    tree = Tree(plus(0), SinkSpecification(LedgerSink("x")))
    chain = tree.chain()
    list(chain.process(0, RowBatch([1])))
    [state] = chain.snapshot(Barrier(CheckpointId(1)), ended=False).contents()
    assert state.operator == "v/1"
    assert len(chain.commits(CheckpointId(1))) == 1
    assert chain.restored_commits() != []
    assert chain.find(state.operator) is not None
    assert chain.find(OperatorId("other")) is None


class UnknownSpecification(OperatorSpecification):
    """Of a later version."""


def test_an_operator_that_is_not_there_is_named() -> None:
    with pytest.raises(UnsupportedOperatorError, match=r"operator Unknown 0: .* an? Unknown operator"):
        Tree(UnknownSpecification()).chain()
