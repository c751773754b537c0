"""`Types`: how they are written, compared, used as keys and as columns."""

import datetime
import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Optional

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.keys import UnstableKeyError, key_hash
from millstream_dataflow.types import TypeInformation, Types, arrow_type, declared_type, from_hint
from millstream_dataflow.types.composites import RowType, TupleType
from tests.unit.dataflow.types.examples import Color, Example, Flight, Pair, Slotless, Slotted, examples

Carrier = NewType("Carrier", str)
UNTYPED: Any = Types
"""For calls that no type checker would let pass."""


@dataclass(frozen=True)
class Keyed:
    name: str
    notes: list[str] = field(compare=False)


class Later:
    value: "NotThere"  # type: ignore[name-defined]  # noqa: F821  # what is tested


@pytest.mark.parametrize(
    ("annotation", "written"),
    [
        (str, "STRING()"),
        (Annotated[int, "metres"], "int"),
        (Literal["a", "b"], "STRING()"),
        (Literal["a"] | None, "OPTIONAL(STRING())"),
        (Literal[1, "a"], "ANY()"),
        (bool, "BOOLEAN()"),
        (int, "int"),
        (float, "float"),
        (bytes, "PRIMITIVE_ARRAY(BYTE())"),
        (Decimal, "BIG_DEC()"),
        (datetime.date, "SQL_DATE()"),
        (tuple[str, int], "TUPLE([STRING(), int])"),
        (tuple[()], "TUPLE([])"),
        (tuple[int, ...], "ANY()"),
        (tuple, "ANY()"),
        (list[float], "LIST(float)"),
        (dict[str, bytes], "MAP(STRING(), PRIMITIVE_ARRAY(BYTE()))"),
        (Optional[str], "OPTIONAL(STRING())"),  # noqa: UP045  # the older way to write it
        (str | None, "OPTIONAL(STRING())"),
        (int | str, "ANY()"),
        (Carrier, "STRING()"),
        (Flight, "DATACLASS(tests.unit.dataflow.types.examples.Flight)"),
        (Pair, "NAMED_TUPLE(tests.unit.dataflow.types.examples.Pair)"),
        (Color, "ENUM(tests.unit.dataflow.types.examples.Color)"),
        (Iterable[int], "ANY()"),
        (Callable, "ANY()"),
        (Later, "ANY()"),
    ],
    ids=str,
)
def test_from_hint(annotation: object, written: str) -> None:
    assert str(from_hint(annotation)) == written


@pytest.mark.parametrize("annotation", [None, type(None), Any, object, "int"])
def test_an_annotation_that_says_nothing(annotation: object) -> None:
    assert from_hint(annotation) is None


def test_types_are_written_as_they_are_made() -> None:
    row = Types.ROW_NAMED(["a", "b"], [Types.BASIC_ARRAY(Types.INT()), Types.MAP(Types.STRING(), Types.ANY())])
    assert str(row) == "ROW_NAMED(['a', 'b'], [BASIC_ARRAY(INT()), MAP(STRING(), ANY())])"


def test_equal_by_content() -> None:
    assert Types.TUPLE([Types.INT()]) == Types.TUPLE([Types.INT()])
    assert Types.TUPLE([Types.INT()]) != Types.TUPLE([Types.LONG()])
    assert Types.LIST(Types.INT()) != Types.PRIMITIVE_ARRAY(Types.INT())
    assert Types.PICKLED_BYTE_ARRAY() == Types.ANY()
    assert Types.OPTIONAL(Types.OPTIONAL(Types.INT())) == Types.OPTIONAL(Types.INT())
    assert Types.OPTIONAL(Types.ANY()) == Types.ANY()


@given(examples, st.data())
def test_a_type_without_key_problem_has_keys(example: Example, data: st.DataObject) -> None:
    """Only what the type can't know is refused later: values of ANY, and Decimals that are no integers."""
    type_info, values = example
    value = data.draw(values)
    unknown = "ANY" in str(type_info) or "BIG_DEC" in str(type_info)
    if type_info.key_problem() is None and not unknown:
        assert isinstance(key_hash(value), int)
    elif not unknown and value not in (None, (), []) and "Row" not in repr(value):
        with pytest.raises(UnstableKeyError):
            key_hash(value)


@pytest.mark.parametrize(
    ("type_info", "problem"),
    [
        (Types.LIST(Types.INT()), "list can't be a key"),
        (Types.TUPLE([Types.STRING(), Types.MAP(Types.STRING(), Types.INT())]), "field 1: dict can't be a key"),
        (Types.ROW_NAMED(["a"], [Types.SQL_TIME()]), "field a: datetime.time can't be a key"),
        (Types.DATACLASS(Slotless), "this dataclass is not frozen"),
        (Types.DATACLASS(Slotted), "field flight: field stops: list can't be a key"),
        (Types.OPTIONAL(Types.SQL_TIME()), "datetime.time can't be a key"),
    ],
    ids=str,
)
def test_key_problems(type_info: TypeInformation[Any], problem: str) -> None:
    assert problem in (type_info.key_problem() or "")


@pytest.mark.parametrize(
    "type_info",
    [Types.STRING(), Types.DOUBLE(), Types.ENUM(Color), Types.NAMED_TUPLE(Pair), Types.DATACLASS(Keyed), Types.ANY()],
    ids=str,
)
def test_what_can_be_a_key(type_info: TypeInformation[Any]) -> None:
    assert type_info.key_problem() is None


@pytest.mark.parametrize(
    ("type_info", "column"),
    [
        (Types.INT(), pa.int32()),
        (Types.FLOAT(), pa.float64()),
        (Types.INSTANT(), pa.timestamp("us", tz="UTC")),
        (Types.BIG_INT(), None),
        (Types.ANY(), None),
        (Types.LIST(Types.ANY()), None),
        (Types.OPTIONAL(Types.STRING()), pa.string()),
        (Types.MAP(Types.STRING(), Types.LONG()), pa.map_(pa.string(), pa.int64())),
        (Types.TUPLE([Types.STRING(), Types.BOOLEAN()]), pa.struct([("f0", pa.string()), ("f1", pa.bool_())])),
        (Types.ROW_NAMED(["a"], [Types.SHORT()]), pa.struct([("a", pa.int16())])),
        (Types.NAMED_TUPLE(Pair), pa.struct([("name", pa.string()), ("number", pa.int64())])),
        (Types.BASIC_ARRAY(Types.BYTE()), pa.list_(pa.int8())),
    ],
    ids=str,
)
def test_arrow_types(type_info: TypeInformation[Any], column: pa.DataType | None) -> None:
    assert arrow_type(type_info) == column


def test_refusals() -> None:
    with pytest.raises(ValueError, match="one type for each"):
        Types.ROW_NAMED(["a", "a"], [Types.INT(), Types.INT()])
    with pytest.raises(ValueError, match="use LIST"):
        Types.PRIMITIVE_ARRAY(Types.STRING())
    with pytest.raises(TypeError, match="takes a dataclass"):
        Types.DATACLASS(int)
    with pytest.raises(TypeError, match="NamedTuple"):
        Types.NAMED_TUPLE(tuple)
    with pytest.raises(TypeError, match=r"enum\.Enum class"):
        Types.ENUM(enum.auto)
    with pytest.raises(TypeError, match="by Types or by an annotation"):
        declared_type("int")  # type: ignore[arg-type]  # what is tested


def test_declared_type() -> None:
    assert declared_type(Types.INT()) == Types.INT()
    assert declared_type(None) == Types.ANY()
    assert str(declared_type(list[int])) == "LIST(int)"


def test_rows_and_tuples_tell_their_fields_as_in_pyflink() -> None:
    pair = [Types.INT(), Types.STRING()]
    named, unnamed, plain = Types.ROW_NAMED(["a", "b"], pair), Types.ROW(pair), Types.TUPLE(pair)
    assert isinstance(named, RowType)
    assert isinstance(unnamed, RowType)
    assert isinstance(plain, TupleType)
    assert (named.get_field_names(), unnamed.get_field_names()) == (["a", "b"], ["f0", "f1"])
    assert named.get_field_types() == unnamed.get_field_types() == plain.get_field_types() == pair


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: UNTYPED.TUPLE([int]), r"Types.TUPLE takes types of Types, such as Types.INT\(\), but got <cl"),
        (lambda: UNTYPED.TUPLE([Types.INT]), r"Types.TUPLE takes .* but got <function Types.INT at"),
        (lambda: UNTYPED.TUPLE(Types.INT()), r"Types.TUPLE takes a list of types, such as \[.*\], but got INT\(\)"),
        (lambda: UNTYPED.ROW("is"), "Types.ROW takes a list of types, such as .*, but got is"),
        (lambda: UNTYPED.ROW_NAMED(["a"], [str]), "Types.ROW_NAMED takes types of Types"),
        (lambda: UNTYPED.LIST(int), "Types.LIST takes types of Types"),
        (lambda: UNTYPED.MAP(Types.STRING(), int), "Types.MAP takes types of Types"),
        (lambda: UNTYPED.OBJECT_ARRAY(str), "Types.OBJECT_ARRAY takes types of Types"),
        (lambda: UNTYPED.OPTIONAL(str), "Types.OPTIONAL takes types of Types"),
        (lambda: declared_type(UNTYPED.INT), r"but got <function Types.INT at .*>; call it: Types.INT\(\)"),
    ],
)
def test_what_is_no_type(make: Any, sentence: str) -> None:  # noqa: ANN401  # each gets something else
    with pytest.raises(TypeError, match=sentence):
        make()
