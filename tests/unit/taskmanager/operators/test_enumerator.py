"""Splits that were found and not yet given (law 8.1)."""

import pytest

from millstream_dataflow.connectors import Source, SourceContext, SplitReader
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import EnumeratorSpecification
from millstream_dataflow.records import Barrier
from millstream_taskmanager.operators.enumerator import EnumeratorOperator
from millstream_taskmanager.operators.state import RestoredState
from tests.support.tasks import ListSource, OperatorBench

BARRIER = Barrier(CheckpointId(1))
SPLITS = ((1,), (2,), (3,))


def opened(
    source: Source[tuple[int, ...]], bench: OperatorBench, state: RestoredState | None = None
) -> EnumeratorOperator:
    operator = EnumeratorOperator(EnumeratorSpecification(source))
    operator.open(bench.context(state))
    return operator


def test_found_once_and_given_in_order() -> None:
    enumerator = opened(ListSource(SPLITS, has_enumerator=True), OperatorBench(now=5))
    assert (enumerator.due, enumerator.exhausted) == (5, False)
    enumerator.discover()
    given = []
    while enumerator.has_splits:
        given.append(enumerator.next_split())
        enumerator.given()
    assert given == list(SPLITS)
    assert (enumerator.due, enumerator.exhausted) == (None, True)


def test_unsent_splits_are_state_and_nothing_is_found_twice() -> None:
    source = ListSource(SPLITS, has_enumerator=True)
    enumerator = opened(source, OperatorBench())
    enumerator.discover()
    enumerator.given()
    stored = tuple(enumerator.snapshot(BARRIER, ended=False))
    again = opened(source, OperatorBench(), RestoredState(stored, restored=True))
    assert again.due is None
    assert again.next_split() == (2,)


def test_a_source_that_goes_on_looking() -> None:
    bench = OperatorBench(now=100)
    enumerator = opened(ListSource(SPLITS, has_enumerator=True, discovery_interval=50), bench)
    enumerator.discover()
    assert (enumerator.due, enumerator.next_split(), enumerator.exhausted) == (150, (1,), False)
    stored = tuple(enumerator.snapshot(BARRIER, ended=False))
    bench.time = 400
    source = ListSource(SPLITS, has_enumerator=True, discovery_interval=50)
    again = opened(source, bench, RestoredState(stored, restored=True))
    assert again.due == 400
    again.discover()
    again.given()
    assert again.next_split() == (2,)


class Promising(Source[int]):
    """Says that it has an enumerator."""

    def create_reader(self, context: SourceContext, split: int, position: object) -> SplitReader:
        raise NotImplementedError


def test_a_source_without_the_enumerator_that_it_promised() -> None:
    with pytest.raises(TypeError, match="Promising"):
        opened(Promising(), OperatorBench())  # type: ignore[arg-type]  # of another kind
