"""`async def` in inline programs, where it goes and where it can't."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any

import pytest

import millstream.pyflink
from millstream import (
    AsyncDataStream,
    AsyncFunction,
    FixedDelayRetryStrategy,
    JobFailedError,
    KeyedProcessFunction,
    MapFunction,
    OutputTag,
    ProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
    TumblingEventTimeWindows,
    ValueStateDescriptor,
    WatermarkStrategy,
)
from millstream.execution.context import ProgramContext
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client
from millstream_dataflow.errors import InvalidTypesError

Environment = StreamExecutionEnvironment


@pytest.fixture
def env() -> Environment:
    return Environment(ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE)))


def records(stream: Any) -> list[Any]:  # noqa: ANN401  # of any records
    with stream.execute_and_collect() as collected:
        return list(collected)


class Server:
    """A service over TCP that answers a line by its capitals, the short ones first."""

    async def __aenter__(self) -> int:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return int(self.server.sockets[0].getsockname()[1])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        await asyncio.sleep(0.001 * len(line))
        writer.write(line.upper())
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()


class Shout(AsyncFunction[str, str]):
    """Has a server of its own, in the loop of its worker."""

    async def open(self, runtime_context: RuntimeContext) -> None:
        self.server = Server()
        self.port = await self.server.__aenter__()

    async def async_invoke(self, value: str) -> list[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{value}\n".encode())
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return [answer.decode().strip()]

    async def close(self) -> None:
        await self.server.__aexit__()


def test_a_service_is_asked_for_many_records_at_once(env: Environment) -> None:
    words = env.from_collection(["three", "a", "bc"])
    assert records(AsyncDataStream.ordered_wait(words, Shout(), timedelta(seconds=30))) == ["THREE", "A", "BC"]


def test_results_as_they_come(env: Environment) -> None:
    words = env.from_collection(["longer" * 30, "a"])
    short, long = records(AsyncDataStream.unordered_wait(words, Shout(), timedelta(seconds=30)))
    assert (short, long) == ("A", "LONGER" * 30)


def test_under_a_running_loop(env: Environment) -> None:
    """Law 12.2."""

    async def program() -> list[str]:
        beside = asyncio.create_task(asyncio.sleep(0, "beside"))
        found = records(AsyncDataStream.ordered_wait(env.from_collection(["a"]), Shout(), timedelta(seconds=30)))
        return [*found, await beside]

    assert asyncio.run(program()) == ["A", "beside"]


async def plus_one(value: int) -> int:
    await asyncio.sleep(0)
    return value + 1


async def digits(value: int) -> AsyncIterator[str]:
    for digit in str(value):
        await asyncio.sleep(0)
        yield digit


async def is_odd(value: int) -> bool:
    return value % 2 == 1


def test_functions_without_state(env: Environment) -> None:
    numbers = env.from_collection([8, 9, 10])
    assert records(numbers.map(plus_one).flat_map(digits)) == ["9", "1", "0", "1", "1"]
    assert records(numbers.filter(is_odd)) == [9]
    assert records(numbers.key_by(lambda n: n % 2).map(plus_one)) == [9, 10, 11]


ODD = OutputTag[int]("odd")


async def sorted_out(value: int, ctx: ProcessFunction.Context) -> AsyncIterator[Any]:
    await asyncio.sleep(0)
    yield (ODD, value) if value % 2 else value


async def total(one: int, other: int) -> int:
    await asyncio.sleep(0)
    return one + other


class Running(KeyedProcessFunction[int, int, Any]):
    """Counts, and tells the count by a timer."""

    async def open(self, runtime_context: RuntimeContext) -> None:
        self.count: Any = runtime_context.get_state(ValueStateDescriptor("count"))

    async def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> None:
        seen = self.count.value() or 0
        await asyncio.sleep(0)
        self.count.update(seen + 1)
        ctx.timer_service().register_event_time_timer(100)

    async def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> AsyncIterator[Any]:
        await asyncio.sleep(0)
        yield ctx.get_current_key(), self.count.value()


class Numbered(MapFunction[int, Any]):
    """With state of the key, in a map."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count: Any = runtime_context.get_state(ValueStateDescriptor("count"))

    async def map(self, value: int) -> Any:  # noqa: ANN401  # any record
        seen = (self.count.value() or 0) + 1
        await asyncio.sleep(0)
        self.count.update(seen)
        return value, seen


async def shown(key: int, context: object, elements: Iterable[int]) -> list[Any]:
    await asyncio.sleep(0)
    return [(key, sum(elements))]


async def summed(_context_or_window: object, elements: Iterable[int]) -> AsyncIterator[int]:
    await asyncio.sleep(0)
    yield sum(elements)


def own_time(value: int) -> int:
    return value


def test_functions_with_state_timers_and_windows(env: Environment) -> None:
    numbers: Any = env.from_collection([1, 2, 3, 4])
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(own_time)
    split = numbers.process(sorted_out)
    assert records(split.union(split.get_side_output(ODD).map(lambda n: -n))) in ([2, 4, -1, -3], [-1, 2, -3, 4])
    keyed = numbers.assign_timestamps_and_watermarks(strategy).key_by(lambda n: n % 2)
    assert records(keyed.reduce(total)) == [1, 2, 4, 6]
    assert sorted(records(keyed.process(Running()))) == [(0, 2), (1, 2)]
    assert records(keyed.map(Numbered())) == [(1, 1), (2, 1), (3, 2), (4, 2)]
    windows = keyed.window(TumblingEventTimeWindows.of(10))
    assert sorted(records(windows.reduce(total, shown))) == [(0, 6), (1, 4)]
    assert sorted(records(windows.apply(shown))) == [(0, 6), (1, 4)]
    everything = numbers.assign_timestamps_and_watermarks(strategy).window_all(TumblingEventTimeWindows.of(10))
    assert records(everything.process(summed)) == [10]
    assert records(everything.apply(summed)) == [10]


async def slow_if_early(value: int) -> list[int]:
    """The first of each ten comes last of them."""
    await asyncio.sleep(0.02 if value % 10 == 0 else 0)
    return [value]


@pytest.mark.parametrize("wait", [AsyncDataStream.ordered_wait, AsyncDataStream.unordered_wait])
def test_no_result_is_later_than_its_record(env: Environment, wait: Any) -> None:  # noqa: ANN401  # either of two
    """Watermarks wait for the records before them, so no window misses one."""
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(own_time)
    env.configure({"pipeline.batch.max-records": 5})
    stream = wait(env.from_sequence(0, 59).assign_timestamps_and_watermarks(strategy), slow_if_early, 30_000, 7)
    windows = stream.map(lambda n: (n, 1)).key_by(lambda _: 0).window(TumblingEventTimeWindows.of(10))
    assert records(windows.reduce(lambda a, b: (min(a[0], b[0]), a[1] + b[1]))) == [(n, 10) for n in range(0, 60, 10)]


def test_answers_that_came_while_another_function_was_awaited_are_told(env: Environment) -> None:
    """Whoever is awaited at once lets the others go on, and nothing stands still behind it."""
    numbers: Any = env.from_sequence(1, 40).map(plus_one)
    assert records(numbers.key_by(lambda _: 0).reduce(total))[-1] == sum(range(2, 42))


def test_a_program_that_was_written_for_pyflink(env: Environment) -> None:
    names: dict[str, Any] = {}
    millstream.pyflink.install()
    try:
        exec(_OF_PYFLINK, names)
    finally:
        millstream.pyflink.uninstall()
    assert records(names["program"](env)) == [2, 4]


_OF_PYFLINK = """
from pyflink.common import Time, Types
from pyflink.datastream import AsyncDataStream, AsyncFunction
from pyflink.datastream.async_retry_predicates import has_exception_predicate
from pyflink.datastream.async_retry_strategies import FixedDelayRetryStrategy

class Double(AsyncFunction):
    async def async_invoke(self, value):
        return [value * 2]

def program(env):
    numbers = env.from_collection([1, 2], type_info=Types.LONG())
    strategy = FixedDelayRetryStrategy(2, 100, None, has_exception_predicate)
    return AsyncDataStream.ordered_wait_with_retry(
        numbers, Double(), Time.seconds(5), strategy, 10, output_type=Types.LONG())
"""


async def both(one: int, other: int) -> tuple[int, int]:
    await asyncio.sleep(0)
    return one, other


async def each(one: int, other: int) -> AsyncIterator[int]:
    yield one
    await asyncio.sleep(0)
    yield other


@pytest.mark.parametrize(("function", "expected"), [(both, [(1, 1), (2, 2)]), (each, [1, 1, 2, 2])])
def test_functions_of_two_streams(env: Environment, function: Any, expected: list[Any]) -> None:  # noqa: ANN401  # either of two
    numbers: Any = env.from_collection([1, 2])
    connected = numbers.connect(numbers).map((plus_one, plus_one))
    assert sorted(records(connected)) == [2, 2, 3, 3]
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(own_time)
    timed = numbers.assign_timestamps_and_watermarks(strategy)
    joined = timed.join(timed).where(own_time).equal_to(own_time).window(TumblingEventTimeWindows.of(10))
    assert sorted(records(joined.apply(function)), key=str) == expected


class Flaky(AsyncFunction[int, int]):
    """Answers at the third attempt."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.attempts = 0

    async def async_invoke(self, value: int) -> list[int]:
        self.attempts += 1
        if self.attempts < 3:
            raise ConnectionError("down")
        return [self.attempts]


def test_retries(env: Environment) -> None:
    strategy = FixedDelayRetryStrategy[int](5, 1)
    stream = AsyncDataStream.ordered_wait_with_retry(env.from_collection([1]), Flaky(), 30_000, strategy)
    assert records(stream) == [3]


async def fails(value: int) -> int:
    await asyncio.sleep(0)
    return 10 // value


def test_an_exception_leaves_as_it_is_with_the_users_part_of_its_traceback(env: Environment) -> None:
    env.from_collection([1, 0]).map(fails).name("divide").print()
    with pytest.raises(ZeroDivisionError) as raised:
        env.execute()
    [note] = raised.value.__notes__
    assert note.startswith("raised in operator divide (")
    assert note.endswith("at record 0")
    frames = [frame.name for frame in raised.traceback]
    assert frames[-1] == "fails"
    assert "_carry" not in frames


async def never(_value: int) -> None:
    await asyncio.Event().wait()


def test_a_deadline(env: Environment) -> None:
    AsyncDataStream.ordered_wait(env.from_collection([7]), never, 20).print()
    with pytest.raises(TimeoutError, match="no answer within the timeout of 20 ms") as raised:
        env.execute()
    assert raised.value.__notes__[0].endswith("at record 7")


async def leaves(_value: int) -> int:
    raise SystemExit(3)


def test_one_that_would_end_the_program_fails_the_job(env: Environment) -> None:
    env.from_collection([7]).map(leaves).print()
    with pytest.raises(JobFailedError, match=r"sys\.exit"):
        env.execute()


async def interrupted(_value: int) -> int:
    raise KeyboardInterrupt


def test_ctrl_c_within_a_coroutine_cancels_the_job(env: Environment) -> None:
    env.from_collection([7]).map(interrupted).print()
    with pytest.raises(KeyboardInterrupt):
        env.execute()


def test_a_call_that_nobody_awaits_is_told(env: Environment) -> None:
    env.from_collection([7]).map(lambda value: plus_one(value)).print()  # noqa: PLW0108  # the mistake that is meant
    with pytest.raises(InvalidTypesError, match="async function plus_one that nobody has awaited"):
        env.execute()


def test_an_unbounded_stream_goes_on_beside_those_that_wait(env: Environment) -> None:
    """Steps that never end leave turns to coroutines."""
    stream = env.from_sequence(1, 10**12).map(plus_one)
    assert stream.execute_and_collect(limit=3) == [2, 3, 4]
