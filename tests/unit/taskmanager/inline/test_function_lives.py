"""Each kind of function, wherever it goes, has its whole life: state of its own, open, a runtime context, close."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from millstream import (
    AggregateFunction,
    AllWindowFunction,
    AsyncDataStream,
    AsyncFunction,
    BroadcastProcessFunction,
    CheckpointedFunction,
    CoFlatMapFunction,
    CoGroupFunction,
    CoMapFunction,
    CoProcessFunction,
    CountEvictor,
    DataStream,
    EventTimeSessionWindows,
    FilterFunction,
    FlatJoinFunction,
    FlatMapFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
    JoinFunction,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    ListStateDescriptor,
    MapFunction,
    MapStateDescriptor,
    ProcessAllWindowFunction,
    ProcessFunction,
    ProcessJoinFunction,
    ProcessWindowFunction,
    ReduceFunction,
    RuntimeContext,
    TumblingEventTimeWindows,
    WatermarkStrategy,
    WindowFunction,
    col,
)
from millstream_dataflow.functions import Function
from tests.unit.client.programs import environment

Stream = DataStream[Any]
RULES = MapStateDescriptor[Any, Any]("rules")
TENS = TumblingEventTimeWindows.of(10)


class Living(CheckpointedFunction):
    """Tells of its life."""

    told: ClassVar[Counter[str]] = Counter()
    get_runtime_context: Callable[[], RuntimeContext]

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        self.told["initialised"] += 1
        self.list = context.get_operator_state_store().get_list_state(ListStateDescriptor(type(self).__name__, int))

    def open(self, runtime_context: RuntimeContext) -> None:
        self.told["opened"] += self.get_runtime_context() is runtime_context

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        self.told["asked for its state"] += 1
        self.list.update([1])

    def close(self) -> None:
        self.told["closed"] += 1

    def called(self) -> None:
        assert self.get_runtime_context().get_number_of_parallel_subtasks() == 1
        self.told["called"] = 1


def one(self: Living, *_: object) -> Any:  # noqa: ANN401  # any record
    self.called()
    return "a", 1


def several(self: Living, *_: object) -> Iterator[Any]:
    self.called()
    yield "a", 1


async def awaited(self: Living, *_: object) -> list[Any]:
    self.called()
    return ["a"]


def living(base: type[Function], method: Callable[..., Any], *names: str) -> Any:  # noqa: ANN401  # of that class
    life = {name: vars(Living)[name] for name in ("open", "close")}
    return type(f"Living{base.__name__}", (base, Living), {**life, **dict.fromkeys(names, method)})()


def mean() -> Any:  # noqa: ANN401  # as above
    return living(AggregateFunction, one, "create_accumulator", "add", "get_result", "merge")


def reduction() -> Any:  # noqa: ANN401  # as above
    return living(ReduceFunction, one, "reduce")


def of_window() -> Any:  # noqa: ANN401  # as above
    return living(ProcessWindowFunction, several, "process")


BOTH = ("process_element1", "process_element2")
RULED = ("process_element", "process_broadcast_element")

PROGRAMS: dict[str, tuple[int, Callable[[Stream], Stream]]] = {
    "map": (1, lambda s: s.map(living(MapFunction, one, "map"))),
    "flat_map": (1, lambda s: s.flat_map(living(FlatMapFunction, several, "flat_map"))),
    "filter": (1, lambda s: s.filter(living(FilterFunction, one, "filter"))),
    "process": (1, lambda s: s.process(living(ProcessFunction, several, "process_element"))),
    "async": (1, lambda s: AsyncDataStream.ordered_wait(s, living(AsyncFunction, awaited, "async_invoke"), 9_000)),
    "keyed map": (1, lambda s: s.key_by(0).map(living(MapFunction, one, "map"))),
    "keyed flat_map": (1, lambda s: s.key_by(0).flat_map(living(FlatMapFunction, several, "flat_map"))),
    "keyed filter": (1, lambda s: s.key_by(0).filter(living(FilterFunction, one, "filter"))),
    "keyed process": (1, lambda s: s.key_by(0).process(living(KeyedProcessFunction, several, "process_element"))),
    "reduce": (1, lambda s: s.key_by(0).reduce(reduction())),
    "co map": (1, lambda s: s.connect(s).map(living(CoMapFunction, one, "map1", "map2"))),
    "co flat_map": (1, lambda s: s.connect(s).flat_map(living(CoFlatMapFunction, several, "flat_map1", "flat_map2"))),
    "co process": (1, lambda s: s.connect(s).process(living(CoProcessFunction, several, *BOTH))),
    "keyed co map": (1, lambda s: s.connect(s).key_by(0, 0).map(living(CoMapFunction, one, "map1", "map2"))),
    "keyed co process": (
        1,
        lambda s: s.connect(s).key_by(0, 0).process(living(KeyedCoProcessFunction, several, *BOTH)),
    ),
    "broadcast": (
        1,
        lambda s: s.connect(s.broadcast(RULES)).process(living(BroadcastProcessFunction, several, *RULED)),
    ),
    "keyed broadcast": (
        1,
        lambda s: (
            s.key_by(0).connect(s.broadcast(RULES)).process(living(KeyedBroadcastProcessFunction, several, *RULED))
        ),
    ),
    "window process": (1, lambda s: s.key_by(0).window(TENS).process(of_window())),
    "window apply": (1, lambda s: s.key_by(0).window(TENS).apply(living(WindowFunction, several, "apply"))),
    "window reduce": (1, lambda s: s.key_by(0).window(TENS).reduce(reduction())),
    "window aggregate": (1, lambda s: s.key_by(0).window(TENS).aggregate(mean())),
    "window reduce, process": (2, lambda s: s.key_by(0).window(TENS).reduce(reduction(), of_window())),
    "session": (2, lambda s: s.key_by(0).window(EventTimeSessionWindows.with_gap(5)).aggregate(mean(), of_window())),
    "evictor": (2, lambda s: s.key_by(0).window(TENS).evictor(CountEvictor.of(2)).reduce(reduction(), of_window())),
    "count window": (1, lambda s: s.key_by(0).count_window(2).reduce(reduction())),
    "all": (1, lambda s: s.window_all(TENS).process(living(ProcessAllWindowFunction, several, "process"))),
    "all, apply": (1, lambda s: s.window_all(TENS).apply(living(AllWindowFunction, several, "apply"))),
    "join": (1, lambda s: s.join(s).where(0).equal_to(0).window(TENS).apply(living(JoinFunction, one, "join"))),
    "flat join": (
        1,
        lambda s: s.join(s).where(0).equal_to(0).window(TENS).apply(living(FlatJoinFunction, several, "join")),
    ),
    "co_group": (
        1,
        lambda s: s.co_group(s).where(0).equal_to(0).window(TENS).apply(living(CoGroupFunction, several, "co_group")),
    ),
    "interval join": (
        1,
        lambda s: (
            s.key_by(0)
            .interval_join(s.key_by(0))
            .between(0, 1)
            .process(living(ProcessJoinFunction, several, "process_element"))
        ),
    ),
}
"""By what is called: how many functions it takes, and a program of pairs."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_whole_life(name: str) -> None:
    functions, program = PROGRAMS[name]
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(col(1))
    pairs = environment(execution_target="inline").from_collection([("a", 1), ("a", 2)])
    Living.told.clear()
    assert list(program(pairs.assign_timestamps_and_watermarks(strategy)).execute_and_collect())
    once = dict.fromkeys(("initialised", "opened", "asked for its state", "closed"), functions)
    assert dict(Living.told) == {**once, "called": 1}
