"""Records under way: in their order and as they come, with watermarks, timeouts, retries, and a bound."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from millstream_dataflow.functions import (
    AsyncFunction,
    AsyncRetryStrategy,
    FilterFunction,
    FixedDelayRetryStrategy,
    MapFunction,
    RuntimeContext,
    empty_result_predicate,
)
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification, Gives
from millstream_dataflow.records import Barrier, RowBatch, StreamStatus, Watermark
from millstream_taskmanager.operators.async_wait import AsyncWaitOperator
from millstream_taskmanager.operators.base import SLICE, Output
from millstream_taskmanager.operators.state import RestoredState, StoredList
from millstream_taskmanager.operators.waiting import Rest
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.services import Service
from tests.support.tasks import OperatorBench

IDLE = StreamStatus(idle=True)


@pytest.fixture
def bench() -> Iterator[OperatorBench]:
    bench = OperatorBench()
    yield bench
    bench.all_coroutines.close()


class Stage:
    """An operator whose function asks a service, and what has left it."""

    def __init__(self, bench: OperatorBench, function: object, state: RestoredState | None = None, **how: Any) -> None:  # noqa: ANN401  # fields of a specification
        self.bench = bench
        self.operator = AsyncWaitOperator(AsyncWaitSpecification(function, **how))
        self.operator.open(bench.context(state))
        self.turn()

    def take(self, *values: object, times: Sequence[int] | None = None) -> list[Output]:
        batch = RowBatch(list(values), None if times is None else list(times))
        return [*self.operator.process(0, batch), *self.turn()]

    def turn(self) -> list[Output]:
        """Coroutines go on, and the operator is called if it has asked for it."""
        left: list[Output] = []
        for _ in range(3):
            self.bench.all_coroutines.turn(0)
            if self.bench.resumed:
                self.bench.resumed = 0
                left += self.operator.on_time(0)
        return left

    def pass_time(self, milliseconds: int) -> list[Output]:
        self.bench.time += milliseconds
        self.bench.delays.run()
        return self.turn()

    def held(self) -> list[Any]:
        """What a checkpoint has of it."""
        stored = self.operator.snapshot(Barrier(CheckpointId(1)), ended=False)
        return RestoredState(tuple(stored)).items("millstream.held")


def values_of(outputs: Sequence[Output]) -> list[Any]:
    return [value for output in outputs if isinstance(output, RowBatch) for value in output.values]


# ------------------------------------------------------------------------------------------------------- order


def test_in_order_with_their_times_and_watermarks_behind_them(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service)
    assert stage.take(1, 2, times=[10, 20]) == []
    assert list(stage.operator.advance(Watermark(20))) == []
    assert list(stage.operator.status(IDLE)) == []
    service.answer(2, ["b"])
    assert stage.turn() == []
    service.answer(1, ["a", "A"])
    assert stage.turn() == [RowBatch(["a", "A", "b"], [10, 10, 20]), Watermark(20), IDLE]
    assert list(stage.operator.advance(Watermark(30))) == [Watermark(30)]


def test_as_they_come_but_never_across_a_watermark(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, ordered=False)
    stage.take(1, 2, times=[10, 20])
    list(stage.operator.advance(Watermark(20)))
    stage.take(3, times=[30])
    service.answer(3, ["c"])
    service.answer(2, ["b"])
    assert stage.turn() == [RowBatch(["b"], [20])]
    service.answer(1, ["a"])
    assert stage.turn() == [RowBatch(["a"], [10]), Watermark(20), RowBatch(["c"], [30])]


def test_without_times(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service)
    stage.take(1)
    service.answer(1, None)
    assert stage.turn() == []
    stage.take(2)
    service.answer(2, (value for value in "ab"))
    assert stage.turn() == [RowBatch(["a", "b"])]
    assert (stage.operator.received, stage.operator.processed, stage.operator.held) == (2, 2, 0)


def test_much_leaves_in_slices(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service)
    stage.take(1, 2)
    service.answer(1, range(SLICE))
    service.answer(2, range(3))
    assert [len(output) for output in stage.turn() if isinstance(output, RowBatch)] == [SLICE, 3]


# ---------------------------------------------------------------------------------------------------- functions


class Upper(MapFunction[str, str]):
    def __init__(self) -> None:
        self.life: list[str] = []

    def open(self, runtime_context: RuntimeContext) -> None:
        self.life.append("open")

    async def map(self, value: str) -> str:
        await asyncio.sleep(0)
        return value.upper()

    def close(self) -> None:
        self.life.append("close")


class Long(FilterFunction[str]):
    async def filter(self, value: str) -> bool:
        return len(value) > 1


async def letters(value: str) -> AsyncIterator[str]:
    for letter in value:
        await asyncio.sleep(0)
        yield letter


@pytest.mark.parametrize(
    ("function", "gives", "expected"),
    [
        (Upper(), Gives.RECORD, ["A", "BC"]),
        (Long(), Gives.VERDICT, ["bc"]),
        (letters, Gives.RECORDS, ["a", "b", "c"]),
    ],
)
def test_what_functions_give(bench: OperatorBench, function: object, gives: Gives, expected: list[str]) -> None:
    stage = Stage(bench, function, gives=gives)
    assert values_of([*stage.take("a", "bc"), *stage.turn(), *stage.turn()]) == expected


def test_the_function_is_opened_and_closed(bench: OperatorBench) -> None:
    upper = Upper()
    stage = Stage(bench, upper, gives=Gives.RECORD)
    assert upper.life == ["open"]
    stage.operator.close()
    assert upper.life == ["open", "close"]


@pytest.mark.parametrize("result", ["ab", 5, {"a": 1}, b"x"])
def test_an_answer_that_is_no_list_is_refused(bench: OperatorBench, result: object) -> None:
    service = Service()
    stage = Stage(bench, service)
    stage.take("a")
    service.answer("a", result)
    with pytest.raises(UserCodeError, match=r"any number of records returned .*; yield the records") as raised:
        stage.turn()
    assert (raised.value.record, raised.value.restartable) == ("'a'", False)


def test_what_is_done_to_a_record_or_to_an_answer_shows_nowhere_else(bench: OperatorBench) -> None:
    """Law 4.5: what is stored is the record as it came, and what leaves is the answer as it was given."""
    kept: list[list[int]] = []
    gate = Service()

    async def spoil(record: list[int]) -> list[list[int]]:
        record.append(0)
        kept.append(record)
        await gate(1)
        return [record]

    stage = Stage(bench, spoil)
    stage.take([7])
    assert stage.held() == [([7], None)]
    gate.answer(1, None)
    bench.all_coroutines.turn(0)
    [output] = stage.operator.on_time(0)
    kept[0].append(99)
    assert isinstance(output, RowBatch)
    assert output.values == [[7, 0]]


# ----------------------------------------------------------------------------------------------------- capacity


def test_no_more_than_the_capacity_are_asked_for(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, capacity=2)
    assert stage.operator.accepts
    stage.take(1, 2, 3, 4)
    assert service.asked == [1, 2]
    assert not stage.operator.accepts
    service.answer(2, [2])
    stage.turn()
    assert service.asked == [1, 2], "in order, an answered record still has its place"
    service.answer(1, [1])
    assert values_of(stage.turn()) == [1, 2]
    assert service.asked == [1, 2, 3, 4]
    assert not stage.operator.accepts
    service.answer_all(lambda value: [value])
    assert values_of(stage.turn()) == [3, 4]
    assert stage.operator.accepts


def test_who_waits_is_asked_for_before_results_have_left(bench: OperatorBench) -> None:
    """An output without credit holds the results, but not those behind them."""
    service = Service()
    stage = Stage(bench, service, capacity=1)
    stage.take(1, 2)
    service.answer(1, range(2 * SLICE))
    bench.all_coroutines.turn(0)
    leaving = iter(stage.operator.on_time(0))
    next(leaving)
    bench.all_coroutines.turn(0)
    assert service.asked == [1, 2]


def test_a_flat_map_that_gives_too_much_waits(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, capacity=1)
    stage.take(*range(SLICE))
    more = iter(stage.operator.process(0, RowBatch(["more"] * 3)))
    rest = next(more)
    assert isinstance(rest, Rest)
    assert not rest.over()
    bench.all_coroutines.turn(0)
    service.answer(0, [])
    bench.all_coroutines.turn(0)
    assert rest.over()
    assert isinstance(next(more), Rest), "one has left, and there is room for two more"


def test_the_pace_follows_from_how_long_a_record_stays(bench: OperatorBench) -> None:
    """A capacity of 10 and a second each: 10 records a second, so half a record in 50 ms."""
    service = Service()
    stage = Stage(bench, service, capacity=10)
    assert stage.operator.room == 10
    stage.take(1)
    service.answer(1, [])
    stage.pass_time(1_000)
    assert stage.operator.room == pytest.approx(0.5)
    stage.take(2)
    service.answer(2, [])
    stage.turn()
    assert stage.operator.room == pytest.approx(0.5 / 0.8), "an answer at once says that they are quicker by now"


# --------------------------------------------------------------------------------------------- errors, timeouts


class Patient(AsyncFunction[Any, Any]):
    """Asks a service, and gives something else when it takes too long."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def async_invoke(self, value: Any) -> Any:  # noqa: ANN401  # any record
        return await self.service(value)

    def timeout(self, value: Any) -> Any:  # noqa: ANN401  # as above
        return [("late", value)]


def test_an_exception_names_operator_and_record(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service)
    stage.take("a", "b")
    service.answer("b", ConnectionError("refused"))
    with pytest.raises(UserCodeError) as raised:
        stage.turn()
    assert (raised.value.operator, raised.value.record) == ("Operator", "'b'")
    assert isinstance(raised.value.cause, ConnectionError)
    assert raised.value.restartable


def test_who_is_late_gets_what_the_function_gives_instead(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, Patient(service), timeout=100)
    stage.take(1)
    assert stage.pass_time(99) == []
    stage.take(2)
    assert values_of(stage.pass_time(1)) == [("late", 1)]
    assert service.cancelled == [1]
    service.answer(2, ["in time"])
    assert values_of(stage.turn()) == ["in time"]
    assert stage.pass_time(1_000) == []


def test_a_deadline_without_anything_instead_is_an_error_with_the_case(bench: OperatorBench) -> None:
    stage = Stage(bench, Service(), timeout=100)
    stage.take("a")
    with pytest.raises(UserCodeError, match="no answer within the timeout of 100 ms; give it more time") as raised:
        stage.pass_time(100)
    assert raised.value.record == "'a'"


def test_an_answer_that_came_in_time_stays_when_its_step_comes_late(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, timeout=100)
    stage.take(1)
    service.answer(1, ["in time"])
    bench.all_coroutines.turn(0)
    assert values_of(stage.pass_time(500)) == ["in time"]


def test_the_deadline_counts_from_when_a_record_is_asked_for(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, Patient(service), timeout=100, capacity=1)
    stage.take(1, 2)
    stage.pass_time(60)
    service.answer(1, [])
    stage.turn()
    assert stage.pass_time(60) == []
    assert values_of(stage.pass_time(40)) == [("late", 2)]


# ------------------------------------------------------------------------------------------------------ retries


def test_an_exception_is_tried_again_after_the_delay(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, retry=FixedDelayRetryStrategy(2, 100))
    stage.take(1)
    for attempt in (1, 2):
        service.answer(1, ConnectionError(f"attempt {attempt}"))
        assert stage.turn() == []
        stage.pass_time(99)
        assert service.asked == [1] * attempt
        stage.pass_time(1)
    assert service.asked == [1, 1, 1]
    service.answer(1, ["at last"])
    assert values_of(stage.turn()) == ["at last"]


def test_the_last_exception_fails(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, retry=FixedDelayRetryStrategy(1, 100))
    stage.take(1)
    service.answer(1, ConnectionError("first"))
    stage.turn()
    stage.pass_time(100)
    service.answer(1, ConnectionError("second"))
    with pytest.raises(UserCodeError) as raised:
        stage.turn()
    assert str(raised.value.cause) == "second"


def test_a_result_that_wont_do_is_tried_again_and_the_last_one_is_taken(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, retry=FixedDelayRetryStrategy(1, 100, empty_result_predicate, None))
    stage.take(1, 2)
    service.answer(1, [])
    service.answer(2, ["b"])
    stage.turn()
    stage.pass_time(100)
    service.answer(1, [])
    assert values_of(stage.turn()) == ["b"]
    assert service.asked == [1, 2, 1]
    stage.take(3)
    service.answer(3, OSError())
    with pytest.raises(UserCodeError):
        stage.turn()


def test_the_deadline_is_for_all_attempts(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, timeout=250, retry=FixedDelayRetryStrategy(10, 100))
    stage.take(1)
    for _ in range(2):
        service.answer(1, ConnectionError("down"))
        stage.turn()
        stage.pass_time(100)
    service.answer(1, ConnectionError("down"))
    stage.turn()
    with pytest.raises(UserCodeError, match="within the timeout of 250 ms in 3 attempts") as raised:
        stage.pass_time(50)
    assert isinstance(raised.value.cause.__cause__, ConnectionError)


class Broken(FixedDelayRetryStrategy[Any]):
    def can_retry(self, current_attempts: int) -> bool:
        raise ZeroDivisionError


def test_a_strategy_that_raises_is_the_users_error_too(bench: OperatorBench) -> None:
    service = Service()
    strategy: AsyncRetryStrategy[Any] = Broken(1, 1)
    stage = Stage(bench, service, retry=strategy)
    stage.take("a")
    service.answer("a", OSError())
    with pytest.raises(UserCodeError) as raised:
        stage.turn()
    assert isinstance(raised.value.cause, ZeroDivisionError)
    assert raised.value.record == "'a'"


# -------------------------------------------------------------------------------------------- checkpoints, ends


def restored(*held: object) -> RestoredState:
    """As this version writes it."""
    operator = AsyncWaitOperator(AsyncWaitSpecification(Service()))
    bench = OperatorBench()
    operator.open(bench.context())
    list(operator.process(0, RowBatch(list(held), [index * 10 for index in range(len(held))])))
    lists: tuple[StoredList, ...] = tuple(operator.snapshot(Barrier(CheckpointId(1)), ended=False))
    operator.close()
    bench.all_coroutines.close()
    return RestoredState(lists, restored=True)


def test_what_is_held_is_stored_whether_it_is_answered_or_not(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, capacity=2)
    stage.take("a", "b", "c", times=[1, 2, 3])
    service.answer("b", ["B"])
    stage.turn()
    assert stage.held() == [("a", 1), ("b", 2), ("c", 3)]
    service.answer("a", ["A"])
    stage.turn()
    assert stage.held() == [("c", 3)]


def test_a_restored_operator_asks_again_before_new_records(bench: OperatorBench) -> None:
    """Law 10.2: restored held + received = processed + held."""
    service = Service()
    stage = Stage(bench, service, restored("a", "b", "c"), capacity=2)
    assert service.asked == ["a", "b"]
    assert not stage.operator.accepts
    assert stage.operator.held == 0
    service.answer_all(lambda value: [value])
    assert stage.turn() == [RowBatch(["a", "b"], [0, 10])]
    assert stage.operator.held == -2
    list(stage.operator.advance(Watermark(50)))
    stage.take("d", times=[60])
    service.answer_all(lambda value: [value])
    assert stage.turn() == [RowBatch(["c"], [20]), Watermark(50), RowBatch(["d"], [60])]
    assert (stage.operator.received, stage.operator.processed, stage.operator.held) == (1, 4, -3)


def test_at_the_end_all_are_waited_for(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, capacity=1)
    stage.take(1, 2)
    list(stage.operator.advance(Watermark(2**63 - 1)))
    finishing = iter(stage.operator.finish())
    for value in (1, 2):
        rest = next(finishing)
        assert isinstance(rest, Rest)
        assert not rest.over()
        bench.all_coroutines.turn(0)
        service.answer(value, [value])
        bench.all_coroutines.turn(0)
        assert rest.over()
        assert next(finishing) == RowBatch([value])
    assert list(finishing) == [Watermark(2**63 - 1)]


def test_close_leaves_no_coroutine_behind(bench: OperatorBench) -> None:
    service = Service()
    stage = Stage(bench, service, timeout=100)
    stage.take(1, 2)
    stage.operator.close()
    assert service.cancelled == [1, 2]
    assert not bench.all_coroutines.alive
    assert stage.pass_time(100) == []


def test_close_before_open() -> None:
    AsyncWaitOperator(AsyncWaitSpecification(Service())).close()
