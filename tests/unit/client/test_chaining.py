"""Which operators share a vertex: programs and the pictures of their job graphs."""

from collections.abc import Callable
from textwrap import dedent

import pytest

from millstream.datastream.environment import StreamExecutionEnvironment
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import WatermarkStrategy
from tests.unit.client.programs import compiled, environment, flights, numbers, picture
from tests.unit.client.written import Plain

Build = Callable[[StreamExecutionEnvironment], object]
PROGRAMS: list[tuple[str, Build, str]] = []


def draws(expected: str) -> Callable[[Build], Build]:
    """The program that follows, at parallelism 2 unless it says otherwise, gives this picture."""

    def register(build: Build) -> Build:
        PROGRAMS.append((build.__name__, build, dedent(expected).strip()))
        return build

    return register


@draws("""
    Source: Flights (splits) x1
      -splits-> Source: Flights -> Map -> Filter -> Sink: Print
    Source: Flights -> Map -> Filter -> Sink: Print x2
""")
def a_straight_line_is_one_vertex(env: StreamExecutionEnvironment) -> None:
    flights(env).map(str).filter(bool).print()


@draws("""
    Source: Collection x1
      -rebalance-> Map -> Sink: Print
    Map -> Sink: Print x2
""")
def another_parallelism_begins_a_vertex(env: StreamExecutionEnvironment) -> None:
    numbers(env).map(str).print()


@draws("""
    Source: Collection -> Map -> Sink: Print x1
""")
def the_whole_of_it_at_parallelism_one(env: StreamExecutionEnvironment) -> None:
    env.set_parallelism(1)
    numbers(env).map(str).print()


@draws("""
    Source: Sequence -> Map -> (Filter -> Sink: Print, Flat Map -> Sink: Print) x2
""")
def several_consumers_stay_in_the_vertex(env: StreamExecutionEnvironment) -> None:
    mapped = env.from_sequence(1, 9).map(str)
    mapped.filter(bool).print()
    mapped.flat_map(list).print()


@draws("""
    Source: Sequence -> Map x2
      -hash-> Keyed Reduce -> Sink: Print
      -rebalance-> Filter
    Keyed Reduce -> Sink: Print x2
    Filter x3
""")
def consumers_that_can_not_are_vertices_of_their_own(env: StreamExecutionEnvironment) -> None:
    mapped = env.from_sequence(1, 9).map(str)
    mapped.key_by(len).reduce(max).print()
    mapped.filter(bool).set_parallelism(3)


@draws("""
    Source: Sequence -> (Map, Filter) x2
      -forward-> Flat Map -> Sink: Print
      -forward-> Flat Map -> Sink: Print
    Flat Map -> Sink: Print x2
""")
def an_operator_with_two_inputs_begins_a_vertex(env: StreamExecutionEnvironment) -> None:
    sequence = env.from_sequence(1, 9)
    sequence.map(abs).union(sequence.filter(bool)).flat_map(range).print()


@draws("""
    Source: Sequence x2
      -forward-> Map
      -forward-> Map
    Map x2
""")
def a_stream_united_with_itself_comes_twice(env: StreamExecutionEnvironment) -> None:
    sequence = env.from_sequence(1, 9)
    sequence.union(sequence).map(str)


@draws("""
    Source: Sequence -> Map x2
      -forward-> Filter -> Flat Map
    Filter -> Flat Map x2
""")
def start_new_chain_begins_a_vertex(env: StreamExecutionEnvironment) -> None:
    env.from_sequence(1, 9).map(str).filter(bool).start_new_chain().flat_map(list)


@draws("""
    Source: Sequence -> Map x2
      -forward-> Filter
    Filter x2
      -forward-> Flat Map
    Flat Map x2
""")
def disable_chaining_makes_a_vertex_of_its_own(env: StreamExecutionEnvironment) -> None:
    env.from_sequence(1, 9).map(str).filter(bool).disable_chaining().flat_map(list)


@draws("""
    Source: Sequence x2
      -forward-> Map
    Map x2
      -forward-> Filter
    Filter x2
""")
def chaining_can_be_switched_off(env: StreamExecutionEnvironment) -> None:
    env.disable_operator_chaining()
    env.from_sequence(1, 9).map(str).filter(bool)


@draws("""
    Source: Sequence x2
      -forward-> Map -> Filter
    Map -> Filter x2 @heavy
      -forward-> Sink: Print
    Sink: Print x2
""")
def a_slot_sharing_group_goes_on_until_another_is_named(env: StreamExecutionEnvironment) -> None:
    env.from_sequence(1, 9).map(str).slot_sharing_group("heavy").filter(bool).print().slot_sharing_group("default")


@draws("""
    Source: Flights (splits) x1 @heavy
      -splits-> Source: Flights -> Map
    Source: Flights -> Map x2 @heavy
""")
def an_enumerator_is_in_the_group_of_its_reader(env: StreamExecutionEnvironment) -> None:
    flights(env).slot_sharing_group("heavy").map(str)


@draws("""
    Source: Sequence -> Map x2
      -rebalance-> Filter
    Filter x2
""")
def of_several_partitionings_the_last_counts(env: StreamExecutionEnvironment) -> None:
    env.from_sequence(1, 9).map(str).shuffle().rebalance().filter(bool)


@draws("""
    Source: Sequence x2
      -broadcast-> Map
      -rescale-> Map
    Map x2
""")
def parts_of_a_union_travel_as_they_were_told(env: StreamExecutionEnvironment) -> None:
    sequence = env.from_sequence(1, 9)
    sequence.broadcast().union(sequence.rescale()).map(str)


@draws("""
    Source: Sequence x2
      -shuffle-> Map
      -shuffle-> Map
    Map x2
""")
def a_partitioning_of_a_union_holds_for_all_of_it(env: StreamExecutionEnvironment) -> None:
    sequence = env.from_sequence(1, 9)
    sequence.broadcast().union(sequence).shuffle().map(str)


@draws("""
    Source: Sequence -> Process -> Sink: Print x2
      -rebalance[odd]-> Filter
      -hash[even]-> Keyed Reduce
    Filter x3
    Keyed Reduce x2
""")
def side_outputs_are_edges_of_their_own(env: StreamExecutionEnvironment) -> None:
    split = env.from_sequence(1, 9).process(Plain())
    split.print()
    split.get_side_output(OutputTag("odd")).filter(bool).set_parallelism(3)
    split.get_side_output(OutputTag("even")).key_by(abs).sum()


@draws("""
    Source: Sequence -> Timestamps/Watermarks -> Map x2
""")
def forward_and_watermarks_keep_the_chain(env: StreamExecutionEnvironment) -> None:
    stream = env.from_sequence(1, 9).assign_timestamps_and_watermarks(WatermarkStrategy.for_monotonous_timestamps())
    stream.forward().map(str)


@draws("""
    Source: Sequence -> Map x2
      -forward-> Filter
    Filter x2
""")
def another_max_parallelism_begins_a_vertex(env: StreamExecutionEnvironment) -> None:
    env.from_sequence(1, 9).map(str).filter(bool).set_max_parallelism(7)


@pytest.mark.parametrize(("build", "expected"), [row[1:] for row in PROGRAMS], ids=[row[0] for row in PROGRAMS])
def test_program(build: Build, expected: str) -> None:
    env = environment(parallelism_default=2)
    build(env)
    assert picture(compiled(env).graph) == expected


def test_a_source_that_nobody_reads_is_left_out() -> None:
    env = environment()
    flights(env)
    numbers(env).map(str)
    assert picture(compiled(env).graph) == "Source: Collection -> Map x1"


def itself(number: int) -> int:
    return number


def test_thousands_of_operators_in_a_row_are_one_vertex() -> None:
    """Three times as many as Python has frames."""
    env = environment()
    stream = numbers(env)
    for _ in range(3_000):
        stream = stream.map(itself)
    [vertex] = compiled(env).graph.vertices
    assert len(vertex.operators) == 3_001
