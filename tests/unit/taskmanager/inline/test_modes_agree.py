"""The same program gives the same in batch and in streaming mode."""

import ast
import contextlib
import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import MapStateDescriptor, RuntimeExecutionMode, StreamExecutionEnvironment, Types
from millstream.execution.context import ProgramContext
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client, execution
from tests.support.batch_programs import LAST_OF_KEY, PROGRAMS, Event


def results(
    name: str, events: list[Event], parallelism: int, mode: RuntimeExecutionMode, **settings_: str
) -> list[Counter[str]]:
    """What each of the program's streams gives, as it prints it: so each has a sink of its own."""
    configuration = Configuration().with_(client.TARGET, ExecutionTarget.INLINE)
    env = StreamExecutionEnvironment(ProgramContext(configuration.with_(execution.RUNTIME_MODE, mode)))
    env.configure(dict(settings_)).set_parallelism(parallelism)
    streams = PROGRAMS[name](env, events)
    for number, stream in enumerate(streams):
        stream.map(_marked(number)).print()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        env.execute(name)
    lines = [line[line.index("#") + 1 :].split(" ", 1) for line in printed.getvalue().splitlines()]
    found = [[record for number, record in lines if number == str(n)] for n in range(len(streams))]
    return [Counter(_last(records) if name in LAST_OF_KEY else records) for records in found]


def _marked(number: int) -> Callable[[object], str]:
    return lambda record: f"#{number} {record!r}"


def _last(records: list[str]) -> list[str]:
    """Of each key the greatest record."""
    pairs: list[tuple[str, int]] = sorted(map(ast.literal_eval, records))
    return list(map(str, dict(pairs).items()))


EVENTS: list[Event] = [(f"key {number % 7}", (number * 37) % 900, number) for number in range(200)]


@pytest.mark.parametrize("parallelism", [1, 2, 3])
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_programs_agree(name: str, parallelism: int) -> None:
    streaming = results(name, EVENTS, parallelism, RuntimeExecutionMode.STREAMING)
    assert all(streaming), "each gives something"
    assert results(name, EVENTS, parallelism, RuntimeExecutionMode.BATCH) == streaming
    assert results(name, EVENTS, parallelism, RuntimeExecutionMode.AUTOMATIC) == streaming


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_what_does_not_fit_into_memory_changes_nothing(name: str) -> None:
    events = [(f"key {number % 40}", (number * 37) % 900, number) for number in range(3_000)]
    spilled = {"execution.sorted-inputs.memory": "64 kb"}
    batch = results(name, events, 2, RuntimeExecutionMode.BATCH, **spilled)
    assert batch == results(name, events, 2, RuntimeExecutionMode.STREAMING)


event = st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 400), st.integers(0, 9))


@given(st.lists(event, max_size=25), st.sampled_from(sorted(PROGRAMS)), st.integers(1, 3))
@settings(deadline=None)
def test_any_events_agree(events: list[Event], name: str, parallelism: int) -> None:
    batch = results(name, events, parallelism, RuntimeExecutionMode.BATCH)
    assert batch == results(name, events, parallelism, RuntimeExecutionMode.STREAMING)


def test_a_reduction_gives_one_record_a_key() -> None:
    configuration = Configuration().with_(client.TARGET, ExecutionTarget.INLINE)
    env = StreamExecutionEnvironment(ProgramContext(configuration)).set_runtime_mode(RuntimeExecutionMode.BATCH)
    pairs = [("a", 1), ("b", 2), ("a", 3), ("b", 4)]
    summed = env.from_collection(pairs).key_by(lambda pair: pair[0]).reduce(lambda a, b: (a[0], a[1] + b[1]))
    with summed.execute_and_collect() as records:
        assert sorted(records) == [("a", 4), ("b", 6)]


@pytest.mark.parametrize("mode", ["ALL_EXCHANGES_BLOCKING", "ALL_EXCHANGES_PIPELINED"])
@pytest.mark.parametrize("keyed", [True, False])
def test_rules_are_there_before_what_they_are_for(mode: str, *, keyed: bool) -> None:
    """Though they come by longer ways."""
    configuration = Configuration().with_(client.TARGET, ExecutionTarget.INLINE)
    env = StreamExecutionEnvironment(ProgramContext(configuration)).set_runtime_mode(RuntimeExecutionMode.BATCH)
    env.configure({"execution.batch-shuffle-mode": mode}).set_parallelism(2)
    state = MapStateDescriptor("rules", Types.LONG(), Types.BOOLEAN())
    rules = env.from_sequence(1, 500).rebalance().map(abs).rebalance().broadcast(state)

    def ruled(value: int, ctx: Any) -> list[bool]:  # noqa: ANN401  # of the one function or the other
        return [ctx.get_broadcast_state(state).contains(value)]

    def noted(value: int, ctx: Any) -> list[bool]:  # noqa: ANN401  # as above
        ctx.get_broadcast_state(state).put(value, True)
        return []

    numbers = env.from_sequence(1, 500)
    connected: Any = (numbers.key_by(lambda value: value) if keyed else numbers).connect(rules)
    with connected.process((ruled, noted)).execute_and_collect() as known:
        assert list(known) == [True] * 500
