import asyncio
from typing import List

from pyflink.common import Time, Types
from pyflink.datastream import AsyncDataStream, AsyncFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.async_retry_predicates import empty_result_predicate, has_exception_predicate
from pyflink.datastream.async_retry_strategies import FixedDelayRetryStrategy
from pyflink.datastream.functions import AsyncRetryStrategy


class Lookup(AsyncFunction[int, str]):
    def open(self, runtime_context: RuntimeContext):
        self.names = {1: "one", 2: "two", 3: "three"}

    async def async_invoke(self, value: int) -> List[str]:
        await asyncio.sleep(0.001 * (4 - value))
        return ["{} is {}".format(value, self.names[value])]

    def timeout(self, value: int) -> List[str]:
        return ["{} took too long".format(value)]


class Slow(AsyncFunction[int, str]):
    async def async_invoke(self, value: int) -> List[str]:
        if value == 2:
            await asyncio.Event().wait()  # an answer that never comes
        return [str(value)]

    def timeout(self, value: int) -> List[str]:
        return ["{} took too long".format(value)]


class Flaky(AsyncFunction[int, int]):
    def __init__(self):
        self.tries = {}

    async def async_invoke(self, value: int) -> List[int]:
        self.tries[value] = self.tries.get(value, 0) + 1
        if self.tries[value] < 2:
            raise OSError("not yet")
        return [value * 10]


if __name__ == "__main__":
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    ds = env.from_collection([1, 2, 3], type_info=Types.INT())

    ordered = AsyncDataStream.ordered_wait(
        data_stream=ds, async_function=Lookup(), timeout=Time.seconds(5), capacity=2, output_type=Types.STRING()
    )
    print(list(ordered.execute_and_collect()))

    unordered = AsyncDataStream.unordered_wait(ds, Slow(), Time.milliseconds(100), 10, Types.STRING())
    print(sorted(unordered.execute_and_collect()))

    retried = AsyncDataStream.unordered_wait_with_retry(
        ds,
        Flaky(),
        Time.seconds(10),
        async_retry_strategy=AsyncRetryStrategy.fixed_delay(
            max_attempts=3,
            backoff_time_millis=1,
            result_predicate=empty_result_predicate,
            exception_predicate=has_exception_predicate,
        ),
        capacity=100,
        output_type=Types.INT(),
    )
    print(sorted(retried.execute_and_collect()))

    strategy = FixedDelayRetryStrategy(
        max_attempts=5, backoff_time_millis=1, result_predicate=None, exception_predicate=has_exception_predicate
    )
    print(strategy.can_retry(1), strategy.get_backoff_time_millis(1))
