"""Two streams, functions of every kind for them, and what they may become."""

from collections.abc import Iterable, Iterator
from typing import Any

from millstream.datastream.broadcast_stream import BroadcastConnectedStream
from millstream.datastream.connected_streams import ConnectedStreams
from millstream.datastream.data_stream import DataStream
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.datastream.keyed_stream import KeyedStream
from millstream_dataflow.functions import (
    BroadcastProcessFunction,
    CoFlatMapFunction,
    CoMapFunction,
    CoProcessFunction,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    ProcessJoinFunction,
)
from millstream_dataflow.state import MapStateDescriptor
from millstream_dataflow.types import Types
from tests.unit.client.programs import environment, numbers

RULES = MapStateDescriptor("rules", Types.STRING(), Types.INT())
OTHERS = MapStateDescriptor("others", Types.STRING(), Types.INT())


class Lengths(CoMapFunction[int, str, int]):
    def map1(self, value: int) -> int:
        return value

    def map2(self, value: str) -> int:
        return len(value)


class Letters(CoFlatMapFunction[int, str, str]):
    def flat_map1(self, value: int) -> Iterator[str]:
        yield str(value)

    def flat_map2(self, value: str) -> Iterator[str]:
        yield from value


class Co(CoProcessFunction[int, str, bytes]):
    def process_element1(self, value: int, ctx: CoProcessFunction.Context) -> Iterator[bytes]:
        yield b""

    def process_element2(self, value: str, ctx: CoProcessFunction.Context) -> Iterator[bytes]:
        yield b""


class KeyedCo(KeyedCoProcessFunction[int, int, str, bytes]):
    def process_element1(self, value: int, ctx: KeyedCoProcessFunction.Context) -> Iterator[bytes]:
        yield b""

    def process_element2(self, value: str, ctx: KeyedCoProcessFunction.Context) -> Iterator[bytes]:
        yield b""


class Match(BroadcastProcessFunction[int, str, float]):
    def process_element(self, value: int, ctx: BroadcastProcessFunction.ReadOnlyContext) -> Iterator[float]:
        yield 1.0

    def process_broadcast_element(self, value: str, ctx: BroadcastProcessFunction.Context) -> None:
        ctx.get_broadcast_state(RULES).put(value, 1)


class KeyedMatch(KeyedBroadcastProcessFunction[int, int, str, float]):
    def process_element(self, value: int, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> Iterator[float]:
        yield 1.0

    def process_broadcast_element(self, value: str, ctx: KeyedBroadcastProcessFunction.Context) -> None:
        ctx.get_broadcast_state(RULES).put(value, 1)


class Pair(ProcessJoinFunction[int, str, tuple[int, str]]):
    def process_element(self, left: int, right: str, ctx: ProcessJoinFunction.Context) -> Iterable[tuple[int, str]]:
        return [(left, right)]


def both(env: StreamExecutionEnvironment | None = None) -> tuple[DataStream[int], DataStream[str]]:
    env = env or environment()
    return numbers(env), env.from_collection(["a"], Types.STRING())


def untyped(stream: Any) -> Any:  # noqa: ANN401  # of any kind
    """So that what is refused when the program runs can be shown, which a checker refuses before."""
    return stream


def itself(value: int) -> int:
    return value


def length(value: str) -> int:
    return len(value)


def letters(value: str) -> list[str]:
    return list(value)


def connected() -> ConnectedStreams[int, str]:
    first, second = both()
    return first.connect(second)


def keyed() -> ConnectedStreams[int, str]:
    return connected().key_by(itself, length)


def broadcast(*, with_keys: bool = False) -> BroadcastConnectedStream[int, str]:
    first, second = both()
    return (first.key_by(itself) if with_keys else first).connect(second.broadcast(RULES))


def keyed_pair() -> tuple[KeyedStream[int, int], KeyedStream[str, int]]:
    first, second = both()
    return first.key_by(itself), second.key_by(length)
