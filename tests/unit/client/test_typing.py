"""A type checker knows what flows through a pipeline: what mypy and pyright say of a program, line by line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tidy.source import ROOT

# A line that ends in `# T` reveals the type T; one that ends in `# error: CODE` is refused with that code.
PROGRAM = """
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import timedelta

from millstream.datastream.async_data_stream import AsyncDataStream
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream_dataflow.aggregates import Count, Key, Min as Least, Sum, WindowEnd, WindowStart
from millstream_dataflow.expressions import col
from millstream_dataflow.functions import (
    AggregateFunction, AsyncFunction, BroadcastProcessFunction, CoMapFunction, CoProcessFunction, FlatMapFunction,
    KeyedProcessFunction, KeySelector, MapFunction, ProcessAllWindowFunction, ProcessFunction, ProcessWindowFunction,
    WindowFunction,
)
from millstream_dataflow.state import MapStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.types import Types
from millstream_dataflow.windows import (
    CountEvictor, CountTrigger, EventTimeSessionWindows, GlobalWindows, TimeWindow, Trigger, TriggerResult,
    TumblingEventTimeWindows,
)

env = StreamExecutionEnvironment.get_execution_environment()
words = env.from_collection(["a", "b"])
rules = MapStateDescriptor("rules", Types.STRING(), Types.INT())
timed = WatermarkStrategy.for_monotonous_timestamps()

class Length(MapFunction[str, int]):
    def map(self, value: str) -> int: return len(value)
class Letters(FlatMapFunction[str, bytes]):
    def flat_map(self, value: str) -> Iterator[bytes]: yield b""
class Initial(KeySelector[str, bool]):
    def get_key(self, value: str) -> bool: return True
class Plain(ProcessFunction[str, float]):
    def process_element(self, value: str, ctx: ProcessFunction.Context) -> Iterable[float]: return [1.0]
class Keyed(KeyedProcessFunction[int, str, float]):
    def process_element(self, value: str, ctx: KeyedProcessFunction.Context) -> Iterable[float]: return [1.0]
class Mean(AggregateFunction[str, list[int], float]):
    def create_accumulator(self) -> list[int]: return []
    def add(self, value: str, accumulator: list[int]) -> list[int]: return accumulator
    def get_result(self, accumulator: list[int]) -> float: return 0.0
    def merge(self, acc_a: list[int], acc_b: list[int]) -> list[int]: return acc_a
Around = ProcessWindowFunction.Context[TimeWindow]
class Show(ProcessWindowFunction[float, bytes, int, TimeWindow]):
    def process(self, key: int, context: Around, elements: Iterable[float]) -> Iterable[bytes]: return []
class Told(WindowFunction[str, bytes, int, TimeWindow]):
    def apply(self, key: int, window: TimeWindow, inputs: Iterable[str]) -> Iterable[bytes]: return []
class All(ProcessAllWindowFunction[str, bytes, TimeWindow]):
    def process(
        self, context: ProcessAllWindowFunction.Context[TimeWindow], elements: Iterable[str]
    ) -> Iterable[bytes]: return []
class Own(Trigger[str, TimeWindow]):
    def on_element(
        self, element: str, timestamp: int, window: TimeWindow, ctx: Trigger.TriggerContext
    ) -> TriggerResult: return TriggerResult.FIRE
    def on_event_time(self, time: int, window: TimeWindow, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.FIRE
    def on_processing_time(self, time: int, window: TimeWindow, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.FIRE
    def clear(self, window: TimeWindow, ctx: Trigger.TriggerContext) -> None: ...

def length(word: str) -> int: return len(word)
def letters(word: str) -> list[str]: return list(word)
async def looked_up(word: str) -> int: return len(word)
async def spelled(word: str) -> AsyncIterator[bytes]: yield b""
async def told(word: str, ctx: ProcessFunction.Context) -> list[float]: return []
async def keyed_told(word: str, ctx: KeyedProcessFunction.Context) -> AsyncIterator[float]: yield 1.0
class LookUp(AsyncFunction[str, int]):
    async def async_invoke(self, value: str) -> list[int]: return []
class Later(MapFunction[str, int]):
    async def map(self, value: str) -> int: return len(value)
class PlainLater(ProcessFunction[str, float]):
    async def process_element(self, value: str, ctx: ProcessFunction.Context) -> list[float]: return [1.0]
class KeyedLater(KeyedProcessFunction[int, str, float]):
    async def process_element(self, value: str, ctx: KeyedProcessFunction.Context) -> AsyncIterator[float]: yield 1.0
    async def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> None: ...
class BothLater(CoProcessFunction[str, str, bytes]):
    async def process_element1(self, value: str, ctx: CoProcessFunction.Context) -> list[bytes]: return []
    def process_element2(self, value: str, ctx: CoProcessFunction.Context) -> Iterable[bytes]: return []
class MapsLater(CoMapFunction[str, str, bytes]):
    async def map1(self, value: str) -> bytes: return b""
    def map2(self, value: str) -> bytes: return b""
class RuleLater(BroadcastProcessFunction[str, str, bytes]):
    async def process_element(
        self, value: str, ctx: BroadcastProcessFunction.ReadOnlyContext
    ) -> AsyncIterator[bytes]: yield b""
    async def process_broadcast_element(self, value: str, ctx: BroadcastProcessFunction.Context) -> None: ...
class ShowLater(ProcessWindowFunction[float, bytes, int, TimeWindow]):
    async def process(self, key: int, context: Around, elements: Iterable[float]) -> list[bytes]: return []
class ToldLater(WindowFunction[str, bytes, int, TimeWindow]):
    async def apply(self, key: int, window: TimeWindow, inputs: Iterable[str]) -> AsyncIterator[bytes]: yield b""
class MeanLater(AggregateFunction[str, list[int], float]):
    def create_accumulator(self) -> list[int]: return []
    async def add(self, value: str, accumulator: list[int]) -> list[int]: return accumulator
    async def get_result(self, accumulator: list[int]) -> float: return 0.0
    def merge(self, acc_a: list[int], acc_b: list[int]) -> list[int]: return acc_a
Rows = AsyncIterator[str]
class Wrong(ProcessFunction[str, float]):
    async def process_element(self, value: str, ctx: ProcessFunction.Context) -> list[str]: ...  # error: override
class WrongItems(ProcessFunction[str, float]):
    async def process_element(self, value: str, ctx: ProcessFunction.Context) -> Rows: yield ""  # error: override

reveal_type(words)  # DataStream[str]
reveal_type(words.map(length))  # DataStream[int]
reveal_type(words.map(lambda word: (word, len(word))))  # DataStream[tuple[str, int]]
reveal_type(words.map(Length()))  # DataStream[int]
reveal_type(words.map(len, Types.INT()))  # DataStream[int]
reveal_type(words.map(looked_up))  # DataStream[int]
reveal_type(words.map(Later()))  # DataStream[int]
reveal_type(words.flat_map(spelled))  # DataStream[bytes]
reveal_type(words.process(told))  # DataStream[float]
reveal_type(words.key_by(length).process(keyed_told))  # DataStream[float]
reveal_type(words.flat_map(letters))  # DataStream[str]
reveal_type(AsyncDataStream.ordered_wait(words, LookUp(), 5))  # DataStream[int]
reveal_type(AsyncDataStream.unordered_wait(words, spelled, 5))  # DataStream[bytes]
reveal_type(words.flat_map(lambda word: [len(word)]))  # DataStream[int]
reveal_type(words.flat_map(Letters()))  # DataStream[bytes]
reveal_type(words.filter(lambda word: len(word) > 1))  # DataStream[str]
reveal_type(words.process(Plain()))  # DataStream[float]
reveal_type(words.key_by(length))  # KeyedStream[str, int]
reveal_type(words.key_by(lambda word: word[0]))  # KeyedStream[str, str]
reveal_type(words.key_by(Initial()))  # KeyedStream[str, bool]
reveal_type(words.key_by("name"))  # KeyedStream[str, Any]
reveal_type(words.key_by(col(0)))  # KeyedStream[str, Any]
reveal_type(words.key_by(col(0).length(), Types.LONG()))  # KeyedStream[str, int]
reveal_type(words.filter(col(0) == "a"))  # DataStream[str]
reveal_type(words.map(col(0).length()))  # DataStream[Any]
reveal_type(timed.with_timestamp_assigner(length))  # WatermarkStrategy[str]
reveal_type(words.assign_timestamps_and_watermarks(timed.with_timestamp_assigner(col(0))))  # DataStream[str]
reveal_type(words.map(col(0).length(), Types.LONG()))  # DataStream[int]
reveal_type(words.select(n=col(0)))  # DataStream[Row]
reveal_type(words.with_columns(n=col(0)))  # DataStream[Row]
reveal_type(words.project(0, 2))  # DataStream[Any]
reveal_type(words.key_by(length).process(Keyed()))  # DataStream[float]
reveal_type(words.process(PlainLater()))  # DataStream[float]
reveal_type(words.key_by(length).process(KeyedLater()))  # DataStream[float]
reveal_type(words.connect(words).process(BothLater()))  # DataStream[bytes]
reveal_type(words.connect(words).map(MapsLater()))  # DataStream[bytes]
reveal_type(words.connect(words.broadcast(rules)).process(RuleLater()))  # DataStream[bytes]
reveal_type(words.key_by(length).reduce(lambda one, other: one + other))  # DataStream[str]
reveal_type(words.key_by(length).key_by(Initial()))  # KeyedStream[str, bool]
reveal_type(words.key_by(length).map(Length()))  # DataStream[int]
reveal_type(words.map(length).key_by(0).sum())  # DataStream[int]
reveal_type(words.union(words).rebalance())  # DataStream[str]
reveal_type(words.partition_custom(lambda key, n: key % n, length))  # DataStream[str]
reveal_type(words.get_side_output(OutputTag("n", Types.LONG())))  # DataStream[int]

windows = words.key_by(length).window(TumblingEventTimeWindows.of(timedelta(hours=1))).allowed_lateness(5)
reveal_type(windows)  # WindowedStream[str, int, TimeWindow]
reveal_type(windows.trigger(CountTrigger.of(3)).evictor(CountEvictor.of(3)))  # WindowedStream[str, int, TimeWindow]
reveal_type(windows.trigger(Own()).reduce(max))  # DataStream[str]
reveal_type(windows.apply(Told()))  # DataStream[bytes]
reveal_type(windows.apply(lambda key, window, inputs: [(key, window.start)]))  # DataStream[tuple[int, int]]
reveal_type(windows.reduce(max, Told()))  # DataStream[bytes]
reveal_type(windows.process(lambda key, context, rows: [context.window().end]))  # DataStream[int]
reveal_type(windows.max_by(0))  # DataStream[str]
reveal_type(windows.with_firings().reduce(max))  # DataStream[WindowResult[int, TimeWindow, str]]
reveal_type(windows.with_firings().aggregate(Mean()))  # DataStream[WindowResult[int, TimeWindow, float]]
reveal_type(windows.with_firings().aggregate(Count(), Sum(0)))  # DataStream[WindowResult[int, TimeWindow, Row]]
reveal_type(words.key_by(length).window(GlobalWindows.create()))  # WindowedStream[str, int, GlobalWindow]
reveal_type(words.key_by(length).window(EventTimeSessionWindows.with_gap(5)))  # WindowedStream[str, int, TimeWindow]
reveal_type(words.key_by(length).count_window(3, 1))  # WindowedStream[str, int, CountWindow]
reveal_type(words.window_all(TumblingEventTimeWindows.of(5)))  # AllWindowedStream[str, TimeWindow]
reveal_type(words.window_all(TumblingEventTimeWindows.of(5)).process(All()))  # DataStream[bytes]
reveal_type(words.count_window_all(5).with_firings().sum())  # DataStream[WindowResult[None, CountWindow, str]]
reveal_type(windows.reduce(max))  # DataStream[str]
reveal_type(windows.aggregate(Mean()))  # DataStream[float]
reveal_type(windows.aggregate(Mean(), Show()))  # DataStream[bytes]
reveal_type(windows.aggregate(MeanLater()))  # DataStream[float]
reveal_type(windows.aggregate(Mean(), ShowLater()))  # DataStream[bytes]
reveal_type(windows.apply(ToldLater()))  # DataStream[bytes]
reveal_type(windows.aggregate(Count()))  # DataStream[int]
reveal_type(windows.aggregate(Sum("n")))  # DataStream[int | float | None]
reveal_type(windows.aggregate(Count(), Sum("n")))  # DataStream[Row]
reveal_type(windows.aggregate(Key(), Count(), Sum("n"), Least("n"), WindowStart(), WindowEnd()))  # DataStream[Row]

reveal_type(words.print())  # DataStreamSink
reveal_type(words.print().name("out").uid("out"))  # DataStreamSink
reveal_type(words.map(length).uid("n").set_parallelism(2))  # DataStream[int]
reveal_type(words.execute_and_collect())  # CloseableIterator[str]
reveal_type(words.execute_and_collect(limit=5))  # list[str]
reveal_type(env.from_sequence(1, 5))  # DataStream[int]
reveal_type(env.execute())  # JobExecutionResult

words.map(Letters())  # error: call-overload
words.map(abs)  # error: arg-type
words.key_by([0])  # error: call-overload
words.reduce(max)  # error: attr-defined
words.key_by(length).process(Plain())  # error: arg-type
windows.process(Keyed())  # error: arg-type
windows.apply(Show())  # error: arg-type
words.key_by(length).count_window(3).trigger(Own())  # error: arg-type
words.map(length).key_by(abs).window(TumblingEventTimeWindows.of(5)).trigger(Own())  # error: arg-type
"""


def expectations() -> dict[int, str]:
    lines = PROGRAM.splitlines()
    return {number: line.rpartition("# ")[2] for number, line in enumerate(lines, start=1) if "  # " in line}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("typed") / "job.py"
    path.write_text(PROGRAM)
    return path


def checked_by(*command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=ROOT
    ).stdout


def test_mypy_sees_the_types_of_records(program: Path) -> None:
    verdict = checked_by("mypy", "--no-error-summary", "--hide-error-context", str(program))
    found: dict[int, str] = {}
    for number, kind, text in re.findall(r"job\.py:(\d+): (\w+): (.*)", verdict):
        revealed = re.search(r'Revealed type is "(.*)"', text)
        short = re.sub(r"\b[a-z_]\w*\.(?=[\w.]*\w)", "", revealed[1]) if revealed else ""
        short = re.sub(r"tuple\[.*, fallback=(.*)\]\]", r"\1]", short)  # how mypy shows NamedTuples
        code = re.search(r"\[([\w-]+)\]$", text)
        if revealed:
            found[int(number)] = short
        elif kind == "error":
            found[int(number)] = f"error: {code[1] if code else text}"
    assert found == expectations(), verdict


def test_pyright_sees_them_as_well(program: Path) -> None:
    """It has other names for what it refuses."""
    verdict = checked_by("pyright", "--pythonpath", sys.executable, "--outputjson", str(program))
    found: dict[int, str] = {}
    for finding in json.loads(verdict)["generalDiagnostics"]:
        revealed = re.search(r' is "([^"]*)"$', finding["message"])
        if finding["severity"] == "information" and revealed:
            found[finding["range"]["start"]["line"] + 1] = revealed[1]
        elif finding.get("rule") != "reportUnusedImport":
            found[finding["range"]["start"]["line"] + 1] = "error"
    assert found == {line: text.partition(":")[0] for line, text in expectations().items()}, verdict
