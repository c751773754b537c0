"""Records of a window are taken many at a time; what comes of them is what comes of one at a time."""

import copy
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import AggregateFunction
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import KeySelection, WindowSpecification
from millstream_dataflow.records import Barrier, RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.windows import TumblingEventTimeWindows, TumblingProcessingTimeWindows, window_start
from millstream_taskmanager.operators.base import SLICE, SideBatch
from millstream_taskmanager.operators.emitting import Collector
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.operators.window import WindowOperator
from millstream_taskmanager.operators.window_places import Places
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

LATE: OutputTag[Any] = OutputTag("late")
KEY = KeySelection(lambda record: record[0])

Record = tuple[Any, str]
Timed = tuple[Record, int]


def joined(one: Record, other: Record) -> Record:
    """Shows the order."""
    return one[0], one[1] + other[1]


def extended(one: list[Any], other: list[Any]) -> list[Any]:
    """The same, in place."""
    one[1] += other[1]
    return one


class Texts(AggregateFunction[Record, list[str], str]):
    """The same, in an accumulator that is changed in place."""

    def create_accumulator(self) -> list[str]:
        return []

    def add(self, value: Record, accumulator: list[str]) -> list[str]:
        accumulator.append(value[1])
        return accumulator

    def get_result(self, accumulator: list[str]) -> str:
        return "".join(accumulator)

    def merge(self, acc_a: list[str], acc_b: list[str]) -> list[str]:
        return acc_a + acc_b


def whole(key: object, _context: object, elements: Any) -> Any:  # noqa: ANN401  # any records
    yield key, list(elements)


WAYS: dict[str, dict[str, Any]] = {
    "reduce": {"reduce": joined},
    "reduce in place": {"reduce": extended},
    "aggregate": {"aggregate": Texts()},
    "all records": {"process": whole},
    "process behind reduce": {"reduce": joined, "process": whole},
}


def opened(options: dict[str, Any], state: RestoredState | None = None) -> WindowOperator:
    operator = WindowOperator(WindowSpecification(KEY, late=LATE, **options))
    operator.open(OperatorBench().context(state))
    return operator


class Seen:
    """What an operator gave: results and late records, each in order."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.late: list[Any] = []

    def take(self, outputs: Any) -> None:  # noqa: ANN401  # of an operator
        for output in outputs:
            batch = output.batch if isinstance(output, SideBatch) else output
            assert isinstance(batch, RowBatch)
            assert batch.timestamps is not None
            rows = [*zip(copy.deepcopy(batch.values), batch.timestamps, strict=True)]
            (self.late if isinstance(output, SideBatch) else self.results).extend(rows)


def process(operator: WindowOperator, records: Sequence[Timed], seen: Seen, *, at_once: bool, as_list: bool) -> None:
    for some in [records] if at_once else [[record] for record in records]:
        values = [list(value) if as_list else value for value, _ in some]
        seen.take(operator.process(0, RowBatch(values, [time for _, time in some])))


def some_records(chance: Random) -> list[Timed]:
    """In order and in none, few and enough for the ways of many."""
    records = [
        ((chance.choice("abc"), chance.choice("uvwxyz")), chance.randint(-60, 60))
        for _ in range(chance.choice((1, 5, 31, 32, 90)))
    ]
    return sorted(records, key=lambda record: record[1] + chance.randint(0, 20)) if chance.random() < 0.5 else records


SEEDS = st.integers(0, 1 << 32)
ASSIGNERS = st.builds(TumblingEventTimeWindows, st.sampled_from([3, 10, 1_000]), st.sampled_from([0, 2, -1]))


@pytest.mark.parametrize("way", WAYS)
@given(ASSIGNERS, st.sampled_from([0, 7]), SEEDS)
def test_many_at_a_time_come_to_what_one_at_a_time_comes_to(
    way: str, assigner: TumblingEventTimeWindows, lateness: int, seed: int
) -> None:
    """With late records, and snapshots under way that must hold what there was at their cut."""
    chance = Random(seed)
    first = chance.choice((-100, -70, 0))  # the lowest: nothing of the first batch is late
    steps = [(some_records(chance), first + 25 * step, chance.random() < 0.5) for step in range(4)]
    options = {"assigner": assigner, "allowed_lateness": lateness, **WAYS[way]}
    seen: list[Seen] = []
    entries: list[Any] = []
    cuts: list[Any] = []
    for at_once in (True, False):
        operator, found = opened(options), Seen()
        under_way: list[tuple[Any, Any]] = []  # snapshots, and what they must hold
        for records, time, cut in steps:
            if cut:
                under_way.append((operator.keyed_snapshot(), copy.deepcopy(operator._table.entries)))
                if not under_way[-1][0].done:
                    under_way[-1][0].encode_some()
            process(operator, records, found, at_once=at_once, as_list=way == "reduce in place")
            found.take(operator.advance(Watermark(time)))
        entries.append((copy.deepcopy(operator._table.entries), operator.late, operator.processed))
        found.take(operator.advance(Watermark(MAX_TIME)))
        seen.append(found)
        for snapshot, expected in under_way:
            while not snapshot.done:
                snapshot.encode_some()
            restored = opened(options, RestoredState((), tuple(snapshot.runs), restored=True))
            assert restored._table.entries == {window: kept for window, kept in expected.items() if kept}
        cuts.append([expected for _, expected in under_way])
    assert seen[0].results == seen[1].results
    assert seen[0].late == seen[1].late
    assert entries[0] == entries[1]
    assert cuts[0] == cuts[1]


@given(ASSIGNERS, SEEDS, st.integers(-70, 60))
def test_after_a_restore_each_key_has_its_own_time(assigner: TumblingEventTimeWindows, seed: int, time: int) -> None:
    """Two subtasks had come differently far; one takes up the groups of both."""
    records = some_records(Random(seed))
    runs: list[Any] = []
    for subtask, came_to in ((0, time), (1, 20)):
        former = WindowOperator(WindowSpecification(KEY, assigner, reduce=joined))
        former.open(OperatorBench(subtask=subtask, parallelism=2).context())
        list(former.advance(Watermark(came_to)))
        list(former.snapshot(Barrier(CheckpointId(1)), ended=False))
        snapshot = former.keyed_snapshot()
        assert snapshot is not None
        runs += snapshot.runs
    found: list[tuple[Any, Any, int]] = []
    for at_once in (True, False):
        operator = opened({"assigner": assigner, "reduce": joined}, RestoredState((), tuple(runs), restored=True))
        seen = Seen()
        process(operator, records, seen, at_once=at_once, as_list=False)
        seen.take(operator.advance(Watermark(MAX_TIME)))
        by_key = [[row for row in seen.late if row[0][0] == key] for key in "abc"]
        found.append((sorted(seen.results), by_key, operator.late))
    assert found[0] == found[1]


@pytest.mark.parametrize("offset", [0, 3, -3])
def test_times_at_the_ends_of_64_bits(offset: int) -> None:
    operator = opened({"assigner": TumblingEventTimeWindows(10, offset), "reduce": joined})
    times = [MIN_TIME, (1 << 63) - 1] * 40
    list(operator.process(0, RowBatch([("a", "x")] * len(times), times)))
    kept = {window.start: record for window, entries in operator._table.entries.items() for record in entries.values()}
    late = operator.late
    high = window_start((1 << 63) - 1, offset, 10)
    assert kept[high] == ("a", "x" * 40)
    assert late + sum(len(text) for _, text in kept.values()) == len(times)


def test_by_the_clock_all_are_of_one_window() -> None:
    bench = OperatorBench(now=25)
    operator = WindowOperator(WindowSpecification(KEY, TumblingProcessingTimeWindows.of(10), reduce=joined))
    operator.open(bench.context())
    assert list(operator.process(0, RowBatch([(number % 3, "x") for number in range(60)], list(range(60))))) == []
    [(window, entries)] = operator._table.entries.items()
    assert (window.start, [text for _, text in entries.values()]) == (20, ["x" * 20] * 3)


@pytest.mark.parametrize("way", ["reduce", "aggregate", "all records"])
def test_no_records_are_nothing(way: str) -> None:
    operator = opened({"assigner": TumblingEventTimeWindows(10), **WAYS[way]})
    assert list(operator.process(0, RowBatch([], []))) == []
    assert operator._table.entries == {}


@pytest.mark.parametrize("spread", [1, 1_000], ids=["in order", "taking turns"])
def test_the_record_at_hand_is_named(spread: int) -> None:
    def fragile(one: Record, other: Record) -> Record:
        if other[1] == "bad":
            raise ValueError("no")
        return joined(one, other)

    operator = opened({"assigner": TumblingEventTimeWindows(10), "reduce": fragile})
    values = [("a", "bad" if number == 77 else str(number)) for number in range(100)]
    times = [number * spread % 40 for number in range(100)]
    with pytest.raises(UserCodeError) as raised:
        list(operator.process(0, RowBatch(values, times)))
    assert raised.value.record == "('a', 'bad')"


def test_results_that_go_to_side_outputs_are_looked_at_one_by_one() -> None:
    operator = opened({"assigner": TumblingEventTimeWindows(10), "reduce": lambda one, _other: (LATE, one)})
    list(operator.process(0, RowBatch([("a", "x"), ("a", "y"), ("b", "z")], [1, 1, 1])))
    side, main = sorted(operator.advance(Watermark(9)), key=lambda output: isinstance(output, RowBatch))
    assert isinstance(side, SideBatch)
    assert (side.tag, side.batch) == ("late", RowBatch([("a", "x")], [9]))
    assert main == RowBatch([("b", "z")], [9])


def test_what_can_change_is_not_collected_many_at_a_time() -> None:
    collector = Collector(timed=True)
    assert not collector.add_immutable([("a", 1), ("b", [2])], 9)
    assert list(collector.take()) == []
    assert collector.add_immutable([("a", 1), ("b", 2)] * SLICE, 9)
    assert collector.full
    assert list(collector.take()) == [RowBatch([("a", 1), ("b", 2)] * SLICE, [9] * (2 * SLICE))]


def test_looking_for_forgotten_periods_costs_no_more_the_more_windows_are_open() -> None:
    windows = Places(TumblingEventTimeWindows(10))
    looks, known = 0, windows._known
    for number in range(5_000):
        windows.at(number * 10).entries = {}
        looks, known = looks + (windows._known is not known), windows._known
    assert 1 <= looks <= 3
    for number in range(5_000, 25_000):  # late records, whose windows nobody opens
        windows.at(number * 10)
    assert len(windows._known) <= 3 * 5_000


@given(st.lists(st.integers(-200, 200), min_size=1, max_size=80), st.integers(1, 30), st.integers(0, 29), st.booleans())
def test_stretches_are_those_of_one_window(times: list[int], size: int, offset: int, in_order: bool) -> None:
    """Whether they are few, sorted or neither: each is found in its own way."""
    windows = Places(TumblingEventTimeWindows(size, offset % size))
    if in_order:
        times.sort()
    expected: list[list[int]] = []
    for time in times:
        if expected and windows.at(time) is windows.at(expected[-1][0]):
            expected[-1].append(time)
        else:
            expected.append([time])
    assert [times[start:end] for start, end in windows.stretches(times)] == expected
