"""What each call of a stream writes down."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from millstream.datastream import absent
from millstream.datastream.checkpoint_config import CheckpointConfig
from millstream.datastream.data_stream import DataStream
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.datastream.execution_config import ExecutionConfig
from millstream.datastream.keyed_stream import KeyedStream
from millstream.errors import (
    ArgumentError,
    ForeignStreamError,
    NotAnOperatorError,
    NotSupportedError,
    ParallelismError,
    PartitioningError,
)
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import (
    EnumeratorSpecification,
    FilterSpecification,
    FlatMapSpecification,
    MapBatchesSpecification,
    MapSpecification,
    OperatorSpecification,
    ProcessSpecification,
    ReaderSpecification,
    SinkSpecification,
    TimestampsSpecification,
)
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.transformations import (
    OperatorTransformation,
    PartitionTransformation,
    SideOutputTransformation,
    UnionTransformation,
)
from millstream_dataflow.types import Row, RowKind, TypeInformation, Types
from millstream_dataflow.windows import TumblingEventTimeWindows
from tests.unit.client.programs import Directory, Files, environment, flights, numbers
from tests.unit.client.written import (
    Digits,
    Increment,
    Keyed,
    Last,
    Odd,
    Plain,
    Spread,
    batches,
    operator,
    partition,
    specification,
)

HOUR = TumblingEventTimeWindows.of(timedelta(hours=1))
PAIR = Types.ROW([Types.INT(), Types.STRING()])
NAMED = Types.ROW_NAMED(["id", "data"], [Types.INT(), Types.STRING()])


def keyed(env: StreamExecutionEnvironment) -> KeyedStream[int, int]:
    return numbers(env).key_by(abs)


class TestOperators:
    """Each call gives an operator with its specification, Flink's name, and the place of the call."""

    @pytest.mark.parametrize(
        ("call", "expected", "name"),
        [
            (lambda s: s.map(abs), MapSpecification(abs), "Map"),
            (lambda s: s.flat_map(range), FlatMapSpecification(range), "Flat Map"),
            (lambda s: s.filter(bool), FilterSpecification(bool), "Filter"),
            (lambda s: s.map_batches(batches), MapBatchesSpecification(batches), "Map Batches"),
        ],
    )
    def test_callables(
        self, call: Callable[[DataStream[int]], DataStream[Any]], expected: OperatorSpecification, name: str
    ) -> None:
        stream = call(numbers(environment()))
        assert specification(stream) == expected
        assert stream.get_name() == name
        assert re.fullmatch(r"tests/unit/client/test_data_stream.py:\d+", operator(stream).defined_at)

    def test_function_objects(self) -> None:
        stream = numbers(environment())
        increment, digits, odd, plain = Increment(), Digits(), Odd(), Plain()
        assert specification(stream.map(increment)) == MapSpecification(increment)
        assert specification(stream.flat_map(digits)) == FlatMapSpecification(digits)
        assert specification(stream.filter(odd)) == FilterSpecification(odd)
        assert specification(stream.process(plain)) == ProcessSpecification(plain)

    def test_watermarks(self) -> None:
        strategy = WatermarkStrategy.for_monotonous_timestamps()
        stream = numbers(environment()).assign_timestamps_and_watermarks(strategy)
        assert specification(stream) == TimestampsSpecification(strategy)
        assert stream.get_name() == "Timestamps/Watermarks"

    def test_sinks(self) -> None:
        stream = numbers(environment())
        assert specification(stream.sink_to(Files())) == SinkSpecification(Files())
        assert stream.sink_to(Files()).get_name() == "Sink: Files"
        assert stream.print("late").get_name() == "Sink: Print"

    @pytest.mark.parametrize(
        ("call", "sentence"),
        [
            (lambda s: s.map(3), "map takes a MapFunction or a function of (value), but got 3"),
            (lambda s: s.map(Increment), "but got the class Increment; give an object of it: Increment()"),
            (lambda s: s.map(Odd()), "but got the FilterFunction Odd; filter takes it"),
            (lambda s: s.map(lambda: 1), "(test_data_stream.py:"),
            (
                lambda s: s.process(Keyed()),
                "but got the KeyedProcessFunction Keyed; process on a keyed stream takes it",
            ),
            (lambda s: s.key_by(abs).process(Plain()), "but got the ProcessFunction Plain; process takes it"),
            (lambda s: s.key_by(None), "key_by takes a KeySelector or a function of (value), but got None"),
            (lambda s: s.partition_custom(1, abs), "partition_custom takes a Partitioner or a function of (key, num"),
            (lambda s: s.union([1]), "union takes a DataStream, but got [1]"),
            (lambda s: s.sink_to(print), "sink_to takes a Sink, but got <built-in function print>"),
            (lambda s: s.get_side_output("late"), "get_side_output takes an OutputTag, but got 'late'"),
            (lambda s: s.assign_timestamps_and_watermarks(5), "takes a WatermarkStrategy, but got 5"),
            (lambda s: s.key_by(abs).window(5), "window takes a WindowAssigner, such as Tumbling"),
            (
                lambda s: s.map(abs, int),
                "output_type takes a type of Types, such as Types.INT(), but got <class 'int'>",
            ),
            (lambda s: s.map(abs, RowKind), "RowKind'>; write Types.ENUM(RowKind)"),
            (lambda s: s.key_by(abs, int), "key_by takes a type of Types, such as Types.INT(), but got <class 'int'>"),
            (
                lambda s: s.key_by("a", "b"),
                "an expression or a function, but got ('a', 'b'); of several fields make one",
            ),
            (lambda s: s.key_by(["a", "b"]), "key_by takes one field, an expression or a function, but got ['a', 'b']"),
            (
                lambda s: s.key_by(0, 1),
                "key_by takes one field, an expression or a function, but got (0, 1); of several",
            ),
            (lambda s: s.execute_and_collect(5), "execute takes a name, but 5 is no str"),
            (lambda s: s.execute_and_collect(limit=-1), "a limit that is a number of records, at least 0, but got -1"),
            (
                lambda _: environment().from_collection(cast("Any", None)),
                "from_collection takes values in a list or another",
            ),
        ],
    )
    def test_wrong_arguments_are_refused_at_the_call(self, call: Callable[[Any], Any], sentence: str) -> None:
        with pytest.raises(ArgumentError, match=re.escape(sentence)) as caught:
            call(numbers(environment()))
        assert isinstance(caught.value, TypeError)
        assert str(caught.value).startswith("(tests/unit/client/test_data_stream.py:")

    def test_an_unknown_name_is_an_ordinary_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="a DataStream has no 'windowed'"):
            numbers(environment()).windowed  # type: ignore[attr-defined]  # that is the point  # noqa: B018

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("flatMap", "a KeyedStream has no 'flatMap'; did you mean flat_map?"),
            ("reduse", "a KeyedStream has no 'reduse'; did you mean reduce?"),
            ("trigger", "a KeyedStream has no 'trigger'; say by which windows first: window(...).trigger(...)"),
            ("_repr_html_", "a KeyedStream has no '_repr_html_'"),
        ],
    )
    def test_what_was_meant_is_told(self, name: str, sentence: str) -> None:
        with pytest.raises(AttributeError, match=f"^{re.escape(sentence)}$"):
            getattr(numbers(environment()).key_by(lambda n: n), name)

    @pytest.mark.parametrize(
        ("stream", "name", "mend"),
        [
            (numbers, "add_sink", "use sink_to(sink)"),
        ],
    )
    def test_a_name_of_pyflink_s_that_is_not_there_yet_is_refused_with_what_to_use(
        self, stream: Callable[[StreamExecutionEnvironment], Any], name: str, mend: str
    ) -> None:
        made = stream(environment())
        with pytest.raises(NotSupportedError, match=re.escape(mend)) as caught:
            getattr(made, name)
        assert str(caught.value).startswith("(tests/unit/client/test_data_stream.py:")
        assert not hasattr(made, name)

    @pytest.mark.parametrize(
        ("absent", "cls"),
        [
            (absent.OF_STREAMS, DataStream),
            (absent.OF_KEYED_STREAMS, KeyedStream),
            (absent.OF_ENVIRONMENTS, StreamExecutionEnvironment),
            (absent.OF_CHECKPOINT_CONFIGS, CheckpointConfig),
            (absent.OF_EXECUTION_CONFIGS, ExecutionConfig),
        ],
    )
    def test_what_is_called_absent_is(self, absent: absent.Absent, cls: type) -> None:
        assert [name for name in absent if hasattr(cls, name)] == []


class TestPartitioning:
    """How records travel."""

    @pytest.mark.parametrize(
        ("call", "partitioning"),
        [
            ("rebalance", Partitioning.REBALANCE),
            ("rescale", Partitioning.RESCALE),
            ("shuffle", Partitioning.SHUFFLE),
            ("broadcast", Partitioning.BROADCAST),
            ("global_", Partitioning.GLOBAL),
            ("forward", Partitioning.FORWARD),
        ],
    )
    def test_calls(self, call: str, partitioning: Partitioning) -> None:
        stream = numbers(environment())
        made = partition(getattr(stream, call)())
        assert made.partitioning is partitioning
        assert made.inputs == (stream._transformation,)
        with pytest.raises(PartitioningError, match=f"{call} was called on a keyed stream, whose records travel by"):
            getattr(stream.key_by(abs), call)()

    def test_by_key(self) -> None:
        stream = numbers(environment())
        for selector, record, key in ((abs, -3, 3), (Last(), 47, 7), ("real", 5, 5), (0, 5, 5), (1, ("a", "b"), "b")):
            made = partition(stream.key_by(selector))
            assert made.partitioning is Partitioning.HASH
            assert made.key is not None
            assert made.key.selector(record) == key

    def test_the_type_of_keys_is_declared_or_annotated(self) -> None:
        stream = numbers(environment())
        selections = [partition(stream.key_by(abs, Types.INT())).key, partition(stream.key_by(Last())).key]
        assert [str(selection.type) for selection in selections if selection] == ["INT()", "int"]

    def test_custom(self) -> None:
        stream = numbers(environment())
        for partitioner in (Spread(), Spread().partition):
            made = partition(stream.partition_custom(partitioner, abs))
            assert made.partitioning is Partitioning.CUSTOM
            assert made.partitioner is not None
            assert made.partitioner(7, 4) == 3
        with pytest.raises(PartitioningError, match="partition_custom was called on a keyed stream"):
            stream.key_by(abs).partition_custom(Spread(), abs)

    def test_unions_are_flat(self) -> None:
        env = environment()
        one, two, three = numbers(env), numbers(env), numbers(env)
        union = one.union(two).union(three)._transformation
        assert isinstance(union, UnionTransformation)
        assert union.inputs == (one._transformation, two._transformation, three._transformation)

    def test_side_outputs(self) -> None:
        stream = numbers(environment()).process(Plain())
        side = stream.get_side_output(OutputTag("late", Types.STRING()))._transformation
        assert isinstance(side, SideOutputTransformation)
        assert (side.tag, side.type, side.inputs) == ("late", Types.STRING(), (stream._transformation,))

    @pytest.mark.parametrize(
        ("make", "sentence"),
        [
            (lambda s: s.rebalance(), " that is no operator; call it on what process() or a window gave"),
            (lambda s: s.map(abs), 'Map "abs" (tests/unit/client/test_data_stream.py:'),
            (lambda s: s.map(abs), "), which has no side outputs; call it on what process() or a window gave"),
            (lambda s: s.key_by(abs).map(Increment()), 'Map "Increment" ('),
            (lambda s: s.key_by(abs).reduce(max), "which has no side outputs"),
            (
                lambda s: s.key_by(abs).window(HOUR).reduce(max),
                "it was given no tag for late data; name the tag by side_",
            ),
            (
                lambda s: s.key_by(abs).window(HOUR).side_output_late_data(OutputTag("late")).reduce(max),
                "whose only side output is its late data, by the tag 'late', not 'odd'",
            ),
        ],
    )
    def test_side_outputs_of_operators_that_have_none(self, make: Callable[[Any], Any], sentence: str) -> None:
        with pytest.raises(NotAnOperatorError, match=f"get_side_output was called on .*{re.escape(sentence)}"):
            make(numbers(environment())).get_side_output(OutputTag("odd"))

    def test_side_outputs_of_windows(self) -> None:
        windows = numbers(environment()).key_by(abs).window(HOUR)
        windows.process(lambda _key, _context, elements: elements).get_side_output(OutputTag("odd"))
        windows.side_output_late_data(OutputTag("late")).reduce(max).get_side_output(OutputTag("late"))

    def test_a_union_is_of_streams_of_one_environment(self) -> None:
        """Numbers are those of a program, so streams of another would be taken for its own."""
        ours, theirs = numbers(environment()).map(abs), numbers(environment()).rebalance()
        expected = (
            r'union takes streams of one environment, but got Map "abs" \(.*test_data_stream.py:\d+\) of the '
            r'environment made at tests/.*:\d+, and Source "Source: Collection" \(.*:\d+\) of the environment made at '
            r"tests/.*:\d+; take both from the same environment"
        )
        with pytest.raises(ForeignStreamError, match=expected):
            ours.union(ours, theirs)


class TestSources:
    """Where streams begin."""

    def test_a_source_with_an_enumerator_is_two_operators(self) -> None:
        env = environment()
        strategy = WatermarkStrategy.for_monotonous_timestamps()
        reader = operator(env.from_source(Directory(), strategy, "Flights", Types.STRING()))
        assert reader.specification == ReaderSpecification(Directory(), strategy)
        assert (reader.name, reader.type) == ("Source: Flights", Types.STRING())
        [splits] = reader.inputs
        assert isinstance(splits, PartitionTransformation)
        assert splits.partitioning is Partitioning.SPLITS
        [enumerator] = splits.inputs
        assert isinstance(enumerator, OperatorTransformation)
        assert enumerator.specification == EnumeratorSpecification(Directory())
        assert enumerator.fixed_parallelism == 1

    def test_a_source_without_a_name_has_that_of_its_class(self) -> None:
        assert (
            environment().from_source(Directory(), WatermarkStrategy.no_watermarks()).get_name() == "Source: Directory"
        )

    def test_one_without_is_one(self) -> None:
        reader = operator(environment().from_sequence(1, 3))
        assert reader.inputs == ()
        assert reader.fixed_parallelism is None

    def test_a_collection_has_one_subtask_and_its_type_is_checked(self) -> None:
        env = environment()
        with pytest.raises(ParallelismError, match="it runs with parallelism 1 alone"):
            env.from_collection([1]).set_parallelism(2)
        expected = r"test_data_stream.py:\d+\): from_collection, item 1: value is str 'x', but INT\(\) was declared"
        with pytest.raises(ArgumentError, match=expected):
            env.from_collection([1, "x"], Types.INT())
        with pytest.raises(
            ArgumentError, match=r"from_collection takes a type of Types, such as .*, but got <class 'int'"
        ):
            env.from_collection([1], int)  # type: ignore[arg-type]  # that is the point

    @pytest.mark.parametrize(
        ("type_", "given", "expected"),
        [
            (PAIR, (1, "aaa|bb"), Row(1, "aaa|bb")),
            (PAIR, [1, None], Row(1, None)),
            (PAIR, Row(1, "a"), Row(1, "a")),
            (NAMED, (1, "a"), Row("id", "data")(1, "a")),
            (NAMED, Row(1, "a"), Row("id", "data")(1, "a")),
            (NAMED, Row("id", "data")(1, "a"), Row("id", "data")(1, "a")),
            (Types.ROW([Types.INT(), NAMED]), (1, (2, "b")), Row(1, Row("id", "data")(2, "b"))),
            (Types.LIST(PAIR), [(1, "a"), None], None),
            (Types.LIST(PAIR), [(1, "a"), (2, "b")], [Row(1, "a"), Row(2, "b")]),
            (Types.MAP(Types.STRING(), PAIR), {"k": (1, "a")}, {"k": Row(1, "a")}),
            (Types.TUPLE([Types.INT(), PAIR]), (1, (1, "a")), (1, Row(1, "a"))),
            (Types.OPTIONAL(PAIR), (1, "a"), Row(1, "a")),
            (Types.TUPLE([Types.INT(), Types.STRING()]), (1, "a"), (1, "a")),
            (PAIR, (1, "a", 2), None),
            (PAIR, 5, None),
            (NAMED, Row(data="a", id=1), Row("id", "data")(1, "a")),
            (NAMED, Row(name="a", id=1), None),
            (NAMED, {"data": "a", "id": 1}, Row("id", "data")(1, "a")),
            (NAMED, {"id": 1}, Row("id", "data")(1, None)),
            (NAMED, {"id": 1, "name": "a"}, None),
            (PAIR, {"id": 1, "data": "a"}, None),
        ],
    )
    def test_rows_are_made_of_what_a_collection_holds_as_in_pyflink(
        self, type_: TypeInformation[Any], given: object, expected: object
    ) -> None:
        env = environment(execution_target="inline")
        if expected is None:
            with pytest.raises(ArgumentError, match=r"from_collection, item 0: value.* was declared"):
                env.from_collection([given], type_)
        else:
            assert env.from_collection([given], type_).execute_and_collect(limit=1) == [expected]

    def test_the_kind_of_a_row_stays_and_the_user_s_row_is_not_touched(self) -> None:
        row = Row(1, "a")
        row.set_row_kind(RowKind.DELETE)
        [made] = environment(execution_target="inline").from_collection([row], NAMED).execute_and_collect(limit=1)
        assert (made.get_row_kind(), row.get_field_names()) == (RowKind.DELETE, None)

    def test_something_else_is_refused(self) -> None:
        with pytest.raises(ArgumentError, match="from_source takes a Source, but got 'file'"):
            flights(environment(), "file")  # type: ignore[arg-type]  # that is the point
