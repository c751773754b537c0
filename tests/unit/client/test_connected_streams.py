"""What the calls on two streams write down, what they refuse, and which types a checker sees through them."""

import re
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any, assert_type

import pytest

from millstream.datastream.broadcast_stream import BroadcastConnectedStream, BroadcastStream
from millstream.datastream.connected_streams import ConnectedStreams
from millstream.datastream.data_stream import DataStream
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.errors import (
    ArgumentError,
    ForeignStreamError,
    KeyedStreamRequiredError,
    KeyTypeError,
    NotAnOperatorError,
    NotPicklableError,
)
from millstream.plan_text import plan_as_dict, plan_as_text
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.two_inputs import (
    BroadcastProcessSpecification,
    CoCall,
    CoProcessSpecification,
    KeyedBroadcastProcessSpecification,
    KeyedCoProcessSpecification,
)
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.types import Types
from tests.unit.client.programs import compiled, environment, flights, numbers, picture
from tests.unit.client.two_streams import (
    OTHERS,
    RULES,
    Co,
    KeyedCo,
    KeyedMatch,
    Lengths,
    Letters,
    Match,
    Pair,
    both,
    broadcast,
    connected,
    itself,
    keyed,
    keyed_pair,
    length,
    letters,
    untyped,
)
from tests.unit.client.written import Keyed, Last, Plain, operator, partition, specification


class TestTypes:
    """What a checker sees; `make check` runs mypy and pyright over these lines."""

    def test_connected(self) -> None:
        first, second = both()
        assert_type(first.connect(second), ConnectedStreams[int, str])
        assert_type(first.key_by(itself).connect(second.key_by(length)), ConnectedStreams[int, str])
        assert_type(connected().key_by(itself, length), ConnectedStreams[int, str])
        assert_type(connected().key_by("real", 0), ConnectedStreams[int, str])
        assert_type(connected().map(Lengths()), DataStream[int])
        assert_type(connected().map((itself, length)), DataStream[int])
        assert_type(connected().flat_map(Letters()), DataStream[str])
        assert_type(connected().process(Co()), DataStream[bytes])
        assert_type(keyed().process(KeyedCo()), DataStream[bytes])
        with pytest.raises(ArgumentError):
            connected().map(Letters())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is shown
        with pytest.raises(ArgumentError):
            connected().process(Plain())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as above

    def test_broadcast(self) -> None:
        first, second = both()
        assert_type(second.broadcast(), DataStream[str])
        assert_type(second.broadcast(RULES, OTHERS), BroadcastStream[str])
        assert_type(first.connect(second.broadcast(RULES)), BroadcastConnectedStream[int, str])
        assert_type(broadcast().process(Match()), DataStream[float])
        assert_type(broadcast(with_keys=True).process(KeyedMatch()), DataStream[float])

    def test_interval_join(self) -> None:
        left, right = keyed_pair()
        assert_type(left.interval_join(right).between(-5, 5).process(Pair()), DataStream[tuple[int, str]])


class TestConnect:
    """Streams without keys, and with them."""

    @pytest.mark.parametrize(
        ("call", "function", "kind", "name"),
        [
            ("map", Lengths(), CoCall.MAP, "Co-Map"),
            ("map", (itself, length), CoCall.MAP, "Co-Map"),
            ("flat_map", Letters(), CoCall.FLAT_MAP, "Co-Flat Map"),
            ("process", Co(), CoCall.PROCESS, "Co-Process"),
            ("process", [lambda _value, _ctx: [], lambda _value, _ctx: []], CoCall.PROCESS, "Co-Process"),
        ],
    )
    def test_calls(self, call: str, function: Any, kind: CoCall, name: str) -> None:  # noqa: ANN401  # of any kind
        streams = connected()
        made = operator(getattr(streams, call)(function))
        expected = tuple(function) if isinstance(function, list) else function
        assert made.specification == CoProcessSpecification(expected, kind)
        assert made.name == name
        assert made.inputs == (streams._first._transformation, streams._second._transformation)
        assert made.defined_at.startswith("tests/unit/client/test_connected_streams.py:")
        with_keys = operator(getattr(keyed(), call)(function))
        assert isinstance(with_keys.specification, KeyedCoProcessSpecification)
        assert (with_keys.specification.function, with_keys.specification.call) == (expected, kind)
        assert [key.selector(value) for key, value in zip(with_keys.specification.keys, (5, "ab"), strict=True)] == [
            5,
            2,
        ]
        assert with_keys.name == ("Keyed Co-Process" if kind is CoCall.PROCESS else name)

    def test_keyed_streams_connected_are_keyed(self) -> None:
        first, second = both()
        for streams in (first.key_by(itself).connect(second.key_by(length)), first.connect(second).key_by(0, length)):
            made = operator(streams.process(KeyedCo()))
            assert isinstance(made.specification, KeyedCoProcessSpecification)
            assert {partition(DataStream(environment(), one)).partitioning for one in made.inputs} == {
                Partitioning.HASH
            }

    def test_one_stream_with_keys_has_none_in_common_with_the_other(self) -> None:
        for which in ("first", "second"):
            made = operator(half(which).map(Lengths()))
            assert isinstance(made.specification, CoProcessSpecification)

    def test_types_are_declared_or_annotated(self) -> None:
        assert str(connected().map(Lengths()).get_type()) == "int"
        assert str(connected().map((itself, length)).get_type()) == "int"
        assert connected().map((itself, str)).get_type() == Types.PICKLED_BYTE_ARRAY()
        assert connected().map((itself, letters)).get_type() == Types.PICKLED_BYTE_ARRAY()
        assert connected().flat_map(Letters()).get_type() == Types.STRING()
        assert untyped(connected()).process(Co(), Types.INT()).get_type() == Types.INT()

    def test_errors_name_both_functions_of_a_pair(self) -> None:
        lock = iter([1])
        env = environment()
        first, second = both(env)

        def holding(value: str) -> Any:  # noqa: ANN401  # what can't travel
            return (value, lock, (one for one in lock))

        holding.generator = (one for one in lock)  # type: ignore[attr-defined]  # can't be pickled
        first.connect(second).map((itself, holding)).print()
        expected = (
            r'operator Co-Map "itself and holding" \(tests/.*test_connected_streams.py:\d+\): .*holding.generator'
        )
        with pytest.raises(NotPicklableError, match=expected):
            compiled(env)

    @pytest.mark.parametrize(
        ("made", "sentence"),
        [
            (
                lambda: untyped(connected()).map(len),
                "takes a CoMapFunction, or a pair of functions of (value), one for",
            ),
            (lambda: untyped(connected()).map(len), "; give one for each stream: (first, second)"),
            (lambda: untyped(connected()).map(Lengths), "but got the class Lengths; give an object of it: Lengths()"),
            (lambda: untyped(connected()).map(Letters()), "Letters; flat_map on connected streams takes it"),
            (lambda: untyped(connected()).map((itself, lambda: 5)), "called with (value), but"),
            (lambda: untyped(connected()).map((itself, letters_one_by_one)), "yields; return the result"),
            (lambda: untyped(connected()).map((itself, length, length)), "or a pair of functions of (value)"),
            (lambda: untyped(connected()).flat_map((letters, 5)), "but got 5"),
            (
                lambda: untyped(keyed()).process(Keyed()),
                "takes a KeyedCoProcessFunction or CoProcessFunction",
            ),
            (lambda: untyped(both()[0]).connect(5), "connect takes a DataStream or a BroadcastStream, but got 5"),
            (lambda: untyped(both()[0]).process(KeyedCo()), "process takes a ProcessFunction"),
            (
                lambda: untyped(broadcast()).process(KeyedCo()),
                "process with a broadcast stream takes a BroadcastProcessFunction",
            ),
            (
                lambda: untyped(broadcast(with_keys=True)).process(Match()),
                "Match; derive it from KeyedBroadcast",
            ),
            (lambda: untyped(both()[0]).broadcast("rules"), "broadcast takes MapStateDescriptors, but got 'rules'"),
            (
                lambda: untyped(both()[0]).broadcast(RULES, RULES),
                "broadcast got two states of the name 'rules'",
            ),
        ],
    )
    def test_what_is_refused(self, made: Callable[[], Any], sentence: str) -> None:
        with pytest.raises(ArgumentError, match=re.escape(sentence)) as caught:
            made()
        assert str(caught.value).startswith("(tests/unit/client/test_connected_streams.py:")

    @pytest.mark.parametrize(
        ("made", "sentence"),
        [
            (
                lambda: connected().process(KeyedCo()),
                "KeyedCoProcessFunction KeyedCo, but the connected streams have no",
            ),
            (
                lambda: half("first").process(KeyedCo()),
                "of the connected streams the second has no keys; call key_by on",
            ),
            (lambda: half("second").process(KeyedCo()), "of the connected streams the first has no keys"),
            (
                lambda: untyped(broadcast()).process(KeyedMatch()),
                "KeyedMatch, but the stream has no keys; call key_by",
            ),
            (lambda: untyped(both()[0]).interval_join, "interval_join works per key, and this stream has none"),
            (lambda: untyped(keyed_pair()[0]).interval_join(both()[1]), "the other one has none; call key_by on both"),
        ],
    )
    def test_what_wants_keys(self, made: Callable[[], Any], sentence: str) -> None:
        with pytest.raises(KeyedStreamRequiredError, match=re.escape(sentence)):
            made()

    @pytest.mark.parametrize(
        ("made", "call"),
        [
            (lambda first, second: first.key_by(itself).connect(second.key_by(letter)), "connect"),
            (lambda first, second: first.connect(second).key_by(itself, letter), "connect"),
            (lambda first, second: first.key_by(itself).interval_join(second.key_by(letter)), "interval_join"),
            (lambda first, second: first.join(second).where(itself).equal_to(letter), "equal_to"),
            (lambda first, second: first.co_group(second).where(itself).equal_to(letter), "equal_to"),
        ],
    )
    def test_keys_of_different_types(self, made: Callable[[Any, Any], Any], call: str) -> None:
        with pytest.raises(
            KeyTypeError, match=f"{call} got streams with keys of different types, int and STRING\\(\\); let both"
        ):
            made(*both())

    @pytest.mark.parametrize("call", ["connect", "join", "co_group", "interval_join", "connect broadcast"])
    def test_streams_of_two_environments(self, call: str) -> None:
        ours, theirs = both()[0], both()[0]
        expected = (
            f"{call.split(maxsplit=1)[0]} takes streams of one environment, but got .* and .*; take both from the same"
        )
        calls: dict[str, Callable[[], Any]] = {
            "interval_join": lambda: ours.key_by(itself).interval_join(theirs.key_by(itself)),
            "connect broadcast": lambda: ours.connect(theirs.broadcast(RULES)),
        }
        with pytest.raises(ForeignStreamError, match=expected):
            calls.get(call, lambda: getattr(ours, call)(theirs))()


def letters_one_by_one(value: str) -> Iterator[str]:
    yield from value


def letter(value: str) -> str:
    return value[:1]


def half(which: str) -> ConnectedStreams[int, str]:
    """Of two streams the one has keys."""
    first, second = both()
    return first.key_by(itself).connect(second) if which == "first" else first.connect(second.key_by(length))


class TestBroadcast:
    """A stream and a broadcast one."""

    def test_calls(self) -> None:
        made = operator(broadcast().process(Match(), Types.DOUBLE()))
        assert isinstance(made.specification, BroadcastProcessSpecification)
        assert made.specification.states == (RULES,)
        assert (made.name, made.type) == ("Broadcast Process", Types.DOUBLE())
        keyed = operator(broadcast(with_keys=True).process(KeyedMatch()))
        assert isinstance(keyed.specification, KeyedBroadcastProcessSpecification)
        assert keyed.name == "Keyed Broadcast Process"
        partitionings = [partition(DataStream(environment(), one)).partitioning for one in keyed.inputs]
        assert partitionings == [Partitioning.HASH, Partitioning.BROADCAST]

    @pytest.mark.parametrize("with_keys", [False, True])
    def test_a_pair_of_functions(self, *, with_keys: bool) -> None:
        pair = (lambda value, _ctx: [value], lambda _value, _ctx: None)
        made: Any = specification(broadcast(with_keys=with_keys).process(pair))
        assert made.function is pair


@pytest.mark.parametrize(
    "made",
    [
        lambda: connected().map(Lengths()),
        lambda: keyed().flat_map(Letters()),
    ],
)
def test_side_outputs_are_those_of_process(made: Callable[[], DataStream[Any]]) -> None:
    for stream in (keyed().process(KeyedCo()), connected().process(Co()), broadcast().process(Match())):
        stream.get_side_output(OutputTag("odd"))
    with pytest.raises(NotAnOperatorError, match=r"get_side_output was called on Co-.*, which has no side outputs"):
        made().get_side_output(OutputTag("odd"))


def program() -> StreamExecutionEnvironment:
    env = environment(parallelism_default=2)
    first, second = flights(env).uid("flights"), flights(env).uid("weather")
    first.union(first.map(abs)).key_by(Last()).connect(second.key_by(Last())).map(Lengths()).uid("both").print()
    return env


def test_the_plan_shows_which_input_an_edge_feeds() -> None:
    graph = compiled(program(), "two").graph
    shown = plan_as_text(graph)
    assert (
        dedent("""\
        5  Co-Map -> Sink: Print
           parallelism 2, max parallelism 128
           uid both: Co-Map
    """)
        in shown
    )
    assert shown.count("hash ──> 5\n") == 2, "both parts of the union"
    assert shown.count("hash, input 2 ──> 5\n") == 1
    edges = [edge for edge in plan_as_dict(graph)["edges"] if edge["partitioning"] == "hash"]
    assert sorted(edge["input"] for edge in edges) == [0, 0, 1]


def test_ids_tell_inputs_apart_and_those_of_one_input_stay_as_they_were() -> None:
    def ids(swapped: bool) -> str:
        env = environment()
        first, second = flights(env).uid("one"), flights(env).uid("other")
        made = (second.connect(first) if swapped else first.connect(second)).map((str, str))
        made.print()
        return compiled(env).operators[operator(made).number]

    assert ids(swapped=False) != ids(swapped=True)
    assert ids(swapped=False) == ids(swapped=False)


def test_an_operator_with_keys_gets_both_inputs_by_key() -> None:
    env = environment()
    first, second = both(env)
    made = first.connect(second).key_by(itself, length).process(KeyedCo())
    operator(made).inputs = (operator(made).inputs[0], second._transformation)
    expected = (
        r'Keyed Co-Process "KeyedCo" .*: it works per key, but gets its records from Source.* unkeyed; call key_by'
    )
    with pytest.raises(KeyedStreamRequiredError, match=expected):
        compiled(env)


@pytest.mark.parametrize("with_keys", [False, True])
def test_only_the_stream_that_is_not_broadcast_needs_keys(*, with_keys: bool) -> None:
    env = environment()
    first, second = both(env)
    rules = second.broadcast(RULES)
    if with_keys:
        first.key_by(itself).connect(rules).process(KeyedMatch()).print()
    else:
        first.connect(rules).process(Match()).print()
    [vertex] = [one for one in compiled(env).graph.vertices if "Broadcast" in one.name]
    assert vertex.operators[0].keyed is with_keys


@pytest.mark.parametrize("part", [connected, broadcast, lambda: both()[0].broadcast(RULES)])
def test_parts_of_a_program_stay_in_it(part: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="belongs to the program that makes the job"):
        part().__reduce__()


def test_an_operator_of_two_streams_begins_a_task_and_others_may_follow_in_it() -> None:
    env = environment()
    stream = numbers(env)
    stream.connect(stream.map(itself)).map((itself, itself)).map(itself).print()
    assert picture(compiled(env).graph) == dedent("""\
        Source: Collection -> Map x1
          -forward-> Co-Map -> Map -> Sink: Print
          -forward-> Co-Map -> Map -> Sink: Print
        Co-Map -> Map -> Sink: Print x1""")
