"""Programs that go on changing what they have given, or change what they got: as in Flink without object reuse."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from millstream import OutputTag, ProcessFunction, StreamExecutionEnvironment
from millstream.execution.context import ProgramContext, program_context
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client

SIDE: OutputTag[dict[str, int]] = OutputTag("side")


@pytest.fixture
def env() -> Iterator[StreamExecutionEnvironment]:
    with program_context(ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE))):
        yield StreamExecutionEnvironment.get_execution_environment()


def record(number: int) -> dict[str, int]:
    return {"number": number, "times": 0}


def once_more(value: dict[str, int]) -> dict[str, int]:
    """Changes what it got."""
    value["times"] += 1
    return value


class Both(ProcessFunction[dict[str, int], Any]):
    """One record into two outputs."""

    def process_element(self, value: dict[str, int], ctx: ProcessFunction.Context) -> Iterator[Any]:
        yield value
        yield SIDE, value


def with_side_output(stream: Any) -> Any:  # noqa: ANN401  # streams of any kind
    split = stream.process(Both())
    return split.map(once_more).union(split.get_side_output(SIDE).map(once_more))


WAYS: list[Callable[[Any], Any]] = [
    lambda stream: stream.broadcast().map(once_more),
    lambda stream: stream.union(stream).map(once_more),
    lambda stream: stream.map(once_more).union(stream.map(once_more)),
    lambda stream: stream.rebalance().map(once_more).union(stream.map(once_more)),
    with_side_output,
]


@pytest.mark.parametrize("way", WAYS, ids=["broadcast", "itself", "chained", "exchanged", "side output"])
def test_what_one_consumer_does_shows_in_no_other(env: StreamExecutionEnvironment, way: Callable[[Any], Any]) -> None:
    env.set_parallelism(2)
    with way(env.from_sequence(1, 50).map(record)).execute_and_collect() as records:
        found = sorted(records, key=lambda one: one["number"])
    assert found == [{"number": number, "times": 1} for number in range(1, 51) for _ in range(2)]


def test_a_function_may_go_on_with_what_it_has_given(env: StreamExecutionEnvironment) -> None:
    counts: dict[str, int] = {}

    def count(word: str) -> dict[str, int]:
        counts[word] = counts.get(word, 0) + 1
        return counts

    def prefixes(word: str) -> Iterator[list[str]]:
        prefix: list[str] = []
        for letter in word:
            prefix.append(letter)
            yield prefix

    with env.from_collection(["a", "b", "a"]).map(count).execute_and_collect() as records:
        assert list(records) == [{"a": 1}, {"a": 1, "b": 1}, {"a": 2, "b": 1}]
    with env.from_collection(["abc"]).flat_map(prefixes).execute_and_collect() as given:
        assert list(given) == [["a"], ["a", "b"], ["a", "b", "c"]]
