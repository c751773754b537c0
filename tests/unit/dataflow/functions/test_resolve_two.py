"""What the user gave for two streams becomes what the runtime calls, or a sentence why not."""

import functools
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest

from millstream_dataflow import functions
from millstream_dataflow.functions import (
    BroadcastProcessFunction,
    CoFlatMapFunction,
    CoGroupFunction,
    CoMapFunction,
    CoProcessFunction,
    FlatJoinFunction,
    Function,
    JoinFunction,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeyedStateFunction,
    MapFunction,
    ProcessJoinFunction,
    TwoFunctions,
    is_generator,
)


class Halves(CoMapFunction[int, int, float]):
    def map1(self, value: int) -> float:
        return value / 2

    def map2(self, value: int) -> float:
        return value / 4


class Several(CoFlatMapFunction[int, int, int]):
    def flat_map1(self, value: int) -> Iterator[int]:
        yield value

    def flat_map2(self, value: int) -> list[int]:
        return [value, value]


class Co(CoProcessFunction[int, int, int]):
    def process_element1(self, value: int, ctx: CoProcessFunction.Context) -> Iterator[int]:
        yield value

    def process_element2(self, value: int, ctx: CoProcessFunction.Context) -> Iterator[int]:
        yield -value


class KeyedCo(KeyedCoProcessFunction[int, int, int, int]):
    def process_element1(self, value: int, ctx: KeyedCoProcessFunction.Context) -> Iterator[int]:
        yield value

    def process_element2(self, value: int, ctx: KeyedCoProcessFunction.Context) -> Iterator[int]:
        yield -value


class Broadcast(BroadcastProcessFunction[int, int, int]):
    def process_element(self, value: int, ctx: BroadcastProcessFunction.ReadOnlyContext) -> Iterator[int]:
        yield value

    def process_broadcast_element(self, value: int, ctx: BroadcastProcessFunction.Context) -> Iterator[int]:
        yield -value


class KeyedBroadcast(KeyedBroadcastProcessFunction[int, int, int, int]):
    def process_element(self, value: int, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> Iterator[int]:
        yield value

    def process_broadcast_element(self, value: int, ctx: KeyedBroadcastProcessFunction.Context) -> Iterator[int]:
        yield -value


class Twice:
    def __call__(self, value: int) -> int:
        return 2 * value

    def method(self, value: int) -> int:
        return 3 * value


def scaled(value: int, factor: int) -> int:
    return value * factor


def both(resolved: TwoFunctions, *arguments: object) -> list[Any]:
    results = [call(*arguments) for call in resolved.both]
    return [list(result) if isinstance(result, Iterator) else result for result in results]


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (Halves(), [4, 2]),
        ((lambda value: value, str), [8, "8"]),
        ([Twice(), Twice().method], [16, 24]),
        ((functools.partial(scaled, factor=5), abs), [40, 8]),
        ((lambda value, factor=2: value * factor, int), [16, 8]),
    ],
)
def test_functions_for_both_streams(pair: object, expected: list[Any]) -> None:
    assert both(functions.resolve_co_map(pair), 8) == expected


def test_several_records() -> None:
    assert both(functions.resolve_co_flat_map(Several()), 3) == [[3], [3, 3]]
    assert both(functions.resolve_co_flat_map((range, lambda _: None)), 3) == [range(3), None]


@pytest.mark.parametrize(
    ("resolve", "function", "timers"),
    [
        (functions.resolve_co_process, Co(), False),
        (functions.resolve_keyed_co_process, Co(), False),
        (functions.resolve_keyed_co_process, KeyedCo(), True),
        (functions.resolve_broadcast_process, Broadcast(), False),
        (functions.resolve_keyed_broadcast_process, KeyedBroadcast(), True),
        (functions.resolve_keyed_co_process, (lambda value, _: [value], lambda value, _: [-value]), False),
        (functions.resolve_keyed_broadcast_process, (lambda value, _: [value], lambda value, _: [-value]), False),
    ],
)
def test_process_functions(resolve: Callable[[object], TwoFunctions], function: object, *, timers: bool) -> None:
    resolved = resolve(function)
    assert both(resolved, 5, None) == [[5], [-5]]
    assert (resolved.on_timer is not None) is timers


class Sum(JoinFunction[int, int, int]):
    def join(self, first: int, second: int) -> int:
        return first + second


class Twin(FlatJoinFunction[int, int, int]):
    def join(self, first: int, second: int) -> Iterator[int]:
        yield first
        yield second


class Group(CoGroupFunction[int, int, int]):
    def co_group(self, first: Iterable[int], second: Iterable[int]) -> list[int]:
        return [*first, *second]


class Pair(ProcessJoinFunction[int, int, Any]):
    def process_element(self, left: int, right: int, ctx: ProcessJoinFunction.Context) -> Iterator[Any]:
        yield left, right


def yielding(first: int, second: int) -> Iterator[int]:
    yield first
    yield second


@pytest.mark.parametrize(
    ("function", "expected"),
    [(Sum(), [3]), (Twin(), [1, 2]), (lambda one, two: (one, two), [(1, 2)]), (max, [2]), (yielding, [1, 2])],
)
def test_joins(function: object, expected: list[Any]) -> None:
    assert list(functions.resolve_join(function)(1, 2) or ()) == expected


def test_what_gives_what_it_yields() -> None:
    assert is_generator(yielding)
    assert is_generator(functools.partial(functools.partial(yielding, 1), 2))
    assert is_generator(Twin().join)
    assert not is_generator(max)
    assert not is_generator(Twice())


@pytest.mark.parametrize("function", [Group(), lambda first, second: [*first, *second]])
def test_co_group(function: object) -> None:
    assert functions.resolve_co_group(function)([1], [2]) == [1, 2]


@pytest.mark.parametrize("function", [Pair(), lambda left, right, _: [(left, right)]])
def test_process_join(function: object) -> None:
    assert list(functions.resolve_process_join(function)(1, 2, None) or ()) == [(1, 2)]


class Keep(KeyedStateFunction[str, Any]):
    def process(self, key: str, state: Any) -> None:  # noqa: ANN401  # of any kind
        state.append(key)


@pytest.mark.parametrize("function", [Keep(), lambda key, state: state.append(key)])
def test_functions_of_keyed_state(function: object) -> None:
    state: list[str] = []
    functions.resolve_keyed_state_function(function)("a", state)
    assert state == ["a"]


class Mapped(MapFunction[int, int]):
    def map(self, value: int) -> int:
        return value


async def slow(value: int) -> AsyncIterator[int]:
    yield value


def deaf(cls: type[Function]) -> object:
    """One of the class that can't be opened."""
    return type(cls.__name__, (cls,), {"open": lambda _self: None, "__qualname__": cls.__name__})()


@pytest.mark.parametrize(
    ("resolve", "function", "sentence"),
    [
        ("co_map", Halves, "but got the class Halves; give an object of it: Halves()"),
        ("co_map", abs, "; give one for each stream: (first, second)"),
        ("co_map", (abs,), "or a pair of functions of (value), one for each stream, but got (<built-in"),
        ("co_map", (abs, Halves()), "but got the CoMapFunction Halves"),
        ("co_map", (abs, Mapped), "but got the class Mapped"),
        ("co_map", (abs, slow), "slow (test_resolve_two.py:"),
        ("co_map", (abs, slow), "yields; return the result"),
        ("co_map", Several(), "; flat_map on connected streams takes it"),
        ("co_process", KeyedCo(), "KeyedCo; its keys come from key_by, called on both streams, or behind connect"),
        ("keyed_co_process", Broadcast(), "; process with a broadcast stream takes it"),
        ("broadcast_process", KeyedBroadcast(), "; its keys come from key_by, called before connect"),
        ("keyed_broadcast_process", Broadcast(), "; derive it from KeyedBroadcastProcessFunction, or connect the"),
        ("co_process", (lambda value: value, abs), "called with (value, ctx), but"),
        ("join", Sum, "but got the class Sum; give an object of it: Sum()"),
        ("join", deaf(Sum), "open of the JoinFunction Sum, called with (runtime_context), but"),
        ("join", deaf(Twin), "open of the FlatJoinFunction Twin, called with (runtime_context), but"),
        ("co_group", deaf(Group), "open of the CoGroupFunction Group, called with (runtime_context), but"),
        ("co_map", deaf(Halves), "open of the CoMapFunction Halves, called with (runtime_context), but"),
        ("join", Group(), "a join takes a JoinFunction, a FlatJoinFunction or a function of (first, second), but got"),
        ("join", abs, "called with (first, second), but"),
        ("co_group", Sum(), "co_group takes a CoGroupFunction or a function of (first, second), but got the Join"),
        ("co_group", 5, "but got 5"),
        ("process_join", Pair, "but got the class Pair; give an object of it: Pair()"),
        ("process_join", Mapped(), "of (left, right, ctx), but got the MapFunction Mapped"),
    ],
)
def test_what_is_refused(resolve: str, function: object, sentence: str) -> None:
    with pytest.raises(TypeError, match=re.escape(sentence)):
        getattr(functions, f"resolve_{resolve}")(function)
