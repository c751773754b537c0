"""What one function does to a record shows in no other: as if each had got it over a wire (`pipeline.object-reuse`)."""

import threading
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.connectors.collection import CollectionSource
from millstream_dataflow.identity import OperatorId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.chain import ChainNode
from millstream_dataflow.operators.specifications import (
    CollectSpecification,
    FilterSpecification,
    FlatMapSpecification,
    MapSpecification,
    OperatorSpecification,
    ProcessSpecification,
    ReaderSpecification,
)
from millstream_dataflow.records import RowBatch
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import WatermarkStrategy
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.operators.fusion import FusedOperator
from millstream_taskmanager.operators.reader import ReaderOperator
from millstream_taskmanager.operators.registry import STAGES, OperatorSettings
from millstream_taskmanager.user_code.errors import UserCodeError
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.tasks import Drawing, ListSource, OperatorBench, VirtualJob

SIDE: OutputTag[Any] = OutputTag("side")

# ----------------------------------------------------------------------------------------------- in one fused loop

Maker = Callable[[], OperatorSpecification]
"""Functions keep something, so each run has its own."""


def itself() -> OperatorSpecification:
    return MapSpecification(lambda value: value)


def growing() -> OperatorSpecification:
    """Gives one list that grows with each record."""
    kept: list[Any] = []

    def add(value: list[Any]) -> list[Any]:
        kept.append(len(value))
        return kept

    return MapSpecification(add)


def looking_back() -> OperatorSpecification:
    """Gives the record before as it was, and remembers this one, which it has been given."""
    kept: list[list[Any]] = [[]]

    def remember(value: list[Any]) -> list[Any]:
        kept.append(value)
        return kept.pop(0)

    return MapSpecification(remember)


def changing() -> OperatorSpecification:
    """Changes what it was given."""

    def change(value: list[Any]) -> list[Any]:
        value.append("changed")
        return value

    return MapSpecification(change)


def wrapping() -> OperatorSpecification:
    """What can be changed is inside of what can't."""
    kept: list[Any] = []

    def wrap(value: list[Any]) -> list[tuple[Any, ...]]:
        kept.append(value)
        return [("a", kept)]

    return MapSpecification(wrap)


def twice() -> OperatorSpecification:
    """Gives one record two times."""
    return FlatMapSpecification(lambda value: [value, value])


def prefixes() -> OperatorSpecification:
    """Goes on changing what it has yielded."""

    def grow(value: list[Any]) -> Iterator[list[Any]]:
        prefix: list[Any] = []
        for item in value:
            prefix.append(item)
            yield prefix

    return FlatMapSpecification(grow)


def even() -> OperatorSpecification:
    return FilterSpecification(lambda value: len(value) % 2 == 0)


MAKERS: tuple[Maker, ...] = (itself, growing, looking_back, changing, wrapping, twice, prefixes, even)


def fused(specifications: Iterable[OperatorSpecification], *, reuse: bool = False) -> FusedOperator:
    stages = [
        STAGES[type(specification)](ChainNode(OperatorId(str(n)), f"op {n}", specification), specification)
        for n, specification in enumerate(specifications)
    ]
    operator = FusedOperator(stages, reuse=reuse)
    operator.open(OperatorBench().context())
    return operator


def run(operator: FusedOperator, batch: RowBatch) -> list[Any]:
    return [one for output in operator.process(0, batch) if isinstance(output, RowBatch) for one in output.values]


def by_wire(specifications: Iterable[Any], value: Any) -> Iterator[Any]:  # noqa: ANN401  # any record
    """One record through all operators, a copy each."""
    [*first], value = list(specifications), deepcopy(value)
    if not first:
        yield value
        return
    specification, *others = first
    match specification:
        case MapSpecification():
            found: Iterable[Any] = [specification.function(value)]
        case FilterSpecification():
            found = [value] if specification.function(value) else []
        case _:
            found = specification.function(value)
    for one in found:
        yield from by_wire(others, one)


@given(
    st.lists(st.sampled_from(MAKERS), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6),
    st.booleans(),
)
def test_a_fused_loop_is_as_good_as_a_wire(makers: list[Maker], values: list[list[int]], timed: bool) -> None:
    wired = [maker() for maker in makers]
    expected = [one for value in values for one in by_wire(wired, value)]
    batch = RowBatch(deepcopy(values), list(range(len(values))) if timed else None)
    assert run(fused(maker() for maker in makers), batch) == expected


def test_a_record_given_is_the_functions_own_no_more() -> None:
    kept: dict[str, int] = {}

    def count(word: str) -> dict[str, int]:
        kept[word] = kept.get(word, 0) + 1
        return kept

    counts = run(fused([MapSpecification(count)]), RowBatch(["a", "b", "a"]))
    assert counts == [{"a": 1}, {"a": 1, "b": 1}, {"a": 2, "b": 1}]
    counts[0]["a"] = 9
    assert kept == {"a": 2, "b": 1}


@dataclass
class Account:
    """A record of a class."""

    total: int = 0
    names: tuple[str, ...] = ()


@pytest.mark.parametrize("record", [Account(1, ("a",)), {1, 2}, bytearray(b"a"), {"a": {"b": []}}, ("a", [1])])
def test_values_of_all_kinds(record: object) -> None:
    [one, other] = run(fused([twice()]), RowBatch([record]))
    assert one == other == record
    assert one is not other
    assert record is not one
    assert record is not other


def test_what_cannot_be_changed_and_what_is_only_looked_at_is_the_object_itself() -> None:
    fixed = ("a", (1, 2.5))
    [one] = run(fused([itself(), itself()]), RowBatch([fixed]))
    assert one is fixed
    open_: list[Any] = []
    [same] = run(fused([even(), even()]), RowBatch([open_]))
    assert same is open_


@pytest.mark.parametrize("makers", [[itself, itself], [twice], [growing]])
def test_with_object_reuse_nothing_is_copied(makers: list[Maker]) -> None:
    record: list[Any] = []
    given_ = run(fused((maker() for maker in makers), reuse=True), RowBatch([record, record]))
    assert all(one is given_[0] for one in given_)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("inside", [False, True], ids=["bare", "in a tuple"])
def test_a_record_that_cannot_be_copied_names_operator_and_record(place: int, inside: bool) -> None:
    def lock(value: object) -> object:
        return (value, threading.Lock()) if inside else threading.Lock()

    specifications: list[OperatorSpecification] = [MapSpecification(str), MapSpecification(str)]
    specifications[place] = MapSpecification(lock)
    with pytest.raises(UserCodeError, match=r"can't be copied.*pipeline\.object-reuse") as raised:
        run(fused(specifications), RowBatch([7]))
    assert (raised.value.operator, raised.value.record) == (f"op {place}", "'7'" if place else "7")
    assert not raised.value.restartable


# ------------------------------------------------------------------------------------- between operators and tasks


def spoil(record: dict[str, list[int]]) -> dict[str, list[int]]:
    """Changes what it was given, at once."""
    record["by"].append(1)
    return record


def both(record: object, _: object) -> Iterator[Any]:
    """One record into two outputs, and two times into one."""
    yield record
    yield SIDE, record
    yield SIDE, record


COUNT = 40
SPOILT = {"by": [1]}
SETTINGS = [
    TaskSettings(),
    TaskSettings(FlushRules(1, 1, 0), window=1, floating=0),  # each record waits for the one before it to be taken
    TaskSettings(FlushRules(8_192, 256 << 10, 100), window=1, floating=0),
]


def records() -> ListSource:
    return ListSource((tuple({"by": []} for _ in range(COUNT)),))


def one_vertex(job: Drawing) -> int:
    """Consumers in the chain, beside an outlet."""
    source = job.source("source", records())
    source.add(ProcessSpecification(both))
    for tag in ("", "side"):
        for _ in range(2):
            source.add(MapSpecification(spoil), parent=1, tag=tag)
            source.add(CollectSpecification())
    out = job.vertex("out", MapSpecification(spoil), CollectSpecification())
    job.edge(source, out, Partitioning.REBALANCE, node=1)
    return 7


def several_edges(job: Drawing) -> int:
    source = job.source("source", records())
    source.add(ProcessSpecification(both))
    for number in range(3):
        out = job.vertex(f"out {number}", MapSpecification(spoil), CollectSpecification())
        job.edge(source, out, Partitioning.REBALANCE, node=1)
        job.edge(source, out, Partitioning.REBALANCE, node=1, tag="side")
    return 9


def union_with_itself(job: Drawing) -> int:
    source = job.source("source", records())
    out = job.vertex("out", MapSpecification(spoil), CollectSpecification())
    for _ in range(2):
        job.edge(source, out, Partitioning.REBALANCE)
    return 2


def broadcast(job: Drawing) -> int:
    source = job.source("source", records())
    out = job.vertex("out", MapSpecification(spoil), CollectSpecification(), parallelism=3)
    job.edge(source, out, Partitioning.BROADCAST)
    return 3


def broadcast_of_what_is_kept(job: Drawing) -> int:
    """By a function that gives its own record again and again."""
    kept: dict[str, list[int]] = {"by": []}
    source = job.source("source", records())
    source.add(MapSpecification(lambda _: kept))
    out = job.vertex("out", MapSpecification(spoil), CollectSpecification(), parallelism=3)
    job.edge(source, out, Partitioning.BROADCAST)
    return 3


DRAWINGS = [one_vertex, several_edges, union_with_itself, broadcast, broadcast_of_what_is_kept]


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("settings", SETTINGS, ids=["at ease", "record by record", "without credit"])
def test_each_consumer_has_its_own(draw: Callable[[Drawing], int], settings: TaskSettings) -> None:
    job = Drawing()
    consumers = draw(job)
    running = VirtualJob(job, settings)
    running.finish()
    collected = [record for vertex in running.plan.vertices for record in running.collected(vertex)]
    assert collected == [SPOILT] * (consumers * COUNT)


def test_with_object_reuse_all_consumers_get_the_record_itself() -> None:
    job = Drawing()
    broadcast(job)
    running = VirtualJob(job, TaskSettings(operators=OperatorSettings(object_reuse=True)))
    running.finish()
    first, *others = running.collected_by_subtask("out")
    assert all(one is same for other in others for one, same in zip(first, other, strict=True))


# ------------------------------------------------------------------------------------------ a source that keeps them


def given_by(collection: Iterable[Any], *, reuse: bool = False) -> list[Any]:
    """What a reader of a collection gives."""
    specification = ReaderSpecification(CollectionSource.of(collection), WatermarkStrategy.no_watermarks())
    operator = ReaderOperator(specification, 0, reuse=reuse)
    operator.open(OperatorBench().context())
    assert list(operator.add(0)) == []
    return [value for batch in operator.read(10) if isinstance(batch, RowBatch) for value in batch.values]


def test_a_collection_may_hold_one_object_several_times() -> None:
    inner = [1]
    first, second, third = given_by([{"list": inner}, {"list": inner}, (inner,)])
    first["list"].append(2)
    assert (second, third, inner) == ({"list": [1]}, ([1],), [1])
    first, second = given_by([inner] * 2)
    first.append(2)
    assert (second, inner) == ([1], [1])


def test_of_a_collection_only_what_can_be_changed_is_copied() -> None:
    pair = ("a" * 50, (1.5, None))
    assert all(value is pair for value in given_by([pair] * 3))
    kept = [1]
    assert all(value is kept for value in given_by([kept] * 3, reuse=True))


def test_a_value_of_a_collection_that_cannot_be_copied_names_the_operator() -> None:
    with pytest.raises(UserCodeError, match="can't be copied") as raised:
        given_by([threading.Lock()])
    assert raised.value.operator == "Operator"
