"""Inline execution: programs of the public API, run in the thread of the test."""

import json
import pdb  # noqa: T100  # post-mortem is what is tested
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millstream import (
    FileSource,
    JobCanceledError,
    JobFailedError,
    JobRefusedError,
    JobStatus,
    KeyedProcessFunction,
    MapFunction,
    OutputTag,
    ProcessFunction,
    ProcessWindowFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
    TimeWindow,
    TumblingEventTimeWindows,
    ValueStateDescriptor,
    WatermarkStrategy,
)
from millstream.errors import ExecutionError
from millstream.execution.context import ProgramContext, program_context
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client
from tests.support.tasks import ListSource, parse

Environment = StreamExecutionEnvironment


@pytest.fixture
def env() -> Iterator[Environment]:
    context = ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE))
    with program_context(context):
        yield Environment.get_execution_environment()


def test_the_first_program_of_every_introduction(env: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    env.from_collection(["Hello", "World"]).map(lambda word: word.upper()).print()
    result = env.execute("Simple Flink Job")
    assert capsys.readouterr().out == "HELLO\nWORLD\n"
    assert result.get_net_runtime() >= 0


def test_prefixes_of_parallel_sinks(env: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    env.set_parallelism(2)
    env.from_collection(range(4)).rebalance().print()
    env.execute()
    assert sorted(capsys.readouterr().out.split("\n")[:-1]) == ["1> 0", "1> 2", "2> 1", "2> 3"]


@pytest.mark.parametrize("parallelism", [1, 3])
def test_every_partitioning_delivers_all(env: Environment, parallelism: int) -> None:
    env.set_parallelism(parallelism)
    numbers = env.from_sequence(1, 100)
    streams: list[Callable[[Any], Any]] = [
        lambda s: s.rebalance(),
        lambda s: s.rescale(),
        lambda s: s.shuffle(),
        lambda s: s.global_(),
        lambda s: s.partition_custom(lambda key, n: key % n, lambda value: value),
    ]
    for partitioned in streams:
        with partitioned(numbers.map(lambda n: n * 2)).map(lambda n: n + 1).execute_and_collect() as records:
            assert sorted(records) == [n * 2 + 1 for n in range(1, 101)]
    with numbers.broadcast().map(lambda n: n).execute_and_collect() as records:
        assert len(list(records)) == 100 * parallelism


def test_a_call_that_blocks_makes_no_live_source_idle(env: Environment) -> None:
    def own_time(value: int) -> int:
        return value

    rising = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(own_time)
    strategy = rising.with_idleness(timedelta(milliseconds=100))

    def slow(value: int) -> int:
        time.sleep(0.5)  # what is tested: the thread is blocked for longer than the timeout of idleness
        return value

    blocking = env.from_collection([100]).map(slow).rebalance().assign_timestamps_and_watermarks(strategy)
    live = env.from_sequence(1, 3_000).rebalance().assign_timestamps_and_watermarks(strategy)
    counted = blocking.union(live).map(lambda _: 1).key_by(lambda _: "all")
    windows = counted.window(TumblingEventTimeWindows.of(1_000)).reduce(lambda a, b: a + b)
    with windows.execute_and_collect() as records:
        assert list(records) == [1_000, 1_000, 1_000, 1]


def test_unions_and_side_outputs(env: Environment) -> None:
    odd: OutputTag[int] = OutputTag("odd")

    class Split(ProcessFunction[int, Any]):
        def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[Any]:
            yield (odd, value) if value % 2 else value

    both = env.from_collection([1, 2, 3]).union(env.from_collection([4, 5]))
    split = both.process(Split())
    with split.union(split.get_side_output(odd).map(lambda n: -n)).execute_and_collect() as records:
        assert sorted(records) == [-5, -3, -1, 2, 4]


def itself(value: int) -> int:
    return value


def test_times_and_watermarks(env: Environment) -> None:
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(itself)

    class Look(ProcessFunction[int, Any]):
        def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[Any]:
            yield value, ctx.timestamp()

    stream = env.from_collection([10, 20]).assign_timestamps_and_watermarks(strategy)
    with stream.process(Look()).execute_and_collect() as records:
        assert list(records) == [(10, 10), (20, 20)]


# ------------------------------------------------------------------------------------------------------- errors


def test_a_users_exception_leaves_as_it_is(env: Environment) -> None:
    env.from_collection(["1", "x"]).map(parse).name("parse").print()
    with pytest.raises(ValueError, match="invalid literal") as raised:
        env.execute()
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "parse"
    [note] = raised.value.__notes__
    assert note.startswith("raised in operator parse (")
    assert note.endswith("at record 'x'")
    assert raised.value.__cause__ is None


def leaves(value: int) -> int:
    sys.exit(value)


def stops(value: int) -> int:
    return next(iter(range(value, value)))


@pytest.mark.parametrize(("function", "words"), [(leaves, "sys.exit(3)"), (stops, "StopIteration")])
def test_what_would_end_the_program_or_its_loop_is_the_functions_failure(
    env: Environment, function: Callable[[int], int], words: str
) -> None:
    for fetched in (False, True):
        stream = env.from_collection([3]).map(function).name("it")
        with pytest.raises(JobFailedError) as raised:
            list(stream.execute_and_collect()) if fetched else (stream.print(), env.execute("short"))
        assert words in str(raised.value)
        failure = raised.value.failure
        assert failure is not None
        assert failure.operator.startswith("it (")
        assert failure.record == "3"


def test_its_traceback_shows_the_users_line(env: Environment) -> None:
    env.from_collection(["x"]).map(parse).print()
    with pytest.raises(ValueError, match="invalid literal") as raised:
        env.execute()
    lines = traceback.extract_tb(raised.value.__traceback__)
    assert [line.line for line in lines] == ["env.execute()", "return int(text)"], "and none of ours"


@pytest.mark.parametrize(
    ("apply", "lines"),
    [
        (lambda stream: stream.map(int), ["v1 = f0(v0)"]),
        (lambda stream: stream.flat_map(abs), ["items0 = f0(v0)"]),
        (lambda stream: stream.map(json.loads), ["v1 = f0(v0)", "return _default_decoder.decode(s)"]),
    ],
)
def test_where_no_line_is_the_users_it_shows_what_called_their_function(
    env: Environment, apply: Callable[[Any], Any], lines: list[str]
) -> None:
    def run(*, fetched: bool) -> None:
        stream = apply(env.from_collection(["x"]))
        stream.execute_and_collect(limit=1) if fetched else (stream.print(), env.execute())

    for fetched in (False, True):
        with pytest.raises((TypeError, ValueError)) as raised:
            run(fetched=fetched)
        shown = [line.line for line in traceback.extract_tb(raised.value.__traceback__)]
        assert shown[2 : 2 + len(lines)] == lines, "behind the two of this test"


def test_an_input_that_is_not_there_is_told_without_our_lines(env: Environment, tmp_path: Path) -> None:
    missing = tmp_path / "missing.txt"
    env.from_source(FileSource.text(missing), WatermarkStrategy.no_watermarks(), "lines").print()
    with pytest.raises(FileNotFoundError, match=r"no such file or directory to read: .*missing\.txt") as raised:
        env.execute()
    assert [line.line for line in traceback.extract_tb(raised.value.__traceback__)] == ["env.execute()"]


def test_post_mortem_stands_where_it_was_raised(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    env.from_collection(["x"]).map(parse).print()
    with pytest.raises(ValueError, match="invalid literal") as raised:
        env.execute()
    seen: list[Any] = []
    monkeypatch.setattr(pdb.Pdb, "interaction", lambda _self, _frame, trace: seen.append(trace))
    pdb.post_mortem(raised.value.__traceback__)
    trace = seen[0]
    while trace.tb_next is not None:
        trace = trace.tb_next
    assert trace.tb_frame.f_locals == {"text": "x"}


def test_a_breakpoint_stops_in_the_function(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[int] = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: stopped.append(sys._getframe(1).f_locals["value"]))

    def look(value: int) -> int:
        breakpoint()  # noqa: T100  # it is what is tested
        return value

    with env.from_collection([1, 2]).map(look).execute_and_collect() as records:
        assert list(records) == [1, 2]
    assert stopped == [1, 2]


class Watched(MapFunction[int, int]):
    """Tells when it is closed."""

    log: list[str] = []  # noqa: RUF012  # shared on purpose

    def open(self, runtime_context: RuntimeContext) -> None:
        self.log.append("open")

    def map(self, value: int) -> int:
        if value == 3:
            raise KeyboardInterrupt
        if value == 4:
            raise RuntimeError("four")
        return value

    def close(self) -> None:
        self.log.append("close")


@pytest.mark.parametrize(("value", "error"), [(3, KeyboardInterrupt), (4, RuntimeError)])
def test_everything_is_closed_when_it_ends_badly(env: Environment, value: int, error: type[BaseException]) -> None:
    """Ctrl-C ends cleanly, and so does an error."""
    Watched.log.clear()
    first = env.from_collection([1, value, 5]).map(Watched())
    first.rebalance().map(Watched()).print()
    with pytest.raises(error):
        env.execute()
    assert sorted(Watched.log) == ["close", "close", "open", "open"]


# --------------------------------------------------------------------------------------------------- the handle


def test_a_finished_job(env: Environment) -> None:
    env.from_collection([1]).map(lambda n: n).print()
    job = env.execute_async()
    assert job.get_job_status().result() is JobStatus.FINISHED
    assert job.get_job_execution_result().result().get_job_id() == job.get_job_id()
    job.cancel().result()
    assert job.get_job_status().result() is JobStatus.FINISHED
    with pytest.raises(ExecutionError, match="no savepoints"):
        job.trigger_savepoint().result()
    with pytest.raises(ExecutionError, match="no savepoints"):
        job.stop_with_savepoint(advance_to_end_of_event_time=False).result()


def test_records_are_made_as_they_are_taken(env: Environment) -> None:
    made: list[int] = []
    env.from_sequence(1, 1_000_000)
    Recorder.made = made
    records = env.from_sequence(1, 1_000_000).map(Recorder()).execute_and_collect()
    assert next(records) == 1
    assert len(made) < 100_000
    records.close()
    assert len(made) < 100_000


class Recorder(MapFunction[int, int]):
    """Keeps what it made."""

    made: list[int] = []  # noqa: RUF012  # shared on purpose

    def map(self, value: int) -> int:
        self.made.append(value)
        return value


def test_a_job_that_nobody_listens_to_is_cancelled(env: Environment) -> None:
    Watched.log.clear()
    records = env.from_collection([1, 2]).map(Watched()).execute_and_collect()
    next(records)
    records.close()
    assert Watched.log == ["open", "close"]


def test_cancelled_while_it_is_fetched(env: Environment) -> None:
    stream = env.from_sequence(1, 100_000)
    records = stream.execute_and_collect()
    next(records)
    client_ = records._client
    client_.cancel().result()
    with pytest.raises(JobCanceledError):
        list(records)


def test_a_user_exception_while_records_are_taken(env: Environment) -> None:
    with (
        env.from_collection(["1", "x"]).map(parse).execute_and_collect() as records,
        pytest.raises(ValueError, match="x"),
    ):
        list(records)


def test_an_operator_that_is_not_there_is_refused_by_name(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millstream_taskmanager.operators.registry.OPERATORS", {})
    env.from_collection([1]).map(lambda n: n).name("count").print()
    with pytest.raises(JobRefusedError, match=r"operator .* runs a Reader operator; nothing was started"):
        env.execute()


# --------------------------------------------------------------------------------------------------- with keys


def once(word: str) -> tuple[str, int]:
    return word, 1


WORDS = ["to", "be", "or", "not", "to", "be", "that", "is", "to"]


@pytest.mark.parametrize("parallelism", [1, 3])
def test_word_count(env: Environment, parallelism: int) -> None:
    env.set_parallelism(parallelism)
    counts = (
        env.from_collection(WORDS)
        .map(once)
        .key_by(lambda pair: pair[0])
        .reduce(lambda one, other: (one[0], one[1] + other[1]))
    )
    with counts.execute_and_collect() as records:
        found = list(records)
    assert len(found) == len(WORDS)
    assert {word: max(n for other, n in found if other == word) for word in WORDS} == Counter(WORDS)


@pytest.mark.parametrize("parallelism", [1, 2])
def test_windows_equal_a_group_by(env: Environment, parallelism: int) -> None:
    """What the demo is made of: event time out of order, tumbling windows, late records to a side output."""
    late: OutputTag[Any] = OutputTag("late")
    chance = random.Random(7)
    flights = [("ABC"[chance.randrange(3)], index * 1_000 - chance.randrange(20_000)) for index in range(2_000)]

    def departure(flight: tuple[str, int]) -> int:
        return flight[1]

    strategy = WatermarkStrategy.for_bounded_out_of_orderness(timedelta(seconds=10)).with_timestamp_assigner(departure)
    env.set_parallelism(parallelism)
    windows = (
        env.from_collection(flights)
        .assign_timestamps_and_watermarks(strategy.with_punctuated_watermarks())
        .key_by(lambda flight: flight[0])
        .window(TumblingEventTimeWindows.of(timedelta(minutes=1)))
        .side_output_late_data(late)
        .process(Count())
    )
    with windows.union(
        windows.get_side_output(late).map(lambda flight: ("late", *flight))
    ).execute_and_collect() as out:
        found = list(out)
    lost = {record[1:] for record in found if record[0] == "late"}
    expected = Counter((key, time // 60_000 * 60_000) for key, time in flights if (key, time) not in lost)
    assert {(key, start): count for key, start, count in found if key != "late"} == expected
    assert 0 < len(lost) < len(flights)
    assert sum(expected.values()) + len(lost) == len(flights)


class Count(ProcessWindowFunction[Any, Any, str, TimeWindow]):
    """How many there were."""

    def process(
        self, key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Any]
    ) -> Iterator[Any]:
        yield key, context.window().start, len(list(elements))


class Sessions(KeyedProcessFunction[str, tuple[str, int], Any]):
    """Tells of each key when nothing has come of it for ten milliseconds of event time."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.last = runtime_context.get_state(ValueStateDescriptor("last", int))

    def process_element(self, value: tuple[str, int], ctx: KeyedProcessFunction.Context) -> None:
        timers = ctx.timer_service()
        if (last := self.last.value()) is not None:
            timers.delete_event_time_timer(last + 10)
        self.last.update(value[1])
        timers.register_event_time_timer(value[1] + 10)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        yield ctx.get_current_key(), timestamp


def test_timers(env: Environment) -> None:
    def time_of(record: tuple[str, int]) -> int:
        return record[1]

    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(time_of)
    records = [("a", 1), ("b", 3), ("a", 5), ("b", 30), ("a", 31)]
    timed = env.from_collection(records).assign_timestamps_and_watermarks(strategy.with_punctuated_watermarks())
    with timed.key_by(lambda record: record[0]).process(Sessions()).execute_and_collect() as out:
        assert list(out) == [("a", 15), ("b", 40), ("a", 41)]


def test_idle_it_sleeps(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    real = time.sleep

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        real(seconds)

    monkeypatch.setattr("millstream.inline.time.sleep", sleep)
    slow = ListSource(((1, None, None, 2),))
    stream = env.from_source(slow, WatermarkStrategy.no_watermarks(), "slow")
    with stream.execute_and_collect() as records:
        assert list(records) == [1, 2]
    assert naps
    assert max(naps) <= timedelta(seconds=1).total_seconds()
