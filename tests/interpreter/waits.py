"""Asynchronous waits, of which some take longer than others, some fail at first, and some never end."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from millstream.datastream.async_data_stream import AsyncDataStream
from millstream.datastream.data_stream import DataStream
from millstream_dataflow.functions import NO_RETRY_STRATEGY, AsyncFunction, AsyncRetryStrategy
from millstream_dataflow.functions.async_retries import empty_result_predicate, has_exception_predicate
from tests.interpreter.stages import Pair, Stage

EVER, LONG = 1_000_000, 60  # milliseconds: longer than a job lives; longer than any answer takes that comes
OFTEN = 100  # more often than any fails
AGAIN: AsyncRetryStrategy[Pair] = AsyncRetryStrategy.fixed_delay(OFTEN, 1, None, has_exception_predicate)
MORE: AsyncRetryStrategy[Pair] = AsyncRetryStrategy.exponential_backoff(2, 1, 2, 2.0, empty_result_predicate, None)


@dataclass(frozen=True)
class Await(Stage):
    """`how`: all answer in some turns of the loop; some fail at first, or have nothing to say, and are asked for again;
    some never come, and are given up; `map` and `filter` take an `async def` as well.
    """

    ordered: bool
    capacity: int
    how: str = "answer"

    def on(self, stream: DataStream[Pair]) -> DataStream[Pair]:
        wait = AsyncDataStream.ordered_wait if self.ordered else AsyncDataStream.unordered_wait
        again = AsyncDataStream.ordered_wait_with_retry if self.ordered else AsyncDataStream.unordered_wait_with_retry
        match self.how:
            case "fail":
                return again(stream, Failing(), EVER, AGAIN, self.capacity)
            case "empty":
                return again(stream, asked, EVER, MORE, self.capacity)
            case "mute":
                return again(stream, Mute(), LONG, NO_RETRY_STRATEGY, self.capacity)
            case "map":
                return stream.map(raised)
            case "filter":
                return stream.filter(is_wanted)
            case _:
                return wait(stream, asked, 0, self.capacity)


HOWS = ["answer", "answer", "fail", "empty", "mute", "map", "filter"]


async def raised(pair: Pair) -> Pair:
    await asyncio.sleep(0)
    return pair[0], pair[1] + 1


async def is_wanted(pair: Pair) -> bool:
    await asyncio.sleep(0)
    return pair[1] % 3 != 0


async def asked(pair: Pair) -> list[Pair]:
    for _ in range(pair[1] % 4):
        await asyncio.sleep(0)
    return [] if pair[1] % 5 == 3 else [(pair[0], pair[1] + 1)]


class Failing(AsyncFunction[Pair, Pair]):
    """A pair fails so often as its number says, modulo 3, before it succeeds."""

    def __init__(self) -> None:
        self.failed = Counter[Pair]()

    async def async_invoke(self, value: Pair) -> list[Pair]:
        await asyncio.sleep(0)
        if self.failed[value] < value[1] % 3:
            self.failed[value] += 1
            raise OSError("busy")
        self.failed[value] = 0
        return [value, (value[0], value[1] + 2)]


class Mute(AsyncFunction[Pair, Pair]):
    """Says nothing for each fourth number."""

    async def async_invoke(self, value: Pair) -> list[Pair]:
        if value[1] % 4 == 3:
            await asyncio.Event().wait()
        return [(value[0], value[1] + 4)]

    def timeout(self, value: Pair) -> list[Pair]:
        return [(value[0], value[1] * 100)]
