"""Calls on one stream, as values that print as what they are. Every record is a pair (key, number)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from millstream.datastream.data_stream import DataStream
from millstream.datastream.keyed_stream import KeyedStream
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import WatermarkGenerator, WatermarkStrategy

Pair = tuple[str, int]
KEYS = "abc"
SIDE = OutputTag[Pair]("side")


def key_of(pair: Pair) -> str:
    return pair[0]


def keyed(stream: DataStream[Pair]) -> KeyedStream[Pair, str]:
    return stream.key_by(key_of)


def added(one: Pair, other: Pair) -> Pair:
    return one[0], one[1] + other[1]


@dataclass(frozen=True)
class Stage(ABC):
    """One call on a stream."""

    of_keys: ClassVar[bool] = False
    has_side: ClassVar[bool] = False
    """Whether it gives something to SIDE."""

    @abstractmethod
    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]: ...


@dataclass(frozen=True)
class Add(Stage):
    number: int

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        number = self.number
        return stream.map(lambda pair: (pair[0], pair[1] + number))


@dataclass(frozen=True)
class Rekey(Stage):
    """The number says which key comes next."""

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        return stream.map(lambda pair: (KEYS[pair[1] % 3], pair[1]))


@dataclass(frozen=True)
class Keep(Stage):
    divisor: int

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        divisor = self.divisor
        return stream.filter(lambda pair: pair[1] % divisor != 0)


@dataclass(frozen=True)
class Repeat(Stage):
    """Even numbers twice, each third one not at all."""

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        return stream.flat_map(repeated)


def repeated(pair: Pair) -> list[Pair]:
    return [] if pair[1] % 3 == 2 else [pair] * (2 - pair[1] % 2)


@dataclass(frozen=True)
class Deal(Stage):
    how: str

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        if self.how == "partition_custom":
            return stream.partition_custom(lambda key, count: key % count, lambda pair: pair[1])
        dealt: DataStream[Pair] = getattr(stream, self.how)()
        return dealt


class Marked(WatermarkGenerator[Pair]):
    """Even numbers say how far time has come."""

    def __init__(self, delay: int) -> None:
        self.delay = delay

    def on_event(self, value: Pair, timestamp: int) -> int | None:
        return timestamp - self.delay if value[1] % 2 == 0 else None


@dataclass(frozen=True)
class Retime(Stage):
    """New times, with watermarks so far behind: by the highest time, or where records say so."""

    delay: int
    marked: bool

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        delay = self.delay
        if self.marked:
            strategy = WatermarkStrategy[Pair].for_generator(lambda: Marked(delay))
        else:
            strategy = WatermarkStrategy[Pair].for_bounded_out_of_orderness(delay).with_punctuated_watermarks()
        return stream.assign_timestamps_and_watermarks(strategy.with_timestamp_assigner(retimed))


def retimed(pair: Pair, time: int) -> int:
    return time + 7 * (pair[1] % 3)
