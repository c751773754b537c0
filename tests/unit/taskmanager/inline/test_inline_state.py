"""State, metrics and what a function may know, through the public API."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from millstream import (
    FilterFunction,
    FlatMapFunction,
    KeyedProcessFunction,
    MapFunction,
    MapStateDescriptor,
    ProcessFunction,
    ProcessWindowFunction,
    ReduceFunction,
    RuntimeContext,
    StateTtlConfig,
    StreamExecutionEnvironment,
    TumblingEventTimeWindows,
    ValueStateDescriptor,
    WatermarkStrategy,
)
from millstream.execution.context import ProgramContext, program_context
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client

Environment = StreamExecutionEnvironment


@pytest.fixture
def env() -> Iterator[Environment]:
    context = ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE))
    with program_context(context):
        yield Environment.get_execution_environment()


class Deduplicate(FlatMapFunction[str, str]):
    """Each word once an hour."""

    def open(self, runtime_context: RuntimeContext) -> None:
        descriptor = ValueStateDescriptor("seen", bool)
        descriptor.enable_time_to_live(StateTtlConfig(timedelta(hours=1)))
        self.seen = runtime_context.get_state(descriptor)

    def flat_map(self, value: str) -> Iterable[str]:
        if not self.seen.value():
            self.seen.update(True)
            yield value


def test_deduplication_with_a_time_to_live(env: Environment) -> None:
    words = env.from_collection(["a", "b", "a", "c", "b"]).key_by(lambda word: word).flat_map(Deduplicate())
    with words.execute_and_collect() as records:
        assert sorted(records) == ["a", "b", "c"]


class Counting(KeyedProcessFunction[str, str, Any]):
    """How often each letter was there, in a map that is renewed by reading it."""

    def open(self, runtime_context: RuntimeContext) -> None:
        config = StateTtlConfig.new_builder(timedelta(hours=1)).update_ttl_on_read_and_write().build()
        self.counts = runtime_context.get_map_state(MapStateDescriptor("counts", str, int).enable_time_to_live(config))

    def process_element(self, value: str, ctx: KeyedProcessFunction.Context) -> Iterable[Any]:
        for letter in value:
            self.counts[letter] = (self.counts.get(letter) or 0) + 1
        yield ctx.get_current_key(), dict(self.counts.items())


def test_a_map_with_a_time_to_live(env: Environment) -> None:
    counted = env.from_collection(["aab", "b"]).key_by(lambda _: "all").process(Counting())
    with counted.execute_and_collect() as records:
        assert list(records) == [("all", {"a": 2, "b": 1}), ("all", {"a": 2, "b": 2})]


class Telling(MapFunction[int, tuple[Any, ...]]):
    """Where it is."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.counter = runtime_context.get_metrics_group().add_group("numbers").counter("seen")

    def map(self, value: int) -> tuple[Any, ...]:
        self.counter.inc()
        context = self.get_runtime_context()
        where = context.get_job_name(), context.get_operator_name(), context.get_task_name()
        return *where, context.get_job_parameter("city", "none"), context.get_job_parameter("other", "none"), value


@pytest.mark.parametrize("keyed", [False, True])
def test_what_a_function_knows(env: Environment, keyed: bool) -> None:
    env.get_config().set_global_job_parameters({"city": "Oslo, or: Bonn", "limit": 5})
    assert env.get_config().get_global_job_parameters() == {"city": "Oslo, or: Bonn", "limit": "5"}
    numbers = env.from_collection([1]).disable_chaining()
    stream = numbers.key_by(lambda number: number).map(Telling()) if keyed else numbers.map(Telling())
    with stream.name("Telling").execute_and_collect("knowing") as records:
        [(job, operator, task, city, other, value)] = records
    assert (job, operator, city, other, value) == ("knowing", "Telling", "Oslo, or: Bonn", "none", 1)
    assert task.startswith("Telling")


class Misplaced(MapFunction[int, int]):
    """Asks for its state where there is none yet."""

    def __init__(self) -> None:
        self.count = self.get_runtime_context().get_state(ValueStateDescriptor("count", int))

    def map(self, value: int) -> int:
        return value


def test_state_in_init_is_refused_with_what_to_do(env: Environment) -> None:
    with pytest.raises(
        Exception, match=r"Misplaced asked for its runtime context before it was opened; ask in open\(\)"
    ):
        env.from_collection([1]).map(Misplaced())


class Unkeyed(MapFunction[int, int]):
    """Asks for keyed state."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", int))

    def map(self, value: int) -> int:
        return value


def test_state_without_keys_is_refused_with_what_to_do(env: Environment) -> None:
    env.from_collection([1]).map(Unkeyed()).print()
    with pytest.raises(Exception, match="keyed state belongs to keys and this stream has none; call key_by first"):
        env.execute()


class Rich:
    """Tells by its results how it was opened: once, with the runtime context that it has ever after."""

    def open(self, runtime_context: RuntimeContext) -> None:
        assert not hasattr(self, "seen"), "once"
        self.seen = runtime_context.get_metrics_group().counter("seen")
        asked: Any = self
        assert asked.get_runtime_context() is runtime_context

    def told(self) -> tuple[str, int]:
        self.seen.inc()
        asked: Any = self
        return asked.get_runtime_context().get_operator_name(), self.seen.get_count()


class RichFlatMap(Rich, FlatMapFunction[Any, Any]):
    def flat_map(self, value: Any) -> Iterable[Any]:  # noqa: ANN401  # any record
        yield self.told()


class RichFilter(Rich, FilterFunction[Any]):
    def filter(self, value: Any) -> bool:  # noqa: ANN401  # any record
        return self.told()[1] == 1


class RichProcess(Rich, ProcessFunction[Any, Any]):
    def process_element(self, value: Any, ctx: ProcessFunction.Context) -> Iterable[Any]:  # noqa: ANN401  # any record
        yield self.told()


class RichReduce(Rich, ReduceFunction[Any]):
    def reduce(self, value1: Any, value2: Any) -> Any:  # noqa: ANN401  # any record
        return self.told()


class RichWindow(Rich, ProcessWindowFunction[Any, Any, Any, Any]):
    def process(self, key: Any, context: ProcessWindowFunction.Context[Any], elements: Iterable[Any]) -> Iterable[Any]:  # noqa: ANN401  # any records
        yield self.told()


class RichKeyed(Rich, KeyedProcessFunction[Any, Any, Any]):
    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterable[Any]:  # noqa: ANN401  # any record
        yield self.told()


WINDOW = TumblingEventTimeWindows.of(10)
RICH: dict[str, Any] = {
    "flat map": lambda stream: stream.flat_map(RichFlatMap()),
    "filter": lambda stream: stream.filter(RichFilter()),
    "process": lambda stream: stream.process(RichProcess()),
    "keyed flat map": lambda stream: stream.key_by(lambda _: 1).flat_map(RichFlatMap()),
    "keyed filter": lambda stream: stream.key_by(lambda _: 1).filter(RichFilter()),
    "keyed process": lambda stream: stream.key_by(lambda _: 1).process(RichKeyed()),
    "reduce": lambda stream: stream.key_by(lambda _: 1).reduce(RichReduce()),
    "reduce of windows": lambda stream: stream.key_by(lambda _: 1).window(WINDOW).reduce(RichReduce()),
    "process of windows": lambda stream: stream.key_by(lambda _: 1).window(WINDOW).process(RichWindow()),
}


def time_of(value: int, _: int) -> int:
    """Of a number, itself."""
    return value


@pytest.mark.parametrize("kind", RICH)
def test_every_rich_function_has_its_context_and_metrics(env: Environment, kind: str) -> None:
    strategy = WatermarkStrategy[Any].for_monotonous_timestamps().with_timestamp_assigner(time_of)
    numbers = env.from_collection([1, 2]).assign_timestamps_and_watermarks(strategy)
    with RICH[kind](numbers).name("Rich").execute_and_collect() as records:
        found = list(records)
    expected: list[Any] = [("Rich", 1), ("Rich", 2)]
    match kind:
        case "filter" | "keyed filter":
            expected = [1]
        case "reduce":
            expected = [1, ("Rich", 1)]
        case "reduce of windows" | "process of windows":
            expected = [("Rich", 1)]
        case _:
            pass
    assert found == expected
