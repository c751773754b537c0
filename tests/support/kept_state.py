"""Kinds of state, each as an operator that keeps its records in it and what must come of them, however often the job
goes on from a checkpoint at another parallelism (`test_rescaled_state`). All of them are in
`kept_kinds.KINDS`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from millstream_dataflow.connectors import Read, Source, SourceContext, SplitEnumerator, SplitReader
from millstream_dataflow.functions import (
    FlatMapFunction,
    KeyedProcessFunction,
    ProcessWindowFunction,
    RuntimeContext,
)
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import (
    FlatMapSpecification,
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    KeySelection,
    OperatorSpecification,
    WindowSpecification,
)
from millstream_dataflow.records import RowBatch
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    CheckpointedFunction,
    FunctionInitializationContext,
    FunctionSnapshotContext,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    StateTtlConfig,
    ValueStateDescriptor,
)
from millstream_dataflow.windows import TimeWindow, TumblingEventTimeWindows
from millstream_taskmanager.operators.state import RestoredState
from tests.support.tasks import Draft, Drawing

Record = tuple[str, int]
"""A key and a number, which no other record has."""

RECORDS: list[Record] = [("abcdefgh"[number * 5 % 8], number) for number in range(36)]
"""Their times are ten times their numbers."""

END = 10_000
"""An event time behind all of them."""

ALARM = 100
"""A time by the clock at which the job is still at work (the job's clock begins at 0)."""

PAUSE = 300
"""The last records don't come before that time by the clock."""


@dataclass(frozen=True)
class Kept:
    """A kind of state."""

    specification: Callable[[], OperatorSpecification]
    results: Counter[Any]
    """What the operator must give, in any order."""
    keyed: bool = True
    counted: Callable[[Iterable[Any]], Counter[Any]] = Counter
    """What of it is compared with that."""
    stored: Callable[[Sequence[RestoredState]], Counter[Any]] | None = None
    """What the operator's subtasks hold in the end: must be all records."""
    second: Partitioning | None = None
    """How the same records come to a second input; None: it has one."""

    def connect(self, drawing: Drawing, source: Draft, vertex: Draft) -> None:
        """Let the records come to the operator, at the head of a vertex."""
        by_key: Callable[[Any], Any] = BY_KEY.selector
        first = Partitioning.HASH if self.keyed else Partitioning.REBALANCE
        for number, partitioning in enumerate([first] if self.second is None else [first, self.second]):
            key = by_key if partitioning is Partitioning.HASH else None
            drawing.edge(source, vertex, partitioning, key=key, number=number)


BY_KEY = KeySelection(lambda record: record[0])
NUMBERS = {key: tuple(number for one, number in RECORDS if one == key) for key in "abcdefgh"}
SUMS = Counter((key, sum(numbers)) for key, numbers in NUMBERS.items())
ALL = Counter(NUMBERS.items())

# ---------------------------------------------------------------------------------------------- state of keys


class Summing:
    """A sum, in a list that is changed in place."""

    def create_accumulator(self) -> list[int]:
        return [0]

    def add(self, value: int, accumulator: list[int]) -> list[int]:
        accumulator[0] += value
        return accumulator

    def get_result(self, accumulator: list[int]) -> int:
        return accumulator[0]

    def merge(self, acc_a: list[int], acc_b: list[int]) -> list[int]:
        return [acc_a[0] + acc_b[0]]


DESCRIPTORS: dict[str, Callable[[], StateDescriptor[Any]]] = {
    "value": lambda: ValueStateDescriptor("kept", int),
    "list": lambda: ListStateDescriptor("kept", int),
    "map": lambda: MapStateDescriptor("kept", str, int),
    "reducing": lambda: ReducingStateDescriptor("kept", lambda one, other: one + other, int),
    "aggregating": lambda: AggregatingStateDescriptor("kept", Summing()),
}


class Keeping(KeyedProcessFunction[str, Record, Any]):
    """Keeps the numbers of each key, and tells them when all have come."""

    def __init__(self, kind: str, ttl: StateTtlConfig | None = None) -> None:
        self.kind = kind
        self.ttl = ttl

    def open(self, runtime_context: RuntimeContext) -> None:
        descriptor: Any = DESCRIPTORS[self.kind]()
        if self.ttl is not None:
            descriptor.enable_time_to_live(self.ttl)
        name = "get_state" if self.kind == "value" else f"get_{self.kind}_state"
        self.state: Any = getattr(runtime_context, name)(descriptor)

    def process_element(self, value: Record, ctx: KeyedProcessFunction.Context) -> None:
        match self.kind:
            case "value":
                self.state.update((self.state.value() or 0) + value[1])
            case "map":
                self.state.put(str(value[1]), value[1])
            case _:
                self.state.add(value[1])
        ctx.timer_service().register_event_time_timer(END)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[Any]:
        match self.kind:
            case "value":
                kept = self.state.value()
            case "list":
                kept = tuple(sorted(self.state))
            case "map":
                kept = tuple(sorted(self.state.values()))
            case _:
                kept = self.state.get()
        yield ctx.get_current_key(), kept


class Ringing(KeyedProcessFunction[str, Record, Any]):
    """Asks for the same two timers at each record of a key, and for two that it takes back."""

    def process_element(self, value: Record, ctx: KeyedProcessFunction.Context) -> None:
        timers = ctx.timer_service()
        timers.register_event_time_timer(END)
        timers.register_event_time_timer(END + 1)
        if timers.current_processing_time() < ALARM:
            timers.register_processing_time_timer(ALARM)
        timers.register_processing_time_timer(ALARM + 1)
        timers.delete_event_time_timer(END + 1)
        timers.delete_processing_time_timer(ALARM + 1)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[Any]:
        yield ctx.get_current_key(), ctx.time_domain().name, timestamp


class Last(NamedTuple):
    """The last record of a key. Its day wasn't there in 0.1.0.dev0."""

    number: int
    day: int = 1


@dataclass(frozen=True, slots=True)
class Visit:
    """What is kept of a key's records. Its place wasn't there in 0.1.0.dev0."""

    place: str = field(default="Oslo", kw_only=True)
    numbers: tuple[int, ...]
    last: Last


class Visiting(KeyedProcessFunction[str, Record, Any]):
    """Keeps objects of its own classes."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.state: Any = runtime_context.get_state(ValueStateDescriptor("visit", Visit))

    def process_element(self, value: Record, ctx: KeyedProcessFunction.Context) -> None:
        visit = self.state.value() or Visit((), Last(0))
        self.state.update(Visit((*visit.numbers, value[1]), Last(value[1])))
        ctx.timer_service().register_event_time_timer(END)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[Any]:
        visit = self.state.value()
        assert visit.last in [Last(number) for number in visit.numbers]
        assert visit == Visit(visit.numbers, visit.last)
        yield ctx.get_current_key(), tuple(sorted(visit.numbers))


def of_keys(kind: str, ttl: StateTtlConfig | None = None) -> Kept:
    """Keyed state of a kind."""
    results = ALL if kind in ("list", "map") else SUMS
    return Kept(lambda: KeyedProcessSpecification(Keeping(kind, ttl), BY_KEY), results)


def summed(one: Record, other: Record) -> Record:
    """Of one key."""
    return one[0], one[1] + other[1]


def highest(results: Iterable[Record]) -> Counter[Any]:
    """Of each key the last of numbers that rise."""
    found: dict[str, int] = {}
    for key, number in results:
        found[key] = max(number, found.get(key, 0))
    return Counter(found.items())


class Reading(ProcessWindowFunction[Record, Any, str, TimeWindow]):
    """Sees all records of a window, and counts the windows of a key."""

    def process(
        self, key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Record]
    ) -> Iterable[Any]:
        seen = context.global_state().get_state(ValueStateDescriptor("windows", int))
        seen.update((seen.value() or 0) + 1)
        numbers = sorted(number for _, number in elements)
        yield key, *numbers


def groups() -> Counter[Any]:
    """Ten numbers that follow one another, by key."""
    found: dict[tuple[str, int], list[int]] = {}
    for key, number in RECORDS:
        found.setdefault((key, number // 10), []).append(number)
    return Counter((key, *numbers) for (key, _), numbers in found.items())


def windows() -> Counter[Any]:
    """Sums of ten numbers that follow one another, by key."""
    found = Counter[tuple[str, int]]()
    for key, number in RECORDS:
        found[key, number // 10] += number
    return Counter((key, total) for (key, _), total in found.items())


# ------------------------------------------------------------------------------------------- state of subtasks


class Listing(FlatMapFunction[Record, Record], CheckpointedFunction):
    """Keeps all records in a list, which is split."""

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        self.state = context.get_operator_state_store().get_list_state(ListStateDescriptor[Any]("kept"))
        self.records = list(self.state)

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        self.state.update(self.records)

    def flat_map(self, value: Record) -> Iterable[Record]:
        self.records.append(value)
        yield value


class Uniting(Listing):
    """Keeps them in a list that every subtask gets whole, and the first one alone keeps from then on."""

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        self.state = context.get_operator_state_store().get_union_list_state(ListStateDescriptor[Any]("kept"))
        is_first = self.get_runtime_context().get_index_of_this_subtask() == 0
        self.records = list(self.state) if is_first else []


def listed(states: Sequence[RestoredState]) -> Counter[Any]:
    """What all subtasks have of a list that is split."""
    return Counter(item for state in states for item in state.items("kept"))


def united(states: Sequence[RestoredState]) -> Counter[Any]:
    """What each has of a list that all have."""
    first, *others = [Counter(state.items("kept")) for state in states]
    assert all(other == first for other in others)
    return first


TTL = StateTtlConfig.new_builder(1_000_000).cleanup_incrementally(3, True).cleanup_full_snapshot().build()
"""Longer than any job of a test."""

KEPT: dict[str, Kept] = {
    **{kind: of_keys(kind) for kind in DESCRIPTORS},
    **{f"{kind} with a time to live": of_keys(kind, TTL) for kind in DESCRIPTORS},
    "timers": Kept(
        lambda: KeyedProcessSpecification(Ringing(), BY_KEY),
        Counter((key, *timer) for key in NUMBERS for timer in (("EVENT_TIME", END), ("PROCESSING_TIME", ALARM))),
    ),
    "objects": Kept(lambda: KeyedProcessSpecification(Visiting(), BY_KEY), ALL),
    "windows": Kept(
        lambda: WindowSpecification(BY_KEY, TumblingEventTimeWindows.of(100), reduce=summed),
        windows(),
    ),
    "records of windows": Kept(
        lambda: WindowSpecification(BY_KEY, TumblingEventTimeWindows.of(100), process=Reading()),
        groups(),
    ),
    "reduce": Kept(lambda: KeyedReduceSpecification(summed, BY_KEY), SUMS, counted=highest),
    "operator list": Kept(lambda: FlatMapSpecification(Listing()), Counter(RECORDS), keyed=False, stored=listed),
    "operator union": Kept(lambda: FlatMapSpecification(Uniting()), Counter(RECORDS), keyed=False, stored=united),
}

# ------------------------------------------------------------------------------------------------- the records


@dataclass(frozen=True)
class PausingSource(Source[int]):
    """All records, in splits that are numbers. Each of them pauses before its last third until `PAUSE`."""

    splits: int
    enumerated: bool = True

    @property
    def has_enumerator(self) -> bool:  # type: ignore[override]  # a value as good as any
        return self.enumerated

    def static_splits(self, parallelism: int) -> Sequence[int]:
        return range(self.splits)

    def create_enumerator(self, context: SourceContext, state: Any) -> SplitEnumerator[int]:  # noqa: ANN401  # see Source
        return NumberingEnumerator(self.splits, given=bool(state))

    def create_reader(self, context: SourceContext, split: int, position: Any) -> SplitReader:  # noqa: ANN401  # see Source
        size = len(RECORDS) // self.splits
        return PausingReader(context, RECORDS[split * size : (split + 1) * size], position or 0)


class NumberingEnumerator(SplitEnumerator[int]):
    """Gives all splits at once."""

    def __init__(self, splits: int, *, given: bool) -> None:
        self.splits = splits
        self.given = given

    def discover(self) -> Sequence[int]:
        found = range(0 if self.given else self.splits)
        self.given = True
        return found

    def snapshot(self) -> bool:
        return self.given


class PausingReader(SplitReader):
    """Three records at a time."""

    def __init__(self, context: SourceContext, records: Sequence[Record], position: int) -> None:
        self.context = context
        self.records = records
        self.pause = len(records) * 2 // 3
        self.next = position

    def read(self, limit: int) -> Read:
        if self.next >= self.pause and self.context.now() < PAUSE:
            return Read(ready_at=PAUSE)
        end = min(self.next + 3, self.pause if self.next < self.pause else len(self.records))
        records, self.next = list(self.records[self.next : end]), end
        return Read(RowBatch(records, [record[1] * 10 for record in records]), ended=end == len(self.records))

    def position(self) -> int:
        return self.next
