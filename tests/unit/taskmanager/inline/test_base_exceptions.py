"""Whatever a function raises is its failure, and names operator, record and line: Python lets it raise more than
`Exception`. Ctrl-C alone leaves as it is.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from millstream import (
    DataStream,
    KeyedProcessFunction,
    Partitioner,
    ProcessFunction,
    StreamExecutionEnvironment,
    TumblingEventTimeWindows,
    WatermarkStrategy,
)
from millstream.errors import JobFailedError
from millstream.inline import InlineJob
from millstream_runtime.states import JobState

RAISED = [GeneratorExit("x"), asyncio.CancelledError("x"), BaseException("x"), SystemExit("x")]
Pipeline = Callable[[DataStream[Any], BaseException], DataStream[Any]]


@pytest.fixture
def env() -> StreamExecutionEnvironment:
    return StreamExecutionEnvironment.get_execution_environment({"execution.target": "inline"})


class Raising:
    """A function that can't take 3."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, value: int, *_: object) -> int:
        if value == 3:
            raise self.error
        return value

    def items(self, value: int) -> Iterator[int]:
        yield self(value)


class Process(ProcessFunction[int, int]):
    def __init__(self, error: BaseException) -> None:
        self.take = Raising(error)

    def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[int]:
        yield self.take(value)


class KeyedProcess(KeyedProcessFunction[int, int, int]):
    def __init__(self, error: BaseException) -> None:
        self.take = Raising(error)

    def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> Iterator[int]:
        yield self.take(value)


class ByTimer(KeyedProcess):
    def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> Iterator[int]:
        ctx.timer_service().register_event_time_timer(value)
        return iter(())

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[int]:
        yield self.take(timestamp)


class Partition(Partitioner[int]):
    def __init__(self, error: BaseException) -> None:
        self.take = Raising(error)

    def partition(self, key: int, num_partitions: int) -> int:
        return self.take(key) % num_partitions


def timed(stream: DataStream[Any], assigner: Callable[[Any], int]) -> DataStream[Any]:
    strategy: WatermarkStrategy[Any] = WatermarkStrategy.for_monotonous_timestamps()
    return stream.assign_timestamps_and_watermarks(strategy.with_timestamp_assigner(assigner))


def by_partition(stream: DataStream[Any], error: BaseException) -> DataStream[Any]:
    return stream.partition_custom(Partition(error), lambda value: value).map(abs).set_parallelism(2)


def windowed(stream: DataStream[Any], error: BaseException) -> DataStream[Any]:
    keyed = timed(stream, lambda value: value).key_by(lambda _: "all")
    take = Raising(error)
    return keyed.window(TumblingEventTimeWindows.of(100)).reduce(lambda _, other: take(other))


PIPELINES: dict[str, tuple[Pipeline, str]] = {
    "map": (lambda stream, error: stream.map(Raising(error)), "3"),
    "filter": (lambda stream, error: stream.filter(Raising(error)), "3"),
    "flat map": (lambda stream, error: stream.flat_map(Raising(error).items), "3"),
    "process": (lambda stream, error: stream.process(Process(error)), "3"),
    "key": (lambda stream, error: stream.key_by(Raising(error)).reduce(lambda a, _: a), "3"),
    "keyed process": (lambda stream, error: stream.key_by(abs).process(KeyedProcess(error)), "3"),
    "timer": (lambda s, error: timed(s, abs).key_by(abs).process(ByTimer(error)), "<timer of key 3 at 3>"),
    "reduce": (lambda s, error: s.key_by(lambda _: 0).reduce(lambda _, v: Raising(error)(v)), "3"),
    "window": (windowed, "3"),
    "times": (lambda stream, error: timed(stream, Raising(error)), "3"),
    "partitioner": (by_partition, "3"),
}


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", PIPELINES)
def test_it_names_operator_record_and_line(env: StreamExecutionEnvironment, kind: str, error: BaseException) -> None:
    pipeline, record = PIPELINES[kind]
    pipeline(env.from_collection(range(6)), error).print()
    with pytest.raises(JobFailedError) as raised:
        env.execute()
    failure = raised.value.failure
    assert failure is not None
    assert failure.operator
    assert failure.record == record
    assert failure.source_line.endswith("raise self.error")
    assert type(error).__name__ in failure.message or "sys.exit" in failure.message


@pytest.mark.parametrize("kind", PIPELINES)
def test_an_interrupt_leaves_as_it_is(env: StreamExecutionEnvironment, kind: str) -> None:
    error = KeyboardInterrupt()
    PIPELINES[kind][0](env.from_collection(range(6)), error).print()
    with pytest.raises(KeyboardInterrupt) as raised:
        env.execute()
    assert not hasattr(raised.value, "__notes__")


def test_an_interrupt_cancels_the_job(env: StreamExecutionEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[JobState] = []
    end = InlineJob._end

    def watched(job: InlineJob, state: JobState) -> None:
        ended.append(state)
        end(job, state)

    monkeypatch.setattr(InlineJob, "_end", watched)
    env.from_collection(range(6)).map(Raising(KeyboardInterrupt())).print()
    with pytest.raises(KeyboardInterrupt):
        env.execute()
    assert ended == [JobState.CANCELED]
