"""Calls by expressions: what they write down, their types, what they refuse where it is written."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from millstream import (
    Count,
    DataStream,
    Key,
    Max,
    Mean,
    Row,
    StreamExecutionEnvironment,
    Sum,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
    Types,
    WatermarkStrategy,
    WindowEnd,
    WindowStart,
    col,
    if_else,
    lit,
)
from millstream.errors import ArgumentError, KeyTypeError
from millstream.execution.context import ProgramContext
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client
from tests.unit.client.programs import compiled, environment

TEXT, LONG = "OPTIONAL(STRING())", "OPTIONAL(LONG())"
ORDERS = Types.ROW_NAMED(["name", "price", "at"], [Types.STRING(), Types.DOUBLE(), Types.LONG()])
GIVEN = [("a", 1.5, 1_000), ("b", 4.0, 2_000), ("a", None, 3_000), ("a", 2.0, 12_000)]


def inline() -> StreamExecutionEnvironment:
    return StreamExecutionEnvironment(ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE)))


def orders(env: StreamExecutionEnvironment | None = None) -> DataStream[Row]:
    return (env or environment()).from_collection([Row(*one) for one in GIVEN], ORDERS)


def at(order: Any, _former: int) -> int:  # noqa: ANN401  # any Row
    number: int = order.at
    return number


def columns(env: StreamExecutionEnvironment) -> DataStream[Any]:
    """The same as columns, with times."""
    strategy: WatermarkStrategy[Any] = WatermarkStrategy.for_monotonous_timestamps()
    timed = strategy.with_timestamp_assigner(at)
    return orders(env).map_batches(lambda batch: batch, output_type=ORDERS).assign_timestamps_and_watermarks(timed)


@pytest.mark.parametrize(
    ("call", "type_"),
    [
        (lambda s: s.filter(col("price") > 1), str(ORDERS)),
        (lambda s: s.map(col("price") * 2), "OPTIONAL(DOUBLE())"),
        (lambda s: s.map(col("name").is_null()), "BOOLEAN()"),
        (lambda s: s.map(col("price") * 2, Types.ANY()), "PICKLED_BYTE_ARRAY()|ANY()"),
        (
            lambda s: s.select("name", twice=col("at") * 2),
            "ROW_NAMED(['name', 'twice'], [OPTIONAL(STRING()), OPTIONAL(LONG())])",
        ),
        (
            lambda s: s.with_columns(price=col("at"), one=lit(1)),
            f"ROW_NAMED({['name', 'price', 'at', 'one']}, [{TEXT}, {LONG}, {LONG}, LONG()])",
        ),
        (lambda s: s.project(0, 2), "ROW_NAMED(['name', 'at'], [STRING(), LONG()])"),
        (lambda s: s.project("at"), "ROW_NAMED(['at'], [LONG()])"),
    ],
)
def test_types_follow(call: Callable[[DataStream[Row]], DataStream[Any]], type_: str) -> None:
    assert str(call(orders()).get_type()) in type_.split("|")


def test_of_a_tuple_a_projection_is_a_tuple() -> None:
    pairs = environment().from_collection([(1, "a", 2.0)], Types.TUPLE([Types.INT(), Types.STRING(), Types.DOUBLE()]))
    assert str(pairs.project(2, 0).get_type()) == "TUPLE([DOUBLE(), INT()])"
    assert str(pairs.project(2, 2).get_type()) == "TUPLE([DOUBLE(), DOUBLE()])"


def test_where_nothing_is_declared_names_are_known_all_the_same() -> None:
    stream: DataStream[Any] = environment().from_collection([{"a": 1}])
    selected = stream.select("a", b=col("a") * 2)
    assert str(selected.get_type()) == "ROW_NAMED(['a', 'b'], [ANY(), ANY()])"
    with pytest.raises(ArgumentError, match=r"no column 'c'.*; the columns are 'a', 'b'"):
        selected.filter(col("c") > 1)
    assert stream.with_columns(b=col("a")).get_type() == Types.PICKLED_BYTE_ARRAY()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda s: s.filter(col("cost") > 1),
            "filter: there is no column 'cost' in records of ROW_NAMED.*; the columns are 'name', 'price', 'at'",
        ),
        (lambda s: s.filter(col("price")), r"filter takes a condition, but got col\('price'\), which is a float"),
        (lambda s: s.map(col("name") + 1), r"map: \+ takes two numbers or two texts"),
        (lambda s: s.select(), r"select: it takes at least one column, such as select\('a'\)"),
        (lambda s: s.select(5), "select: it takes names of fields and expressions.*, but got 5"),
        (
            lambda s: s.select(col("price") * 2),
            r"has no name of its own; write \(col\('price'\) \* lit\(2\)\)\.alias\('name'\)",
        ),
        (lambda s: s.select("name", name=col("at")), "two columns 'name'"),
        (lambda s: s.select("nam"), "no column 'nam'"),
        (lambda s: s.with_columns(x=col("y")), "with_columns: there is no column 'y'"),
        (lambda s: s.project(), r"project takes positions or names of fields, such as project\(0, 2\)"),
        (lambda s: s.project(7), "project: records of ROW_NAMED.* have no column 7"),
        (lambda s: s.project(0, "name"), "two columns 'name'"),
        (lambda s: s.key_by("nam"), "key_by: there is no column 'nam'"),
        (lambda s: s.key_by(col("name") + 1), r"key_by: \+ takes"),
    ],
)
def test_mistakes_are_told_where_they_are_written(call: Callable[[DataStream[Row]], object], words: str) -> None:
    with pytest.raises(ArgumentError, match=words) as raised:
        call(orders())
    assert "test_columns.py" in str(raised.value)


def test_a_key_of_a_column_that_can_be_none_is_refused_at_submit() -> None:
    env = environment()
    lists = env.from_collection([([1],)], Types.TUPLE([Types.LIST(Types.INT())]))
    lists.key_by(0).reduce(max).print()
    with pytest.raises(KeyTypeError, match="list"):
        compiled(env)


def test_a_field_of_a_row_and_a_text_are_keys_of_one_type() -> None:
    def initial(word: str) -> str:
        return word[:1]

    env = inline()
    words = env.from_collection(["ape", "bat"], Types.STRING())
    both = orders(env).connect(words).key_by("name", initial)
    result = both.process((lambda order, _: [order.at], lambda word, _: [word]))
    assert sorted(map(str, result.execute_and_collect(limit=10))) == ["1000", "12000", "2000", "3000", "ape", "bat"]
    with pytest.raises(KeyTypeError, match="different types"):
        orders(env).connect(words).key_by("at", initial)


def test_of_rows_and_columns_the_same_comes() -> None:
    def program(stream: DataStream[Any]) -> list[Any]:
        return (
            stream.filter(col("price") > 1)
            .with_columns(big=col("price") >= 2, price=col("price") * 10)
            .select("name", "price", kind=if_else(col("big"), "big", "small"))
            .execute_and_collect(limit=10)
        )

    named = Row("name", "price", "kind")
    expected = [named("a", 15.0, "small"), named("b", 40.0, "big"), named("a", 20.0, "big")]
    assert program(orders(inline())) == program(columns(inline())) == expected


HOURLY = ["name", "start", "end", "count", "sum_price", "mean"]


@pytest.mark.parametrize("of_columns", [False, True])
def test_windows_by_built_in_aggregates(of_columns: bool) -> None:  # a parameter
    stream = columns(inline())
    if not of_columns:
        stream = stream.map(lambda order: order, ORDERS)
    result = (
        stream.key_by("name")
        .window(TumblingEventTimeWindows.of(10_000))
        .aggregate(
            Key("name"),
            WindowStart("start"),
            WindowEnd("end"),
            Count(),
            Sum("price"),
            Mean("price").alias("mean"),
        )
    )
    assert str(result.get_type()) == (
        f"ROW_NAMED({HOURLY}, [OPTIONAL(STRING()), LONG(), LONG(), LONG(), OPTIONAL(DOUBLE()), OPTIONAL(DOUBLE())])"
    )
    named = Row(*HOURLY)
    assert sorted(result.execute_and_collect(limit=10), key=repr) == [
        named("a", 0, 10_000, 2, 1.5, 1.5),
        named("a", 10_000, 20_000, 1, 2.0, 2.0),
        named("b", 0, 10_000, 1, 4.0, 4.0),
    ]


def test_one_aggregate_gives_its_value_and_a_window_function_gets_it() -> None:
    windows = columns(inline()).key_by("name").window(TumblingEventTimeWindows.of(100_000))
    single = windows.aggregate(Max("price"))
    assert str(single.get_type()) == "OPTIONAL(DOUBLE())"
    assert sorted(single.execute_and_collect(limit=5)) == [2.0, 4.0]

    def shown(key: str, context: object, elements: Any) -> list[str]:  # noqa: ANN401  # any results
        return [f"{key}: {element}" for element in elements]

    again = columns(inline()).key_by("name").window(TumblingEventTimeWindows.of(100_000))
    result = again.aggregate(Count(), shown, output_type=Types.STRING())
    assert sorted(result.execute_and_collect(limit=5)) == ["a: 3", "b: 1"]


@pytest.mark.parametrize(
    ("aggregates", "words"),
    [
        ([Sum("name")], r"aggregate: Sum takes numbers, but got col\('name'\), which is a text"),
        ([Sum("cost")], "aggregate: there is no column 'cost'"),
        ([Key()], r"at least one aggregate, such as Count\(\)"),
        ([Count(), Count()], "two columns 'count'"),
        ([Count(), Sum(col("price") * 2)], "has no name of its own"),
        ([Key("price"), Count()], r"Key\('price'\) would give the key, col\('name'\), under the name of another field"),
        ([Key(), Count(), lambda *_: None], "and a window function, which knows key and window by itself"),
    ],
)
def test_mistakes_with_aggregates(aggregates: list[Any], words: str) -> None:
    windows = orders().key_by("name").window(TumblingProcessingTimeWindows.of(1_000))
    with pytest.raises(ArgumentError, match=words) as raised:
        windows.aggregate(*aggregates)
    assert "test_columns.py" in str(raised.value)


def test_columns_stay_columns_through_filters_and_selections() -> None:
    """Made of rows again, a text would have lost its wide type."""

    def widened(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.set_column(0, "name", batch.column(0).cast(pa.large_string()))

    def types(batch: pa.RecordBatch) -> pa.RecordBatch:
        shown = str([str(field.type) for field in batch.schema])
        return pa.RecordBatch.from_pydict({"types": [shown] * batch.num_rows})

    wide = columns(inline()).map_batches(widened, output_type=ORDERS).filter(col("at") > 1_000)
    result = wide.select("name", n=col("at") // 1_000).project("n", "name").map_batches(types)
    assert {row.types for row in result.execute_and_collect(limit=10)} == {"['int64', 'large_string']"}
