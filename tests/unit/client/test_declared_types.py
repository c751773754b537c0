"""Types of streams: declared, annotated, or unknown."""

from collections.abc import Iterable, Iterator

from millstream_dataflow.functions import KeyedProcessFunction, ProcessFunction
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.types import Types
from millstream_dataflow.windows import TumblingEventTimeWindows
from tests.unit.client.programs import environment, numbers
from tests.unit.client.written import Digits, Increment


def test_a_declared_type_goes_before_an_annotated_one() -> None:
    stream = numbers(environment())
    assert stream.map(Increment(), Types.LONG()).get_type() == Types.LONG()
    assert str(stream.map(Increment()).get_type()) == "int"


def test_annotations_of_functions_and_of_their_items() -> None:
    def parse(value: int) -> tuple[str, float]:
        return str(value), 1.0

    def words(value: int) -> list[str]:
        return [str(value)]

    def pair(value: int) -> tuple[int, str]:
        return value, ""

    stream = numbers(environment())
    assert str(stream.map(parse).get_type()) == "TUPLE([STRING(), float])"
    assert stream.flat_map(words).get_type() == Types.STRING()
    assert stream.flat_map(Digits()).get_type() == Types.STRING()
    assert stream.flat_map(pair).get_type() == Types.PICKLED_BYTE_ARRAY()


def test_nothing_said_means_pickled() -> None:
    stream = numbers(environment())
    assert stream.get_type() == Types.PICKLED_BYTE_ARRAY()
    assert stream.map(lambda x: x).get_type() == Types.PICKLED_BYTE_ARRAY()


def test_an_annotation_that_can_not_be_read_says_nothing() -> None:
    def odd(value: object) -> object:
        return value

    odd.__annotations__["return"] = "no_such_name"
    assert numbers(environment()).map(odd).get_type() == Types.PICKLED_BYTE_ARRAY()


def test_what_changes_no_record_keeps_the_type() -> None:
    stream = environment().from_collection([1], Types.INT())
    assert stream.filter(bool).get_type() == Types.INT()
    assert stream.rebalance().get_type() == Types.INT()
    assert stream.key_by(abs).sum().get_type() == Types.INT()
    assert stream.union(stream.filter(bool)).get_type() == Types.INT()
    assert stream.union(stream.map(lambda x: x)).get_type() == Types.PICKLED_BYTE_ARRAY()


class Tells(KeyedProcessFunction[int, int, str]):
    def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> Iterator[str]:
        yield str(value)


class TellsLater(Tells):
    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[str]:
        yield "later"


class TellsOtherwise(Tells):
    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[int]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # that is the point
        yield timestamp


class Aside(ProcessFunction[int, float]):
    def process_element(
        self, value: int, ctx: ProcessFunction.Context
    ) -> Iterable[float | tuple[OutputTag[str], str]] | None:
        return [1.0] if value else None


def test_process_functions_say_what_they_give_beside_side_outputs() -> None:
    stream = numbers(environment())
    keyed = stream.key_by(lambda value: value)
    assert str(stream.process(Aside()).get_type()) == "float"
    assert keyed.process(Tells()).get_type() == Types.STRING()
    assert keyed.process(TellsLater()).get_type() == Types.STRING()
    assert keyed.process(TellsOtherwise()).get_type() == Types.PICKLED_BYTE_ARRAY()
    assert keyed.process(Tells(), Types.ANY()).get_type() == Types.ANY()

    def window(key: int, context: object, elements: Iterable[int]) -> list[tuple[int, str]]:
        return [(key, "")]

    windows = keyed.window(TumblingEventTimeWindows.of(10))
    assert str(windows.process(window).get_type()) == "TUPLE([int, STRING()])"
    assert windows.reduce(max, window, Types.ANY()).get_type() == Types.ANY()
