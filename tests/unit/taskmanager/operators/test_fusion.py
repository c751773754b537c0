"""A fused run gives what its operators give one after the other, and names operator and record when one raises."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import MapFunction, RuntimeContext
from millstream_dataflow.identity import OperatorId
from millstream_dataflow.operators.chain import ChainNode
from millstream_dataflow.operators.specifications import (
    FilterSpecification,
    FlatMapSpecification,
    MapSpecification,
    OperatorSpecification,
)
from millstream_dataflow.records import RowBatch
from millstream_runtime.user_frames import GENERATED
from millstream_taskmanager.operators.base import SLICE
from millstream_taskmanager.operators.fusion import FusedOperator
from millstream_taskmanager.operators.registry import STAGES
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

FUNCTIONS: dict[str, OperatorSpecification] = {
    "increment": MapSpecification(lambda value: value + 1),
    "double": MapSpecification(lambda value: value * 2),
    "even": FilterSpecification(lambda value: value % 2 == 0),
    "not 3": FilterSpecification(lambda value: (value % 3) or None),
    "twice": FlatMapSpecification(lambda value: [value, value]),
    "none or many": FlatMapSpecification(lambda value: None if value % 2 else range(value % 5)),
    "yielding": FlatMapSpecification(lambda value: (value + more for more in range(3) if value % 4)),
}


class BoomError(Exception):
    """Raised by the operators under test."""


def fused(specifications: Iterable[OperatorSpecification]) -> FusedOperator:
    stages = [
        STAGES[type(specification)](ChainNode(OperatorId(str(n)), f"op {n}", specification), specification)
        for n, specification in enumerate(specifications)
    ]
    operator = FusedOperator(stages)
    operator.open(OperatorBench().context())
    return operator


def run(operator: FusedOperator, batch: RowBatch) -> list[tuple[Any, int | None]]:
    rows: list[tuple[Any, int | None]] = []
    for output in operator.process(0, batch):
        assert isinstance(output, RowBatch)
        assert len(output) > 0
        times = [None] * len(output) if output.timestamps is None else output.timestamps
        rows += zip(output.values, times, strict=True)
    return rows


def naively(specifications: Iterable[OperatorSpecification], values: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """(index of the record that it came of, value)."""
    rows: Iterable[tuple[int, Any]] = enumerate(values)
    for specification in specifications:
        function = cast("Any", specification).function
        match specification:
            case MapSpecification():
                rows = [(index, function(value)) for index, value in rows]
            case FilterSpecification():
                rows = [(index, value) for index, value in rows if function(value)]
            case _:
                rows = [(index, item) for index, value in rows for item in function(value) or ()]
    yield from rows


CHAINS = st.lists(st.sampled_from(sorted(FUNCTIONS)), min_size=1, max_size=6)
VALUES = st.lists(st.integers(0, 50), max_size=30)


@given(CHAINS, VALUES, st.booleans())
def test_equals_one_after_the_other(names: list[str], values: list[int], timed: bool) -> None:
    specifications = [FUNCTIONS[name] for name in names]
    times = [1000 + index for index in range(len(values))] if timed else None
    expected = [(value, 1000 + index if timed else None) for index, value in naively(specifications, values)]
    assert run(fused(specifications), RowBatch(list(values), times)) == expected


def boom_at(specification: OperatorSpecification, record: int, seen: list[int]) -> OperatorSpecification:
    """The operator, but that it raises at its n-th record, which it keeps in `seen`."""
    function = cast("Callable[[Any], Any]", cast("Any", specification).function)
    count = 0

    def booming(value: int) -> object:
        nonlocal count
        count += 1
        if count == record:
            seen.append(value)
            raise BoomError(value)
        return function(value)

    def booming_late(value: int) -> Iterator[int]:
        nonlocal count
        yield from function(value) or ()
        count += 1
        if count == record:
            seen.append(value)
            raise BoomError(value)

    late = isinstance(specification, FlatMapSpecification) and record % 2
    return type(specification)(booming_late if late else booming)  # type: ignore[call-arg]  # all take a function


@given(CHAINS, VALUES, st.booleans(), st.integers(0, 5), st.integers(1, 40))
def test_an_error_names_operator_and_record(
    names: list[str], values: list[int], timed: bool, place: int, record: int
) -> None:
    seen: list[int] = []
    specifications = [FUNCTIONS[name] for name in names]
    place %= len(specifications)
    specifications[place] = boom_at(specifications[place], record, seen)
    batch = RowBatch(list(values), list(range(len(values))) if timed else None)
    raised: UserCodeError | None = None
    try:
        run(fused(specifications), batch)
    except UserCodeError as error:
        raised = error
    if not seen:
        assert raised is None
        return
    assert raised is not None
    assert isinstance(raised.cause, BoomError)
    assert (raised.operator, raised.record) == (f"op {place}", repr(seen[0]))
    assert "raise BoomError(value)" in raised.failure().source_line


def test_of_a_function_that_is_not_written_in_python_the_line_that_calls_it_is_shown() -> None:
    with pytest.raises(UserCodeError) as caught:
        run(fused([MapSpecification(int)]), RowBatch(["three"], None))
    failure = caught.value.failure()
    assert (failure.record, failure.source_line) == ("'three'", "")
    [_, place, line, *_] = failure.traceback.splitlines()
    assert place.startswith(f'  File "{GENERATED}')
    assert line.strip() == "v1 = f0(v0)"


def test_slices_of_a_flat_map() -> None:
    operator = fused([FlatMapSpecification(range), FUNCTIONS["increment"]])
    batches = [
        output for output in operator.process(0, RowBatch([SLICE + 5, 3], [7, 8])) if isinstance(output, RowBatch)
    ]
    assert [len(batch) for batch in batches] == [SLICE, 8]
    assert batches[1].timestamps == [7] * 5 + [8] * 3


def test_times_pass_by_reference_where_no_row_can_vanish() -> None:
    times = [1, 2, 3]
    [output] = fused([FUNCTIONS["double"]]).process(0, RowBatch([1, 2, 3], times))
    assert isinstance(output, RowBatch)
    assert output.timestamps is times


def test_a_stop_iteration_is_no_end() -> None:
    """PEP 479 would make a RuntimeError of it."""

    def stop(value: int) -> int:
        return next(iter([value][1:]))

    with pytest.raises(UserCodeError) as raised:
        run(fused([FUNCTIONS["double"], MapSpecification(stop)]), RowBatch([4]))
    assert isinstance(raised.value.cause, StopIteration)
    assert (raised.value.operator, raised.value.record) == ("op 1", "8")


def test_a_truth_that_raises() -> None:
    class Unsure:
        def __bool__(self) -> bool:
            raise BoomError

    with pytest.raises(UserCodeError) as raised:
        run(fused([FilterSpecification(lambda _: Unsure())]), RowBatch(["x"]))
    assert raised.value.record == "'x'"


def test_a_flat_map_that_gives_no_iterable() -> None:
    with pytest.raises(UserCodeError, match="returned int 5; yield the records, or return a list") as raised:
        run(fused([FlatMapSpecification(lambda value: value)]), RowBatch([5]))
    assert raised.value.record == "5"


class Adder(MapFunction[int, int]):
    """Has a life."""

    log: list[str] = []  # noqa: RUF012  # shared on purpose

    def open(self, runtime_context: RuntimeContext) -> None:
        self.log.append(runtime_context.get_task_name_with_subtasks())
        self.more = int(runtime_context.get_job_parameter("answer", "0"))

    def map(self, value: int) -> int:
        return value + self.more

    def close(self) -> None:
        self.log.append("closed")


def test_functions_are_opened_and_closed() -> None:
    Adder.log.clear()
    operator = fused([MapSpecification(Adder()), FUNCTIONS["double"]])
    assert run(operator, RowBatch([0, 1])) == [(84, None), (86, None)]
    operator.close()
    operator.close()
    assert Adder.log == ["Vertex (1/1)", "closed"]
