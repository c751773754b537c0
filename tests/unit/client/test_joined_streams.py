"""What the calls of joins write down, what they refuse, and which types a checker sees through them."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, assert_type

import pytest

from millstream.datastream.co_grouped_streams import CoGroupWindow
from millstream.datastream.data_stream import DataStream
from millstream.datastream.joined_streams import JoinedStreams, JoinWindow
from millstream.errors import (
    ArgumentError,
    NotSupportedError,
    ProgramError,
)
from millstream_dataflow.functions import CoGroupFunction, FlatJoinFunction, JoinFunction
from millstream_dataflow.operators.specifications import KeySelection, WindowSpecification
from millstream_dataflow.operators.two_inputs import (
    IntervalJoinSpecification,
)
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.types import Types
from millstream_dataflow.windows import TumblingEventTimeWindows
from tests.unit.client.programs import environment
from tests.unit.client.two_streams import Pair, both, itself, keyed_pair, length, letters, untyped
from tests.unit.client.written import operator, specification


class TestIntervalJoin:
    """Bounds, late data."""

    @pytest.mark.parametrize(
        ("bounds", "exclude", "expected"),
        [
            ((-5, 10), (), (-5, 10)),
            ((timedelta(seconds=-1), timedelta(0)), ("lower",), (-999, 0)),
            ((0, 10), ("upper",), (0, 9)),
            ((0, 2), ("lower", "upper"), (1, 1)),
        ],
    )
    def test_bounds(self, bounds: tuple[Any, Any], exclude: tuple[str, ...], expected: tuple[int, int]) -> None:
        left, right = keyed_pair()
        join = left.interval_join(right).in_event_time().between(*bounds)
        for name in exclude:
            join = getattr(join, f"{name}_bound_exclusive")()
        stream = untyped(join).process(Pair(), Types.STRING())
        made = specification(stream)
        assert isinstance(made, IntervalJoinSpecification)
        assert (made.lower, made.upper, made.late) == (*expected, (None, None))
        assert (stream.get_name(), stream.get_type()) == ("Interval Join", Types.STRING())

    def test_late_data_goes_to_tags(self) -> None:
        left, right = keyed_pair()
        late_left, late_right = OutputTag[int]("late left"), OutputTag[str]("late right")
        join = left.interval_join(right).between(0, 1)
        stream = join.side_output_left_late_data(late_left).side_output_right_late_data(late_right).process(Pair())
        made = specification(stream)
        assert isinstance(made, IntervalJoinSpecification)
        assert made.late == (late_left, late_right)
        stream.get_side_output(late_left)

    @pytest.mark.parametrize("bounds", [(1, 0), (0, 0), (0, 1)])
    def test_bounds_between_which_nothing_lies(self, bounds: tuple[int, int]) -> None:
        left, right = keyed_pair()
        join = left.interval_join(right).between(*bounds).lower_bound_exclusive().upper_bound_exclusive()
        expected = (
            f"between {bounds[0]} and {bounds[1]} ms, the lower bound and the upper bound excluded, joins nothing"
        )
        with pytest.raises(ProgramError, match=expected):
            join.process(Pair())

    def test_what_else_is_refused(self) -> None:
        left, right = keyed_pair()
        with pytest.raises(NotSupportedError, match="an interval join by processing time was asked for"):
            left.interval_join(right).in_processing_time()
        with pytest.raises(ArgumentError, match="interval_join takes a stream with keys, but got 5"):
            left.interval_join(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is refused
        with pytest.raises(
            ArgumentError, match=r"process of an interval join takes .* but got the class Pair; give an"
        ):
            left.interval_join(right).between(0, 1).process(Pair)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as above
        with pytest.raises(TypeError, match="a span of time is a timedelta"):
            left.interval_join(right).between("1 s", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as above


TENS = TumblingEventTimeWindows.of(10)


class Joined(JoinFunction[int, str, float]):
    def join(self, first: int, second: str) -> float:
        return 1.0


class Several(FlatJoinFunction[int, str, bytes]):
    def join(self, first: int, second: str) -> Iterable[bytes]:
        return [b""]


class Grouped(CoGroupFunction[int, str, bool]):
    def co_group(self, first: Iterable[int], second: Iterable[str]) -> Iterator[bool]:
        yield True


def repeated(first: int, second: str) -> Iterator[str]:
    yield from second * first


def joined() -> JoinWindow[int, str]:
    first, second = both()
    return first.join(second).where(itself).equal_to(length).window(TENS)


def grouped() -> CoGroupWindow[int, str]:
    first, second = both()
    return first.key_by(itself).co_group(second).where("real", Types.INT()).equal_to(length).window(TENS)


class TestWindowJoins:
    """Joins and groups in windows."""

    def test_types_that_a_checker_sees(self) -> None:
        """`make check` runs mypy and pyright over these lines."""
        assert_type(joined().apply(Joined()), DataStream[float])
        assert_type(joined().apply(Several()), DataStream[bytes])
        assert_type(joined().apply(lambda first, second: (first, second)), DataStream[tuple[int, str]])
        assert_type(grouped().apply(Grouped()), DataStream[bool])
        assert_type(grouped().apply(lambda first, _second: [*first]), DataStream[int])

    def test_types_that_are_annotated(self) -> None:
        types = [
            str(stream.get_type())
            for stream in (
                joined().apply(Joined()),
                joined().apply(Several()),
                joined().apply(repeated),
                grouped().apply(Grouped()),
            )
        ]
        assert types == ["float", "PRIMITIVE_ARRAY(BYTE())", "STRING()", "BOOLEAN()"]
        assert joined().apply(Joined(), Types.DOUBLE()).get_type() == Types.DOUBLE()

    def test_both_are_one_stream_of_tagged_records_by_key(self) -> None:
        stream = grouped().apply(Grouped())
        made = specification(stream)
        assert isinstance(made, WindowSpecification)
        assert isinstance(made.key, KeySelection)
        assert [made.key.selector((0, 5)), made.key.selector((1, "abc"))] == [5, 3]
        [key] = operator(stream).inputs
        tagged = key.inputs[0].inputs
        assert [str(one.type) for one in tagged] == ["None", "TUPLE([INT(), STRING()])"]
        assert stream.get_name() == "Window(TumblingEventTimeWindows(10), Grouped)"

    @pytest.mark.parametrize(
        ("made", "sentence"),
        [
            (lambda: untyped(joined()).apply(Joined), "but got the class Joined; give an object of it: Joined()"),
            (
                lambda: untyped(joined()).apply(Grouped()),
                "a join takes a JoinFunction, a FlatJoinFunction or",
            ),
            (lambda: untyped(grouped()).apply(letters), "called with (first, second), but"),
            (lambda: untyped(both()[0]).join(5), "join takes a DataStream, but got 5"),
            (lambda: untyped(with_itself()).where(itself, int), "key_by takes a type of Types"),
            (lambda: untyped(windowless()).window(10), "window takes a WindowAssigner"),
        ],
    )
    def test_what_is_refused(self, made: Callable[[], Any], sentence: str) -> None:
        with pytest.raises(ArgumentError, match=re.escape(sentence)):
            made()

    def test_only_windows_of_event_time_have_lateness(self) -> None:
        windows = joined().allowed_lateness(5)
        made = specification(windows.apply(Joined()))
        assert isinstance(made, WindowSpecification)
        assert made.allowed_lateness == 5


def with_itself() -> JoinedStreams[int, int]:
    numbers, _ = both()
    return numbers.join(numbers)


def windowless() -> Any:  # noqa: ANN401  # of no window yet
    env = environment()
    first, second = both(env)
    return first.join(second).where(itself).equal_to(length)


@pytest.mark.parametrize("part", [joined, grouped, lambda: windowless()._streams, with_itself])
def test_parts_of_a_program_stay_in_it(part: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="belongs to the program that makes the job"):
        part().__reduce__()
