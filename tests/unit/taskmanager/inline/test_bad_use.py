"""Mistakes that only the running job can find, each with a sentence that says what came and what to do."""

import re
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from millstream.datastream.async_data_stream import AsyncDataStream
from millstream.datastream.data_stream import DataStream
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.errors import ArgumentError
from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError, NotSerializableError
from millstream_dataflow.functions import (
    AggregateFunction,
    AsyncFunction,
    FlatJoinFunction,
    FlatMapFunction,
    KeyedProcessFunction,
    RuntimeContext,
)
from millstream_dataflow.state import (
    CheckpointedFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
    ValueStateDescriptor,
)
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import Time
from millstream_dataflow.types import Row, Types
from millstream_dataflow.windows import CountTrigger, GlobalWindows, TumblingProcessingTimeWindows
from tests.unit.client.programs import environment

Program = Callable[[DataStream[Any]], DataStream[Any]]


def numbers(*values: int) -> DataStream[int]:
    env: StreamExecutionEnvironment = environment(execution_target="inline")
    return env.from_collection(list(values))


def yields(*values: int) -> Iterator[int]:
    yield from values


class Named(NamedTuple):
    value: int


NOT_TAKEN_APART: list[tuple[str, Program, str]] = [
    (
        "flat_map",
        lambda stream: stream.flat_map(lambda value: value + 1),
        "returned int 2; yield the records, or return",
    ),
    ("process", lambda stream: stream.process(lambda value, _: value * 1.5), "returned float 1.5; yield the records"),
    (
        "keyed process",
        lambda stream: stream.key_by(lambda value: value).process(lambda value, _: value > 0),
        "returned bool True; yield the records",
    ),
    ("a text", lambda stream: stream.flat_map(str), "returned str '1'; yield the records"),
    ("a named tuple", lambda stream: stream.process(lambda value, _: Named(value)), r"returned Named Named\(value=1\)"),
    ("a row", lambda stream: stream.key_by(lambda _: 0).flat_map(Row), r"returned Row Row\(1\)"),
]


@pytest.mark.parametrize(
    ("program", "words"), [case[1:] for case in NOT_TAKEN_APART], ids=[case[0] for case in NOT_TAKEN_APART]
)
def test_what_can_not_be_taken_apart_into_records(program: Program, words: str) -> None:
    with pytest.raises(InvalidTypesError, match=f"a function that gives any number of records {words}") as raised:
        list(program(numbers(1)).execute_and_collect())
    assert any("at record 1" in note for note in raised.value.__notes__)


MISSING_FIELDS: list[tuple[str, Program]] = [
    ("key_by position", lambda stream: stream.key_by(7).reduce(lambda one, _: one)),
    ("key_by name", lambda stream: stream.key_by("x").process(lambda one, _: [one])),
    ("sum", lambda stream: stream.key_by(lambda _: 0).sum("x")),
    ("min_by of windows", lambda stream: stream.key_by(lambda _: 0).count_window(2).min_by("x")),
]


@pytest.mark.parametrize("program", [case[1] for case in MISSING_FIELDS], ids=[case[0] for case in MISSING_FIELDS])
def test_a_field_that_records_do_not_have_is_told_without_our_frames(program: Program) -> None:
    with pytest.raises(InvalidProgramError, match=r"(int records have|in int records)") as raised:
        list(program(numbers(1, 2)).execute_and_collect())
    shown = "".join(traceback.format_exception(raised.value))
    assert re.search(r"operator .*test_bad_use.py:\d+\), at record [12]", shown)
    assert "millstream_taskmanager" not in shown
    assert "millstream_dataflow/" not in shown


SENT: list[tuple[str, Program, str]] = [
    ("key_by", lambda stream: stream.key_by(7).process(lambda one, _: [one]), "int records have no column 7"),
    ("key_by", lambda stream: stream.key_by(lambda _: object()).process(lambda one, _: [one]), "object can.t be a key"),
    ("key_by", lambda stream: stream.key_by(lambda one: one // 0).process(lambda one, _: [one]), "by zero"),
    (
        "partition_custom",
        lambda stream: stream.partition_custom(lambda _, __: 9, lambda one: one).map(str),
        "it must give 0 to 1",
    ),
]


@pytest.mark.parametrize(("call", "program", "words"), SENT)
def test_who_chooses_where_records_go_is_named_and_not_who_sends_them(call: str, program: Program, words: str) -> None:
    stream = numbers(1, 2)
    stream.get_execution_environment().set_parallelism(2)
    with pytest.raises(Exception, match=words) as raised:
        list(program(stream).execute_and_collect())
    shown = "".join(traceback.format_exception(raised.value))
    assert re.search(rf"operator {call} \(.*test_bad_use.py:\d+\), at record [12]", shown)


def test_an_error_of_the_users_own_loop_stays_as_it_is() -> None:
    def own(value: int) -> Iterator[int]:
        emitted: Any = value
        yield from emitted

    with pytest.raises(TypeError, match=r"^'int' object is not iterable\n"):
        list(numbers(1).flat_map(own).execute_and_collect())


def test_a_reduce_that_returns_nothing_is_told_at_once() -> None:
    """At the second record of a key, not at the third, where the function would meet its own None."""

    def forgets(one: int, other: int) -> Any:  # noqa: ANN401  # that is the point
        max(one, other)

    stream = numbers(1, 2).key_by(lambda _: 0).reduce(forgets)
    with pytest.raises(InvalidTypesError, match=r"reduce\(\) returned None for two records; it must return") as raised:
        list(stream.execute_and_collect())
    assert any("at record 2" in note for note in raised.value.__notes__)


def test_none_may_be_reduced_to_none() -> None:
    env = environment(execution_target="inline")
    nothing = env.from_collection([None, None]).key_by(lambda _: 0).reduce(lambda one, _: one)
    assert list(nothing.execute_and_collect()) == [None, None]


def test_a_generator_is_no_record() -> None:
    words = (
        r"a function gave <generator object yields at \w+> as a record; it can be taken apart once only: use flat_map"
    )
    with pytest.raises(InvalidTypesError, match=words):
        list(numbers(1).map(lambda value: yields(value, value)).execute_and_collect())


def test_a_record_that_can_not_be_copied_is_shown() -> None:
    words = (
        r"\{'lock': <unlocked .*'number': 1\} has more than one holder and .* Keep locks, connections and open files"
    )
    with pytest.raises(NotSerializableError, match=words) as raised:
        list(numbers(1).map(lambda value: {"number": value, "lock": threading.Lock()}).execute_and_collect())
    shown = "".join(traceback.format_exception(raised.value))
    assert "millstream_taskmanager" not in shown, "nobody's lines but the user's"
    assert "deepcopy" not in shown


def test_a_tag_is_no_record() -> None:
    words = r"a function gave OutputTag\(.*'late'.*\) as a record; .* yield tag, record"
    with pytest.raises(InvalidTypesError, match=words):
        list(numbers(1).process(lambda _, __: [OutputTag("late", Types.INT())]).execute_and_collect())


class Timed(KeyedProcessFunction[int, int, int]):
    """Gives one value for a timer."""

    def __init__(self, value: Any) -> None:  # noqa: ANN401  # the mistake
        self._value = value

    def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> Iterator[int]:
        ctx.timer_service().register_event_time_timer(0)
        return iter(())

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Any:  # noqa: ANN401  # as above
        return self._value


@pytest.mark.parametrize(
    ("value", "shown"), [(7, "int 7"), (0, "int 0"), (False, "bool False"), ({}, "dict {}")], ids=repr
)
def test_a_timer_that_gives_one_value(value: object, shown: str) -> None:
    """None would be no record; what is false otherwise isn't."""
    words = f"a function that gives any number of records returned {shown}; yield the records, or return a list"
    with pytest.raises(InvalidTypesError, match=words) as raised:
        list(numbers(1).key_by(lambda value: value).process(Timed(value)).execute_and_collect())
    assert any("test_bad_use.py" in note and "timer of key 1 at 0" in note for note in raised.value.__notes__)


ONE_VALUE: Any = lambda _, __, values: max(values)  # noqa: E731  # a lambda, as users write them

WINDOW_FUNCTIONS: list[tuple[str, Program]] = [
    ("process", lambda stream: stream.key_by(lambda _: 0).count_window(2).process(lambda _, __, values: max(values))),
    ("apply", lambda stream: stream.key_by(lambda _: 0).count_window(2).apply(lambda _, __, values: max(values))),
    ("process all", lambda stream: stream.count_window_all(2).process(lambda _, values: max(values))),
    ("apply all", lambda stream: stream.count_window_all(2).apply(lambda _, values: max(values))),
    ("reduce and process", lambda stream: stream.key_by(lambda _: 0).count_window(2).reduce(max, ONE_VALUE)),
]


@pytest.mark.parametrize("program", [case[1] for case in WINDOW_FUNCTIONS], ids=[case[0] for case in WINDOW_FUNCTIONS])
def test_a_window_function_that_gives_one_value(program: Program) -> None:
    words = "a function that gives any number of records returned int 2; yield the records, or return a list"
    with pytest.raises(InvalidTypesError, match=words) as raised:
        list(program(numbers(1, 2)).execute_and_collect())
    assert any("test_bad_use.py" in note for note in raised.value.__notes__)


class OfPair(FlatJoinFunction[int, int, int]):
    def __init__(self, value: Any) -> None:  # noqa: ANN401  # what no type checker would let through
        self._value = value

    def join(self, first: int, second: int) -> Any:  # noqa: ANN401  # as above
        return self._value


@pytest.mark.parametrize(
    ("value", "shown"), [(7, "int 7"), (0, "int 0"), ("ab", "str 'ab'"), (Row(1), "Row ")], ids=repr
)
def test_a_join_that_gives_one_value(value: object, shown: str) -> None:
    stream = numbers(1)
    pairs = stream.join(stream).where(lambda one: one).equal_to(lambda one: one)
    joined = pairs.window(GlobalWindows.create()).trigger(CountTrigger.of(2)).apply(OfPair(value))
    words = f"a FlatJoinFunction gives any number of records, but returned {shown}.*; yield the records, or return a"
    with pytest.raises(InvalidTypesError, match=words):
        list(joined.execute_and_collect())


class Shared(AggregateFunction[int, list[int], list[int]]):
    """Gives the list that its class has."""

    start: list[int] = []  # noqa: RUF012  # the mistake

    def create_accumulator(self) -> list[int]:
        return self.start

    def add(self, value: int, accumulator: list[int]) -> list[int]:
        accumulator.append(value)
        return accumulator

    def get_result(self, accumulator: list[int]) -> list[int]:
        return accumulator

    def merge(self, acc_a: list[int], acc_b: list[int]) -> list[int]:
        return acc_a + acc_b


class Own(Shared):
    """Gives what it is told to."""

    def __init__(self, create: Callable[[], Any]) -> None:
        self.create = create

    def create_accumulator(self) -> Any:  # noqa: ANN401  # that is the point
        return self.create()


class Counter:
    """Hashed by what it is, not by what it holds."""


ONE = Counter()


def aggregated(function: Shared) -> None:
    numbers(1).key_by(lambda value: value).window(TumblingProcessingTimeWindows.of(Time.seconds(1))).aggregate(function)


@pytest.mark.parametrize("function", [Shared(), Own(lambda: ONE)], ids=["list", "object"])
def test_an_accumulator_for_all_windows_is_refused_where_the_program_says_so(function: Shared) -> None:
    """Else the results of one window would be in those of another, without a word."""
    words = r"test_bad_use.py:\d+\): create_accumulator of \w+ gave the same \w+ twice, so windows would share it; make"
    with pytest.raises(ArgumentError, match=words):
        aggregated(function)


@pytest.mark.parametrize(
    "create",
    [list, lambda: 0, lambda: (0, 0), lambda: None, lambda: "", Counter, lambda: 1 // 0],
    ids=["list", "number", "pair", "nothing", "text", "counter", "error"],
)
def test_one_that_is_new_or_can_not_be_changed_is_not(create: Callable[[], Any]) -> None:
    aggregated(Own(create))


class Unmixed(FlatMapFunction[int, int]):
    """Looks like a CheckpointedFunction."""

    def initialize_state(self, context: FunctionInitializationContext) -> None: ...

    def snapshot_state(self, context: FunctionSnapshotContext) -> None: ...

    def flat_map(self, value: int) -> Iterator[int]:
        yield value


def test_state_that_nobody_would_ask_for_is_refused_where_the_program_says_so() -> None:
    words = r"nobody calls them; derive it from both: class Unmixed\(FlatMapFunction, CheckpointedFunction\)"
    for stream in (numbers(1), numbers(1).key_by(lambda value: value)):
        with pytest.raises(ArgumentError, match=words):
            stream.flat_map(Unmixed())


class Mixed(Unmixed, CheckpointedFunction):
    """Is one, and asks by the wrong descriptor."""

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        asked: Any = ValueStateDescriptor("n", int)
        context.get_operator_state_store().get_list_state(asked)


def test_state_of_a_subtask_is_a_list() -> None:
    with pytest.raises(InvalidTypesError, match="state of a subtask is asked for by a ListStateDescriptor, but got"):
        list(numbers(1).flat_map(Mixed()).execute_and_collect())


class Asking(AsyncFunction[int, int]):
    """Wants state of the key, where many keys are at hand."""

    def open(self, runtime_context: RuntimeContext) -> None:
        runtime_context.get_state(ValueStateDescriptor("n", int))

    async def async_invoke(self, value: int) -> list[int]:
        return [value]


def test_no_key_is_at_hand_where_many_records_wait() -> None:
    stream = AsyncDataStream.ordered_wait(numbers(1).key_by(lambda value: value), Asking(), 1_000)
    with pytest.raises(InvalidProgramError, match="state 'n' was asked for by an AsyncFunction, for which re"):
        list(stream.execute_and_collect())
