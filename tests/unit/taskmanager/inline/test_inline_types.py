"""Law 9.4 where nothing travels: a value that doesn't fit the type its user declared fails in a chain as well."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from millstream import (
    DataStream,
    OutputTag,
    ProcessFunction,
    Row,
    StreamExecutionEnvironment,
    Types,
    WatermarkStrategy,
    col,
)
from millstream.execution.context import ProgramContext
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client
from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.types import TypeInformation
from tests.support.tasks import ListSource

Program = Callable[[DataStream[int]], DataStream[Any]]


def inline() -> StreamExecutionEnvironment:
    return StreamExecutionEnvironment(ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE)))


@pytest.fixture
def numbers() -> DataStream[int]:
    return inline().from_collection([1, 2, 300])


class Asides(ProcessFunction[int, int]):
    """Gives what it gets to a tag of which it doesn't say the type."""

    def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[Any]:
        yield OutputTag[int]("aside"), value


def aside(stream: DataStream[int], type_: TypeInformation[Any]) -> DataStream[Any]:
    return stream.process(Asides()).get_side_output(OutputTag("aside", type_))


def columns(stream: DataStream[int], type_: TypeInformation[Any]) -> DataStream[Any]:
    """One column, of integers of 64 bits."""
    named = stream.map(lambda x: (x,), output_type=Types.TUPLE([Types.LONG()]))
    return named.map_batches(lambda batch: batch.rename_columns(["n"]), output_type=type_)


class Names(ProcessFunction[int, Any]):
    def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[Any]:
        yield f"n{value}" if value > 2 else value


class SaysInt(ProcessFunction[int, int]):
    def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[int]:
        yield f"n{value}" if value > 2 else value  # type: ignore[misc]  # that is the point


def text(value: int) -> str:
    return "few" if value < 3 else value  # type: ignore[return-value]  # that is the point


def letter(value: int) -> int:
    return "a" if value > 2 else value  # type: ignore[return-value]  # that is the point


MISFITS: list[tuple[Program, str, str]] = [
    (lambda s: s.map(lambda _: "s", output_type=Types.INT()), "Map", "value is str 's', but INT() was declared"),
    (lambda s: s.map(lambda x: x, output_type=Types.BYTE()), "Map", "value is int 300, but BYTE() was declared"),
    (lambda s: s.map(text), "Map", "value is int 300, but STRING() was declared"),
    (lambda s: s.map(text).map(str), "Map", "value is int 300, but STRING() was declared"),
    (lambda s: s.map(text).filter(bool).map(str), "Map", "value is int 300, but STRING() was declared"),
    (lambda s: s.flat_map(lambda x: [x], output_type=Types.BYTE()), "Flat Map", "value is int 300, but BYTE()"),
    (lambda s: s.process(Names(), output_type=Types.LONG()), "Process", "value is str 'n300', but LONG() was"),
    (lambda s: s.process(SaysInt()), "Process", "value is str 'n300', but int was declared"),
    (
        lambda s: s.map(col(0) * 2, output_type=Types.BYTE()),
        "Map",
        "value is int 600, but BYTE() was declared",
    ),
    (
        lambda s: s.map(abs, output_type=Types.SHORT()).key_by(lambda _: 0).reduce(lambda a, b: a * b * 99),
        "Keyed Reduce",
        "value is int 5880600, but SHORT() was declared",
    ),
    (lambda s: aside(s, Types.BYTE()), "Process", "value is int 300, but BYTE() was declared"),
    (lambda s: aside(s, Types.SHORT()).union(aside(s, Types.CHAR())), "Process", "value is int 1, but CHAR() was"),
    (
        lambda s: columns(s, Types.ROW_NAMED(["n"], [Types.BYTE()])).map_batches(lambda batch: batch),
        "Map Batches",
        "value.n is int 300, but BYTE() was declared",
    ),
    (lambda s: columns(s, Types.ROW_NAMED(["m"], [Types.LONG()])), "Map Batches", "its fields are named; make it by"),
    (
        lambda s: columns(s, Types.LONG()),
        "Map Batches",
        "value is millstream_dataflow.types.row.Row Row(n=1), but LONG",
    ),
]


@pytest.mark.parametrize(("program", "operator", "sentence"), MISFITS)
def test_law_9_4_a_value_that_does_not_fit_fails(
    numbers: DataStream[int], program: Program, operator: str, sentence: str
) -> None:
    program(numbers).print()
    with pytest.raises(InvalidTypesError) as caught:
        numbers.get_execution_environment().execute()
    assert sentence in str(caught.value)
    [note] = caught.value.__notes__
    assert note.startswith(f"raised in operator {operator} (tests/unit/taskmanager/inline/test_inline_types.py:")
    assert ", at record " in note


def test_law_9_4_what_a_source_gives_is_checked_too() -> None:
    env = inline()
    source = ListSource(((1, "two"),))
    env.from_source(source, WatermarkStrategy.no_watermarks(), "mixed", Types.INT()).print()
    with pytest.raises(InvalidTypesError, match=r"value is str 'two', but INT\(\) was declared"):
        env.execute()


@pytest.mark.parametrize(
    "key_by",
    [lambda s: s.key_by(lambda x: "a" if x > 2 else x, key_type=Types.INT()), lambda s: s.key_by(letter)],
)
def test_law_9_4_a_key_that_does_not_fit_fails(numbers: DataStream[int], key_by: Callable[[Any], Any]) -> None:
    key_by(numbers).reduce(max).print()
    with pytest.raises(InvalidTypesError, match=r"value is str 'a', but (INT\(\)|int) was declared") as caught:
        numbers.get_execution_environment().execute()
    [note] = caught.value.__notes__
    assert note.startswith("raised in operator the key selector of Keyed Reduce (tests/unit/")
    assert note.endswith(", at record 300")


def test_what_fits_passes_and_undeclared_anything_does(numbers: DataStream[int]) -> None:
    typed = numbers.map(lambda x: (x, str(x)), output_type=Types.TUPLE([Types.INT(), Types.STRING()]))
    lengths = typed.filter(bool).map(lambda pair: pair[1]).map(len, output_type=Types.ANY())
    with lengths.execute_and_collect() as records:
        assert list(records) == [1, 1, 3]


ANN = Types.ROW_NAMED(["name", "age"], [Types.STRING(), Types.DOUBLE()])


@pytest.mark.parametrize(
    "program",
    [
        lambda s: s.map(lambda n: Row("Ann", n), output_type=ANN),
        lambda s: s.flat_map(lambda n: [Row(age=n, name="Ann")], output_type=ANN).filter(lambda row: row.age > 0),
        lambda s: aside(s.map(lambda n: Row("Ann", n)), ANN),
        lambda s: (
            s.map(lambda n: Row("Ann", n), output_type=ANN).key_by(lambda row: row.name).reduce(lambda _, row: row)
        ),
    ],
)
def test_values_are_completed_as_pyflinks_coders_do_it(numbers: DataStream[int], program: Program) -> None:
    """Names of a Row by its type, floats of whole numbers; what the next function gets."""
    shown = program(numbers).map(lambda row: f"{row.name} {row.age}")
    assert list(shown.execute_and_collect()) == ["Ann 1.0", "Ann 2.0", "Ann 300.0"]


def test_so_are_those_of_a_collection() -> None:
    values: list[Any] = [("Ann", 1), Row("Bob", 2)]
    shown = inline().from_collection(values, ANN).map(lambda row: f"{row.name} {row.age}")
    assert list(shown.execute_and_collect()) == ["Ann 1.0", "Bob 2.0"]
