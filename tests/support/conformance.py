"""Cases of the conformance suite: for each operator an input, with times and watermarks, and what must come of it.

A case is written in records; the suite gives them to the operator as rows, as columns and as both in turn. What must
come of them is written down by hand. `judge` is the one place that says so: an interpreter of specifications can take
its place.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from millstream_dataflow.aggregates import Combined, Count, Sum
from millstream_dataflow.connectors import Sink, SinkContext, SinkWriter
from millstream_dataflow.expressions import ColumnKey, Selection, col
from millstream_dataflow.expressions.selection import Projection
from millstream_dataflow.functions import KeyedProcessFunction, ProcessFunction, RuntimeContext
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification
from millstream_dataflow.operators.columns import (
    FilterExpressionSpecification,
    MapExpressionSpecification,
    ProjectSpecification,
    SelectSpecification,
)
from millstream_dataflow.operators.grouped import (
    BroadcastFirstSpecification,
    FinalReduceSpecification,
    GroupedSpecification,
)
from millstream_dataflow.operators.specifications import (
    CollectSpecification,
    EnumeratorSpecification,
    FilterSpecification,
    FlatMapSpecification,
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    KeySelection,
    MapBatchesSpecification,
    MapSpecification,
    OperatorSpecification,
    ProcessSpecification,
    ReaderSpecification,
    SinkSpecification,
    TimestampsSpecification,
    WindowSpecification,
)
from millstream_dataflow.operators.two_inputs import (
    BroadcastProcessSpecification,
    CoCall,
    CoProcessSpecification,
    IntervalJoinSpecification,
    KeyedBroadcastProcessSpecification,
    KeyedCoProcessSpecification,
)
from millstream_dataflow.records import Batch, RowBatch
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.state import MapStateDescriptor, ValueState, ValueStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.types import Row, Types
from millstream_dataflow.windows import TumblingEventTimeWindows
from millstream_taskmanager.operators.conversion import to_rows

RECORD = Types.ROW_NAMED(["k", "n"], [Types.STRING(), Types.LONG()])
_named = Row("k", "n")


@dataclass(frozen=True)
class Came:
    """Records (key, number, time) of an input of the operator."""

    records: tuple[tuple[str | None, int | None, int], ...]
    number: int = 0

    def rows(self) -> RowBatch:
        return RowBatch([_named(k, n) for k, n, _ in self.records], [time for _, _, time in self.records])


@dataclass(frozen=True)
class Reached:
    """Event time has come so far."""

    time: int


Step = Came | Reached
Result = tuple[str, Any, int | None]
"""A record that left the operator: the tag, the value, its time."""


@dataclass(frozen=True)
class Case:
    """An operator, what comes to it, and what must come of it."""

    specification: OperatorSpecification
    steps: Sequence[Step]
    expected: Sequence[Result]
    tags: Sequence[str] = ()
    """Side outputs that are read."""
    ordered: bool = True
    """Whether the order of results is a part of their meaning."""
    written: Callable[[], Iterable[Result]] | None = None
    """What an operator without outputs has kept; asked for once."""


def judge(case: Case) -> list[Result]:
    """What must come."""
    return list(case.expected)


# ----------------------------------------------------------------------------------------------------- the cases

LATE: OutputTag[Any] = OutputTag("late")
ODD: OutputTag[Any] = OutputTag("odd")

STEPS = (
    Came((("a", 1, 3), ("b", 2, 5), ("a", None, 8))),
    Reached(4),
    Came((("b", 4, 9), ("a", 5, 12))),
    Reached(10),
    Came((("a", 6, 2), ("b", 7, 15))),
    Reached(100),
)
ALL = [record for step in STEPS if isinstance(step, Came) for record in step.records]


def _records(choose: Callable[[str | None, int | None], bool] = lambda _k, _n: True) -> list[Result]:
    return [("", _named(k, n), time) for k, n, time in ALL if choose(k, n)]


def _number(record: Any) -> int:  # noqa: ANN401  # any record
    return record.n or 0


def _tripled(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.append_column("again", batch.column("n"))


class _Odd(ProcessFunction[Row, Row]):
    """Odd numbers to the side, with their times in the value."""

    def process_element(self, value: Row, ctx: ProcessFunction.Context) -> Iterable[Any]:
        return [(ODD, (value.n, ctx.timestamp()))] if _number(value) % 2 else [value]


class _Counting(KeyedProcessFunction[str, Row, Any]):
    """How many of its key have come, and a timer."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self._count: ValueState[int] = runtime_context.get_state(ValueStateDescriptor("count", int))

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterable[Any]:
        self._count.update((self._count.value() or 0) + 1)
        ctx.timer_service().register_event_time_timer(50)
        return [(value.k, self._count.value())]

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[Any]:
        return [(ctx.get_current_key(), "timer", self._count.value())]


class Keeping(Sink[Any]):
    """Keeps what is written, of which both forms are the same."""

    def __init__(self) -> None:
        self.kept: list[Result] = []

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> SinkWriter[Any]:
        return _Keeper(self.kept)

    def taken(self) -> list[Result]:
        kept, self.kept[:] = list(self.kept), []
        return kept


class _Keeper(SinkWriter[Any]):
    def __init__(self, kept: list[Result]) -> None:
        self._kept = kept

    def write(self, batch: Batch) -> None:
        rows = batch if isinstance(batch, RowBatch) else to_rows(batch)
        self._kept += [("", value, time) for value, time in zip(rows.values, rows.timestamps or (), strict=True)]


SINK = Keeping()
KEY = KeySelection(ColumnKey(col("k")))
KEY_BY_FUNCTION = KeySelection(lambda record: record.k)
TENS = TumblingEventTimeWindows.of(10)


def _added(one: Row, other: Row) -> Row:
    return _named(one.k, _number(one) + _number(other))


WINDOWED: list[Result] = [
    ("", _named("a", 1), 9),
    ("", _named("b", 6), 9),
    ("late", _named("a", 6), 2),
    ("", _named("a", 5), 19),
    ("", _named("b", 7), 19),
]
AGGREGATED: list[Result] = [
    ("", Row("count", "sum_n")(2, 1), 9),
    ("", Row("count", "sum_n")(2, 6), 9),
    ("late", _named("a", 6), 2),
    ("", Row("count", "sum_n")(1, 5), 19),
    ("", Row("count", "sum_n")(1, 7), 19),
]


def _noted(row: Row, ctx: Any) -> Iterable[Any]:  # noqa: ANN401  # of the one function or the other
    ctx.get_broadcast_state(RULES).put(row.k, row.n)
    return [("rule", row.k)]


def _ruled(row: Row, ctx: Any) -> Iterable[Any]:  # noqa: ANN401  # as above
    return [(row.n, ctx.get_broadcast_state(RULES).get(row.k))]


RULES = MapStateDescriptor("rules", Types.STRING(), Types.LONG())
BOTH_KEYS = (KEY, KEY_BY_FUNCTION)
TWO = (Came((("a", 10, 4), ("b", 20, 6)), number=1), Came((("a", 1, 3), ("b", 2, 50))), Reached(100))
_CO_CALLED: list[Result] = [
    ("", ("second", 10), 4),
    ("", ("second", 20), 6),
    ("", ("first", 1), 3),
    ("", ("first", 2), 50),
]
_RULED: list[Result] = [("", ("rule", "a"), 4), ("", ("rule", "b"), 6), ("", (1, 10), 3), ("", (2, 20), 50)]
_CO_CALLS = (lambda row, _: [("first", row.n)], lambda row, _: [("second", row.n)])

ENDING = (*STEPS, Reached(MAX_TIME))
"""Batch mode: what is said of event time before its end means nothing, so nothing is late."""
ONE_KEY = (Came((("a", 1, 3), ("a", None, 8), ("a", 5, 12))), Reached(MAX_TIME))
_GROUPED: Sequence[tuple[OperatorSpecification, Sequence[Step], Sequence[Result]]] = [
    *(
        (FinalReduceSpecification(_added, key), ENDING, [("", _named("a", 12), 12), ("", _named("b", 13), 15)])
        for key in BOTH_KEYS
    ),
    (
        WindowSpecification(KEY, TENS, reduce=_added, late=LATE),
        ENDING,
        [("", _named("a", 7), 9), ("", _named("a", 5), 19), ("", _named("b", 6), 9), ("", _named("b", 7), 19)],
    ),
    (
        WindowSpecification(KEY, TENS, aggregate=Combined([Count(), Sum("n")])),
        ENDING,
        [
            ("", Row("count", "sum_n")(count, total), time)
            for count, total, time in ((3, 7, 9), (1, 5, 19), (2, 6, 9), (1, 7, 19))
        ],
    ),
    (
        KeyedProcessSpecification(_Counting(), KEY),
        ENDING,
        [
            *[("", ("a", number), time) for number, time in enumerate((2, 3, 8, 12), 1)],
            *[("", ("b", number), time) for number, time in enumerate((5, 9, 15), 1)],
            ("", ("a", "timer", 4), 50),
            ("", ("b", "timer", 3), 50),
        ],
    ),
    (KeyedCoProcessSpecification(_CO_CALLS, CoCall.PROCESS, BOTH_KEYS), (*TWO, Reached(MAX_TIME)), _CO_CALLED),
    (KeyedBroadcastProcessSpecification((_ruled, _noted), KEY, (RULES,)), (*TWO, Reached(MAX_TIME)), _RULED),
]


async def _asked(row: Row) -> list[Any]:
    return [(row.k, _number(row))]


CASES: Mapping[type[OperatorSpecification], Sequence[Case]] = {
    MapSpecification: [
        Case(MapSpecification(lambda row: _number(row) * 2), STEPS, [("", (n or 0) * 2, time) for _, n, time in ALL])
    ],
    FilterSpecification: [
        Case(FilterSpecification(lambda row: row.k == "a"), STEPS, _records(lambda k, _: k == "a")),
    ],
    FlatMapSpecification: [
        Case(
            FlatMapSpecification(lambda row: [row.k] * (_number(row) % 3)),
            STEPS,
            [("", k, time) for k, n, time in ALL for _ in range((n or 0) % 3)],
        )
    ],
    AsyncWaitSpecification: [
        Case(AsyncWaitSpecification(_asked), STEPS, [("", (k, n or 0), time) for k, n, time in ALL]),
    ],
    MapBatchesSpecification: [
        Case(
            MapBatchesSpecification(_tripled),
            STEPS,
            [("", Row("k", "n", "again")(k, n, n), time) for k, n, time in ALL],
        )
    ],
    FilterExpressionSpecification: [
        Case(FilterExpressionSpecification(col("n") > 1), STEPS, _records(lambda _, n: n is not None and n > 1)),
    ],
    MapExpressionSpecification: [
        Case(MapExpressionSpecification(col("n").fill_null(0) * 2), STEPS, [("", (n or 0) * 2, t) for _, n, t in ALL])
    ],
    SelectSpecification: [
        Case(
            SelectSpecification(Selection.of(["n"], {"key": col("k").upper()})),
            STEPS,
            [("", Row("n", "key")(n, (k or "").upper()), time) for k, n, time in ALL],
        ),
        Case(
            SelectSpecification(Selection.of([], {"n": col("n") + 1}, keeps=True)),
            STEPS,
            [("", _named(k, None if n is None else n + 1), time) for k, n, time in ALL],
        ),
    ],
    ProjectSpecification: [
        Case(ProjectSpecification(Projection((1,))), STEPS, [("", Row(n=n), time) for _, n, time in ALL]),
    ],
    ProcessSpecification: [
        Case(
            ProcessSpecification(_Odd()),
            STEPS,
            [(("odd", (n, time), time) if (n or 0) % 2 else ("", _named(k, n), time)) for k, n, time in ALL],
            tags=["odd"],
            ordered=False,
        )
    ],
    KeyedProcessSpecification: [
        Case(
            KeyedProcessSpecification(_Counting(), key),
            STEPS,
            [
                ("", ("a", 1), 3),
                ("", ("b", 1), 5),
                ("", ("a", 2), 8),
                ("", ("b", 2), 9),
                ("", ("a", 3), 12),
                ("", ("a", 4), 2),
                ("", ("b", 3), 15),
                ("", ("a", "timer", 4), 50),
                ("", ("b", "timer", 3), 50),
            ],
            ordered=False,
        )
        for key in (KEY, KEY_BY_FUNCTION)
    ],
    KeyedReduceSpecification: [
        Case(
            KeyedReduceSpecification(_added, KEY),
            STEPS,
            [
                ("", _named("a", 1), 3),
                ("", _named("b", 2), 5),
                ("", _named("a", 1), 8),
                ("", _named("b", 6), 9),
                ("", _named("a", 6), 12),
                ("", _named("a", 12), 2),
                ("", _named("b", 13), 15),
            ],
        )
    ],
    WindowSpecification: [
        Case(WindowSpecification(KEY, TENS, reduce=_added, late=LATE), STEPS, WINDOWED, ["late"], ordered=False),
        Case(
            WindowSpecification(KEY, TENS, aggregate=Combined([Count(), Sum("n")]), late=LATE),
            STEPS,
            AGGREGATED,
            ["late"],
            ordered=False,
        ),
        Case(
            WindowSpecification(KEY_BY_FUNCTION, TENS, aggregate=Combined([Count(), Sum("n")]), late=LATE),
            STEPS,
            AGGREGATED,
            ["late"],
            ordered=False,
        ),
    ],
    TimestampsSpecification: [
        Case(
            TimestampsSpecification(
                WatermarkStrategy[Any].for_monotonous_timestamps().with_timestamp_assigner(lambda row, _: _number(row))
            ),
            STEPS,
            [("", _named(k, n), n or 0) for k, n, _ in ALL],
        )
    ],
    CoProcessSpecification: [Case(CoProcessSpecification(_CO_CALLS, CoCall.PROCESS), TWO, _CO_CALLED)],
    KeyedCoProcessSpecification: [
        Case(KeyedCoProcessSpecification(_CO_CALLS, CoCall.PROCESS, BOTH_KEYS), TWO, _CO_CALLED)
    ],
    BroadcastProcessSpecification: [Case(BroadcastProcessSpecification((_ruled, _noted), (RULES,)), TWO, _RULED)],
    KeyedBroadcastProcessSpecification: [
        Case(KeyedBroadcastProcessSpecification((_ruled, _noted), KEY, (RULES,)), TWO, _RULED)
    ],
    IntervalJoinSpecification: [
        Case(
            IntervalJoinSpecification(lambda left, right, _: [(left.n, right.n)], BOTH_KEYS, -5, 5),
            TWO,
            [("", (1, 10), 4)],
        )
    ],
    BroadcastFirstSpecification: [
        Case(
            BroadcastFirstSpecification(BroadcastProcessSpecification((_ruled, _noted), (RULES,))),
            (*TWO, Reached(MAX_TIME)),
            _RULED,
        )
    ],
    FinalReduceSpecification: [Case(FinalReduceSpecification(_added, KEY), ONE_KEY, [("", _named("a", 6), 12)])],
    GroupedSpecification: [
        Case(GroupedSpecification(inner), steps, expected, ["late"], ordered=False)
        for inner, steps, expected in _GROUPED
    ],
    SinkSpecification: [Case(SinkSpecification(SINK), STEPS, _records(), written=SINK.taken)],
    CollectSpecification: [
        Case(CollectSpecification(), STEPS, [("", _named(k, n), None) for k, n, _ in ALL]),
    ],
}
"""At least one for each specification that takes records."""

WITHOUT_INPUT: frozenset[type[OperatorSpecification]] = frozenset({EnumeratorSpecification, ReaderSpecification})
"""What is given no records has no form to take them in."""
