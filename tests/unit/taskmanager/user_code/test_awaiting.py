"""`async def` where a function must answer at once: a plain function is put in its place."""

import functools
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from millstream_dataflow.functions import (
    AggregateFunction,
    AsyncFunction,
    Function,
    KeyedProcessFunction,
    MapFunction,
    RuntimeContext,
)
from millstream_dataflow.identity import OperatorId
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification, Gives
from millstream_dataflow.operators.chain import ChainNode, ChainSpecification
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    KeySelection,
    MapSpecification,
    OperatorSpecification,
    ProcessSpecification,
    WindowSpecification,
)
from millstream_dataflow.operators.two_inputs import CoCall, CoProcessSpecification
from millstream_dataflow.windows import TumblingEventTimeWindows
from millstream_taskmanager.user_code.awaiting import awaitable, without_waits
from millstream_taskmanager.worker.coroutines import Coroutines, CoroutinesOfTask

KEY = KeySelection(len)
NO_CONTEXT: Any = None


@pytest.fixture
def coroutines() -> Iterator[CoroutinesOfTask]:
    every = Coroutines()
    yield CoroutinesOfTask(every)
    every.close()


def plain(specification: OperatorSpecification, coroutines: CoroutinesOfTask) -> Any:  # noqa: ANN401  # of any class
    node = ChainNode(OperatorId("op"), "Operator", specification)
    [changed] = without_waits(ChainSpecification([node]), coroutines).nodes
    return changed.specification


async def total(one: int, other: int) -> int:
    return one + other


async def pairs(value: str, _context: object) -> AsyncIterator[tuple[str, int]]:
    for letter in value:
        yield letter, 1


class Counting(KeyedProcessFunction[Any, Any, Any]):
    """Each of its methods awaits; one of them another of its own."""

    def __init__(self) -> None:
        self.life: list[object] = []

    async def open(self, runtime_context: RuntimeContext) -> None:
        self.life.append("open")

    async def close(self) -> None:
        self.life.append("close")

    async def process_element(self, value: int, ctx: object) -> AsyncIterator[int]:
        yield value
        yield await self.helper(value)

    async def on_timer(self, timestamp: int, ctx: Any) -> list[int]:  # noqa: ANN401  # of any kind
        return [item async for item in self.process_element(timestamp, ctx)]

    async def helper(self, value: int) -> int:
        return -value


def test_methods_of_an_object(coroutines: CoroutinesOfTask) -> None:
    function = Counting()
    assert plain(KeyedProcessSpecification(function, KEY), coroutines).function is function
    plainly: Any = function
    plainly.open(NO_CONTEXT)
    assert plainly.process_element(1, NO_CONTEXT) == [1, -1]
    assert plainly.on_timer(2, NO_CONTEXT) == [2, -2], "within a coroutine its own methods can be awaited"
    plainly.close()
    assert function.life == ["open", "close"]


def test_plain_functions(coroutines: CoroutinesOfTask) -> None:
    reduced = plain(KeyedReduceSpecification(total, KEY), coroutines)
    assert reduced.function(1, 2) == 3
    assert reduced.key is KEY
    assert plain(ProcessSpecification(pairs), coroutines).function("ab", NO_CONTEXT) == [("a", 1), ("b", 1)]
    partial = functools.partial(total, other=5)
    assert plain(MapSpecification(partial), coroutines).function(1) == 6


class Mean(AggregateFunction[int, Any, float]):
    def create_accumulator(self) -> Any:  # noqa: ANN401  # a pair of numbers
        return 0, 0

    async def add(self, value: int, accumulator: Any) -> Any:  # noqa: ANN401  # as above
        return accumulator[0] + value, accumulator[1] + 1

    def get_result(self, accumulator: Any) -> float:  # noqa: ANN401  # as above
        return float(accumulator[0] / accumulator[1])

    def merge(self, acc_a: Any, acc_b: Any) -> Any:  # noqa: ANN401  # as above
        return acc_a


async def shown(key: object, _context: object, elements: Iterable[float]) -> list[Any]:
    return [(key, *elements)]


def test_each_function_of_a_window(coroutines: CoroutinesOfTask) -> None:
    assigner = TumblingEventTimeWindows.of(5)
    window = plain(WindowSpecification(KEY, assigner, aggregate=Mean(), process=shown), coroutines)
    assert window.aggregate.get_result(window.aggregate.add(4, (2, 1))) == 3.0
    assert window.process("k", NO_CONTEXT, [3.0]) == [("k", 3.0)]
    assert window.assigner is assigner


@dataclass(frozen=True)
class Frozen(MapFunction[int, int]):
    """Nothing can be set in it, in the usual way."""

    factor: int

    async def map(self, value: int) -> int:
        return value * self.factor


class Around(Function):
    """Calls another one, as stand-ins for keyed streams do."""

    def __init__(self) -> None:
        self.function: Any = Frozen(3)


def test_one_that_holds_itself_is_changed_once(coroutines: CoroutinesOfTask) -> None:
    around = Around()
    around.itself = around  # type: ignore[attr-defined]  # whatever a user's object holds
    plain(ProcessSpecification(around), coroutines)
    assert around.function.map(2) == 6


def test_pairs_of_functions(coroutines: CoroutinesOfTask) -> None:
    first, second = plain(CoProcessSpecification((pairs, len), CoCall.PROCESS), coroutines).function
    assert first("a", NO_CONTEXT) == [("a", 1)]
    assert second is len


def test_functions_within_functions(coroutines: CoroutinesOfTask) -> None:
    around = Around()
    plain(ProcessSpecification(around), coroutines)
    assert around.function.map(2) == 6


class Lookup(AsyncFunction[int, int]):
    async def async_invoke(self, value: int) -> list[int]:
        return [value]

    async def timeout(self, value: int) -> list[int]:
        return [-value]


def test_what_is_awaited_asynchronously_stays_so(coroutines: CoroutinesOfTask) -> None:
    lookup: Any = Lookup()
    kept = AsyncWaitSpecification(lookup)
    assert plain(kept, coroutines) is kept
    assert lookup.timeout(1) == [-1]
    assert coroutines.run(awaitable(lookup), 2) == [2]
    frozen = Frozen(2)
    plain(AsyncWaitSpecification(frozen, gives=Gives.RECORD), coroutines)
    assert coroutines.run(awaitable(frozen), 2) == 4
    assert plain(AsyncWaitSpecification(total), coroutines).function is total
    assert coroutines.run(awaitable(pairs), "a", None) == [("a", 1)]


def test_what_awaits_nothing_is_left_alone(coroutines: CoroutinesOfTask) -> None:
    function = Around()
    function.function = None
    before = ProcessSpecification(function)
    assert plain(before, coroutines) is before
    assert vars(function) == {"function": None}


def test_errors_go_through(coroutines: CoroutinesOfTask) -> None:
    async def fails(_value: object) -> None:
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError, match="refused"):
        plain(MapSpecification(fails), coroutines).function(1)
