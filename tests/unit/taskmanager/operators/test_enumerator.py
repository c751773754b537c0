"""Splits that were found and not yet given (law 8.1)."""

from dataclasses import replace

import pytest

from millstream_dataflow.connectors import Source, SourceContext, SplitEnumerator, SplitReader
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import EnumeratorSpecification
from millstream_dataflow.records import Barrier
from millstream_taskmanager.operators.enumerator import EnumeratorOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import ListSource, OperatorBench

BARRIER = Barrier(CheckpointId(1))
SPLITS = ((1,), (2,), (3,))


def opened(
    source: Source[tuple[int, ...]], bench: OperatorBench, state: RestoredState | None = None
) -> EnumeratorOperator:
    operator = EnumeratorOperator(EnumeratorSpecification(source))
    operator.open(bench.context(state))
    return operator


def discover(operator: EnumeratorOperator) -> None:
    look = operator.discover()
    look()
    operator.discovered()


def test_found_once_and_given_in_order() -> None:
    enumerator = opened(ListSource(SPLITS, has_enumerator=True), OperatorBench(now=5))
    assert (enumerator.due, enumerator.exhausted) == (5, False)
    discover(enumerator)
    given = []
    while enumerator.has_splits:
        given.append(enumerator.next_split())
        enumerator.given()
    assert given == list(SPLITS)
    assert (enumerator.due, enumerator.exhausted) == (None, True)


def test_unsent_splits_are_state_and_nothing_is_found_twice() -> None:
    source = ListSource(SPLITS, has_enumerator=True)
    enumerator = opened(source, OperatorBench())
    discover(enumerator)
    enumerator.given()
    stored = tuple(enumerator.snapshot(BARRIER, ended=False))
    again = opened(source, OperatorBench(), RestoredState(stored, restored=True))
    assert again.due is None
    assert again.next_split() == (2,)


def test_a_source_that_goes_on_looking() -> None:
    bench = OperatorBench(now=100)
    enumerator = opened(ListSource(SPLITS, has_enumerator=True, discovery_interval=50), bench)
    discover(enumerator)
    assert (enumerator.due, enumerator.next_split(), enumerator.exhausted) == (150, (1,), False)
    stored = tuple(enumerator.snapshot(BARRIER, ended=False))
    bench.time = 400
    source = ListSource(SPLITS, has_enumerator=True, discovery_interval=50)
    again = opened(source, bench, RestoredState(stored, restored=True))
    assert again.due == 400
    discover(again)
    again.given()
    assert again.next_split() == (2,)


class Nowhere(Source[tuple[int, ...]]):
    """Finds that its path isn't there."""

    has_enumerator = True

    def create_enumerator(self, context: SourceContext, state: object) -> SplitEnumerator[tuple[int, ...]]:
        return NothingThere()

    def create_reader(self, context: SourceContext, split: tuple[int, ...], position: object) -> SplitReader:
        raise AssertionError("nobody reads here")


class NothingThere(SplitEnumerator[tuple[int, ...]]):
    def discover(self) -> list[tuple[int, ...]]:
        raise FileNotFoundError("no such path")

    def snapshot(self) -> object:
        return None


@pytest.mark.parametrize(("attempt", "restored"), [(1, False), (2, False), (1, True)])
def test_a_missing_path_is_final_only_if_the_job_has_never_run(attempt: int, restored: bool) -> None:
    bench = OperatorBench()
    place = bench.place
    bench.place = replace(place, task=replace(place.task, attempt=replace(place.task.attempt, number=attempt)))
    enumerator = opened(Nowhere(), bench, RestoredState(restored=restored))
    with pytest.raises(UserCodeError, match="no such path") as caught:
        discover(enumerator)
    assert caught.value.restartable is (attempt > 1 or restored)


@pytest.mark.parametrize("ran", [False, True])
def test_a_checkpoint_during_a_look_is_one_from_before_it(*, ran: bool) -> None:
    """Else what the enumerator calls seen would be given to nobody."""
    source = ListSource(SPLITS, has_enumerator=True)
    enumerator = opened(source, OperatorBench())
    look = enumerator.discover()
    if ran:
        look()
    stored = tuple(enumerator.snapshot(BARRIER, ended=False))
    assert (enumerator.has_splits, enumerator.exhausted) == (False, False)
    again = opened(source, OperatorBench(), RestoredState(stored, restored=True))
    discover(again)
    assert again.next_split() == (1,)
    if not ran:
        look()
    enumerator.discovered()
    assert (enumerator.next_split(), enumerator.looks) == ((1,), False)


class Promising(Source[int]):
    """Says that it has an enumerator."""

    def create_reader(self, context: SourceContext, split: int, position: object) -> SplitReader:
        raise AssertionError("nobody reads here")


def test_a_source_without_the_enumerator_that_it_promised() -> None:
    with pytest.raises(TypeError, match="Promising"):
        opened(Promising(), OperatorBench())  # type: ignore[arg-type]  # of another kind
