"""Interval join: pairs of records with one key whose times are near each other."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from millstream_dataflow.functions import ProcessJoinFunction, RuntimeContext
from millstream_dataflow.keys import key_group, key_hash
from millstream_dataflow.operators.two_inputs import IntervalJoinSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.state import ValueStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_taskmanager.operators.base import SLICE, Operator, SideBatch
from millstream_taskmanager.operators.interval_join import IntervalJoinOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench
from tests.support.two_inputs import FIRST, given, restored, timed, untimed

LEFT: OutputTag[Any] = OutputTag("late left")
RIGHT: OutputTag[Any] = OutputTag("late right")
MANY: OutputTag[Any] = OutputTag("many")


class Both(ProcessJoinFunction[Any, Any, Any]):
    """The pair, with the times of all three."""

    def process_element(self, left: Any, right: Any, ctx: ProcessJoinFunction.Context) -> Iterator[Any]:  # noqa: ANN401  # any records
        assert ctx.get_timestamp() == max(ctx.get_left_timestamp(), ctx.get_right_timestamp())
        yield left[1], right[1], ctx.get_left_timestamp(), ctx.get_right_timestamp()


def specification(
    lower: int = -5, upper: int = 10, function: object = None, late: tuple[Any, Any] = (LEFT, RIGHT)
) -> IntervalJoinSpecification:
    return IntervalJoinSpecification(function or Both(), (FIRST, FIRST), lower, upper, late)


def opened(
    made: IntervalJoinSpecification | None = None,
    state: RestoredState | None = None,
    bench: OperatorBench | None = None,
) -> IntervalJoinOperator:
    operator = IntervalJoinOperator(made or specification())
    operator.open((bench or OperatorBench()).context(state))
    return operator


def test_records_of_one_key_whose_times_are_near_make_a_pair() -> None:
    operator = opened()
    assert given(operator.process(0, timed((("a", "l1"), 100), (("b", "l2"), 100)))) == []
    found = operator.process(
        1, timed((("a", "r1"), 94), (("a", "r2"), 95), (("b", "r3"), 110), (("a", "r4"), 111), (("c", "r5"), 100))
    )
    assert given(found) == [(("l1", "r2", 100, 95), 100), (("l2", "r3", 100, 110), 110)]
    assert given(operator.process(0, timed((("a", "l3"), 101)))) == [(("l3", "r4", 101, 111), 111)], (
        "r2 lies 6 before it, and r4 10 behind"
    )


def test_partners_come_in_the_order_of_their_times() -> None:
    operator = opened(specification(-10, 10))
    list(operator.process(0, timed((("a", 3), 13), (("a", 1), 11), (("a", 2), 12), (("a", 4), 13), (("a", 0), 3))))
    assert [value[0] for value, _ in given(operator.process(1, timed((("a", "r"), 10))))] == [0, 1, 2, 3, 4]


def test_the_watermark_of_one_side_forgets_nothing_that_the_other_may_want() -> None:
    """The operator's is that of the side that is behind, so it comes only when both have come so far."""
    operator = opened(specification(-5, 10))
    list(operator.process(0, timed((("a", "l"), 100))))
    list(operator.process(1, timed((("a", "r"), 100))))
    assert kept(operator) == {"a": ([100], [100])}
    list(operator.advance(Watermark(105)))
    assert kept(operator) == {"a": ([100], [100])}, "a right one of 110, and a left one of 105, may still come"
    list(operator.advance(Watermark(106)))
    assert kept(operator) == {"a": ([100], [])}
    list(operator.advance(Watermark(110)))
    assert given(operator.process(1, timed((("a", "r2"), 110)))) == [(("l", "r2", 100, 110), 110)]
    list(operator.advance(Watermark(111)))
    assert kept(operator) == {"a": ([], [110])}
    list(operator.advance(Watermark(MAX_TIME)))
    assert kept(operator) == {}


def test_a_record_that_comes_out_of_order_is_forgotten_in_its_time() -> None:
    operator = opened(specification(-5, 10))
    for time in (120, 100, 110):
        list(operator.process(0, timed((("a", "l"), time))))
    for watermark, times in ((110, [100, 110, 120]), (111, [110, 120]), (121, [120])):
        list(operator.advance(Watermark(watermark)))
        assert kept(operator) == {"a": (times, [])}


def kept(operator: IntervalJoinOperator) -> dict[Any, tuple[list[int], list[int]]]:
    """The times that are kept of each key, left and right."""
    left, right = (buffer._entries for buffer in operator._buffers)
    nothing: tuple[list[int], list[Any]] = ([], [])
    return {key: (left.get(key, nothing)[0], right.get(key, nothing)[0]) for key in left.keys() | right.keys()}


def test_one_side_that_has_ended_leaves_the_other_its_partners() -> None:
    operator = opened()
    list(operator.process(0, timed((("a", "l"), 100))))
    assert list(operator.end_of_input(0)) == []
    assert given(operator.process(1, timed((("a", "r"), 105)))) == [(("l", "r", 100, 105), 105)]
    assert list(operator.end_of_input(1)) == []


def test_what_lies_before_the_watermark_is_late() -> None:
    operator = opened()
    list(operator.advance(Watermark(100)))
    late = timed((("a", "l1"), 99), (("a", "l2"), 100), (("a", "l3"), 98))
    assert list(operator.process(0, late)) == [SideBatch("late left", RowBatch([("a", "l1"), ("a", "l3")], [99, 98]))]
    assert list(operator.process(1, timed((("a", "r1"), 100), (("a", "r2"), 0)))) == [
        RowBatch([("l2", "r1", 100, 100)], [100]),
        SideBatch("late right", RowBatch([("a", "r2")], [0])),
    ]
    assert (operator.received, operator.processed, operator.late) == (5, 2, 3)


def test_late_records_without_a_tag_are_dropped_and_counted() -> None:
    operator = opened(specification(late=(None, None)))
    list(operator.advance(Watermark(100)))
    assert list(operator.process(0, timed((("a", "l"), 99)))) == []
    assert (operator.received, operator.processed, operator.late) == (1, 0, 1)


def test_many_pairs_and_side_outputs_come_in_slices() -> None:
    count = 100

    def pairs(left: Any, right: Any, _: object) -> Iterator[Any]:  # noqa: ANN401  # any records
        yield left[1] * count + right[1]
        yield MANY, left[1]

    operator = opened(specification(-1, 1, pairs))
    list(operator.process(0, RowBatch([("a", number) for number in range(count)], [5] * count)))
    outputs = list(operator.process(1, RowBatch([("a", number) for number in range(count)], [5] * count)))
    sizes = [len(output.batch if isinstance(output, SideBatch) else given([output])) for output in outputs]
    assert sum(sizes) == 2 * count * count
    assert max(sizes) <= SLICE


class Counting(ProcessJoinFunction[Any, Any, Any]):
    """Numbers the pairs of a key."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", int))

    def process_element(self, left: Any, right: Any, ctx: ProcessJoinFunction.Context) -> Iterator[Any]:  # noqa: ANN401  # any record
        self.count.update((self.count.value() or 0) + 1)
        yield left[0], self.count.value()


def test_the_function_may_have_state_of_the_key() -> None:
    operator = opened(specification(function=Counting()))
    list(operator.process(0, timed((("a", 1), 1), (("b", 1), 1))))
    found = operator.process(1, timed((("a", 1), 1), (("b", 1), 1), (("a", 2), 2)))
    assert [value for value, _ in given(found)] == [("a", 1), ("b", 1), ("a", 2)]


def test_nobody_can_change_what_is_kept() -> None:
    """Law 4.5: a record is given to the function once for each partner, and is stored in between."""

    def spoiling(left: Any, right: Any, _: object) -> Iterator[Any]:  # noqa: ANN401  # any records
        for one in (left, right):
            one.append("spoilt")
        yield left, right

    operator = opened(specification(function=spoiling))
    list(operator.process(0, timed((["a", 1], 1))))
    for number in (2, 3):
        assert given(operator.process(1, timed((["a", number], 1)))) == [
            ((["a", 1, "spoilt"], ["a", number, "spoilt"]), 1)
        ]
    again = opened(specification(), state=restored(operator))
    assert [value[:2] for value, _ in given(again.process(0, timed((("a", 4), 1))))] == [(4, 2), (4, 3)]


def test_records_without_times_are_refused() -> None:
    with pytest.raises(UserCodeError, match=r"an interval join needs records with times.*assign timestamps") as raised:
        list(opened().process(1, untimed(("a", 1))))
    assert raised.value.record == "('a', 1)"


def test_an_error_names_the_record_that_came() -> None:
    def failing(left: Any, right: Any, _: object) -> Any:  # noqa: ANN401  # any records
        return 1 / right[1]

    operator = opened(specification(function=failing))
    list(operator.process(0, timed((("a", 1), 1))))
    with pytest.raises(UserCodeError) as raised:
        list(operator.process(1, timed((("b", 0), 1), (("a", 0), 1))))
    assert raised.value.record == "('a', 0)"


# ------------------------------------------------------------------------------------- against nested loops


RECORDS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from("abc"), st.integers(0, 40), st.integers(-10, 5)), max_size=40
)
BOUNDS = st.tuples(st.integers(-12, 12), st.integers(-12, 12)).map(sorted)


class Subtasks:
    """The subtasks of a join, each with the keys of its groups."""

    def __init__(self, bounds: Sequence[int], parallelism: int, state: RestoredState | None = None) -> None:
        self.parallelism = parallelism
        made = specification(bounds[0], bounds[1])
        self.operators = [
            opened(made, state, OperatorBench(subtask=index, parallelism=parallelism)) for index in range(parallelism)
        ]

    def send(self, number: int, record: tuple[Any, int]) -> list[Any]:
        operator = self.operators[key_group(key_hash(record[0][0]), 128) * self.parallelism // 128]
        outputs: list[Any] = list(operator.process(number, timed(record)))
        late = [output for output in outputs if isinstance(output, SideBatch)]
        return [value for value, _ in given(output for output in outputs if output not in late)]

    def advance(self, time: int) -> None:
        for operator in self.operators:
            list(operator.advance(Watermark(time)))

    def rescaled(self, bounds: Sequence[int], parallelism: int) -> "Subtasks":
        operators: Sequence[Operator] = self.operators
        return Subtasks(bounds, parallelism, restored(*operators))


def forgets(operator: IntervalJoinOperator) -> bool:
    """Whether it keeps nothing that waits for nobody."""
    return all(
        times[0] >= buffer.first_waiting(operator.times.time)
        for buffer in operator._buffers
        for times, _ in buffer._entries.values()
    )


@for_all(RECORDS, BOUNDS, st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_whatever_comes_in_whatever_order_it_is_what_nested_loops_find(
    records: list[tuple[int, str, int, int]], bounds: list[int], parallelisms: list[int]
) -> None:
    """Of all that wasn't late. Now and then the operators go on from a snapshot, at another parallelism."""
    lower, upper = bounds
    watermark, highest = MIN_TIME, 0
    accepted: list[tuple[int, str, int, int]] = []
    found: list[Any] = []
    joins = Subtasks(bounds, parallelisms[0])
    for place, (number, key, time, lag) in enumerate(records):
        if time >= watermark:
            accepted.append((number, key, time, place))
        found += joins.send(number, ((key, place), time))
        highest = max(highest, time)
        if highest + lag > watermark:
            watermark = highest + lag
            joins.advance(watermark)
            assert all(map(forgets, joins.operators)), "what waits for nobody is forgotten at once"
        if place % 7 == 6:
            joins = joins.rescaled(bounds, parallelisms[place % len(parallelisms)])
    lefts = [record for record in accepted if record[0] == 0]
    rights = [record for record in accepted if record[0] == 1]
    expected = [
        (left[3], right[3], left[2], right[2])
        for left in lefts
        for right in rights
        if left[1] == right[1] and left[2] + lower <= right[2] <= left[2] + upper
    ]
    assert Counter(found) == Counter(expected)
    joins.advance(MAX_TIME)
    assert all(kept(operator) == {} for operator in joins.operators)
