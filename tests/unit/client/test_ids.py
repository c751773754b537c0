"""Operator ids name state in checkpoints: they must not change when something else in the program does."""

import hashlib
from collections.abc import Callable

from millstream.compiler.ids import id_of_uid
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream_dataflow.tags import OutputTag
from tests.unit.client.programs import Ticker, compiled, environment, flights, numbers

Build = Callable[[StreamExecutionEnvironment], object]


def ids(build: Build, **settings: object) -> dict[str, str]:
    """Name to id of every operator."""
    env = environment(**settings)
    build(env)
    return {operator.name: operator.id for vertex in compiled(env).graph.vertices for operator in vertex.operators}


def counting(env: StreamExecutionEnvironment) -> None:
    flights(env).map(str).name("parse").key_by(len).reduce(max).name("count").print().name("out")


def test_two_runs_of_a_program_agree() -> None:
    assert ids(counting) == ids(counting)


def test_ids_are_32_hexadecimal_digits_and_all_different() -> None:
    found = list(ids(counting).values())
    assert all(len(text) == 32 and int(text, 16) >= 0 for text in found)
    assert len(set(found)) == 5


def test_what_is_added_elsewhere_changes_nothing() -> None:
    def more(env: StreamExecutionEnvironment) -> None:
        numbers(env).map(abs).name("other").print().name("other out")
        counting(env)

    before = ids(counting)
    assert {name: text for name, text in ids(more).items() if name in before} == before


def test_what_is_added_behind_an_operator_changes_nothing_before_it() -> None:
    def more(env: StreamExecutionEnvironment) -> None:
        parsed = flights(env).map(str).name("parse")
        parsed.key_by(len).reduce(max).name("count").print().name("out")
        parsed.get_side_output(OutputTag("late")).print().name("late")

    before = ids(counting)
    assert {name: text for name, text in ids(more).items() if name in before} == before


def test_settings_that_are_no_part_of_the_topology_change_nothing() -> None:
    def tuned(env: StreamExecutionEnvironment) -> None:
        parsed = flights(env).map(str).name("parse").set_parallelism(3).disable_chaining()
        counted = parsed.key_by(len).reduce(max).name("count").slot_sharing_group("heavy").set_max_parallelism(999)
        counted.rebalance().print().name("out")

    assert ids(tuned, parallelism_default=4) == ids(counting)


def test_what_is_put_between_changes_what_follows() -> None:
    def longer(env: StreamExecutionEnvironment) -> None:
        parsed = flights(env).map(str).name("parse").filter(bool).name("valid")
        parsed.key_by(len).reduce(max).name("count").print().name("out")

    before, after = ids(counting), ids(longer)
    assert before["parse"] == after["parse"]
    assert before["count"] != after["count"]


def test_twins_are_told_apart_by_the_order_of_the_calls() -> None:
    def twins(env: StreamExecutionEnvironment) -> None:
        stream = flights(env)
        stream.map(str).name("first")
        stream.map(abs).name("second")

    def one(env: StreamExecutionEnvironment) -> None:
        flights(env).map(abs).name("first")

    assert ids(twins)["first"] == ids(one)["first"] != ids(twins)["second"]


def test_side_outputs_are_not_the_main_output() -> None:
    def tagged(env: StreamExecutionEnvironment) -> None:
        parsed = flights(env).map(str)
        parsed.map(len).name("main")
        parsed.get_side_output(OutputTag("late")).map(len).name("late")

    found = ids(tagged)
    assert found["main"] != found["late"]


def test_another_kind_of_source_has_another_id() -> None:
    def ticking(env: StreamExecutionEnvironment) -> None:
        flights(env, Ticker()).map(str).name("parse")

    assert ids(ticking)["parse"] != ids(counting)["parse"]


def test_a_uid_alone_makes_the_id() -> None:
    def named(env: StreamExecutionEnvironment) -> None:
        flights(env).map(str).filter(bool).uid("state").name("any")

    assert ids(named)["any"] == id_of_uid("state") == hashlib.sha256(b"state").hexdigest()[:32]


def test_below_a_uid_what_stands_above_it_does_not_matter() -> None:
    def short(env: StreamExecutionEnvironment) -> None:
        numbers(env).map(str).uid("parse").filter(bool).name("below")

    def long(env: StreamExecutionEnvironment) -> None:
        flights(env).map(str).filter(bool).map(str).uid("parse").filter(bool).name("below")

    assert ids(short)["below"] == ids(long)["below"]


def test_the_enumerator_follows_the_uid_of_its_reader() -> None:
    def first(env: StreamExecutionEnvironment) -> None:
        flights(env).uid("flights").map(str)

    def second(env: StreamExecutionEnvironment) -> None:
        flights(env).map(str)
        flights(env).uid("flights").name("Source: Moved").map(abs)

    splits = ids(first)["Source: Flights (splits)"]
    assert splits == ids(second)["Source: Moved (splits)"] != id_of_uid("flights")


def test_a_vertex_has_the_id_of_its_head() -> None:
    env = environment()
    flights(env).map(str).uid("parse")
    for vertex in compiled(env).graph.vertices:
        assert vertex.id == str(vertex.operators[0].id)


def test_the_id_of_each_transformation_is_told() -> None:
    env = environment()
    sink = numbers(env).print().uid("out")
    assert compiled(env).operators[sink._transformation.number] == id_of_uid("out")
