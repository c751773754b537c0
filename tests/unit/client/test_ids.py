"""Operator ids name state in checkpoints: they must not change when something else in the program does."""

import hashlib
import logging
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from millstream.compiler.ids import id_of_uid
from millstream.datastream.data_stream import DataStream
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream_dataflow.connectors import Sink, SinkContext, SinkWriter
from millstream_dataflow.functions import ProcessFunction
from millstream_dataflow.state import CheckpointedFunction, FunctionInitializationContext, FunctionSnapshotContext
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import WatermarkStrategy
from tests.unit.client.programs import Files, Ticker, compiled, environment, flights, numbers
from tests.unit.client.written import Plain

Build = Callable[[StreamExecutionEnvironment], object]


def ids(build: Build, **settings: object) -> dict[str, str]:
    """Name to id of every operator."""
    env = environment(**settings)
    build(env)
    return {operator.name: operator.id for vertex in compiled(env).graph.vertices for operator in vertex.operators}


class Kept(CheckpointedFunction):
    """State that belongs to no key."""

    def initialize_state(self, context: FunctionInitializationContext) -> None:
        raise AssertionError("a graph is compiled, nothing runs")

    def snapshot_state(self, context: FunctionSnapshotContext) -> None:
        raise AssertionError("a graph is compiled, nothing runs")

    def __call__(self, value: object) -> NoReturn:
        raise AssertionError("a graph is compiled, nothing runs")


class KeptProcess(ProcessFunction[str, str], Kept):
    def process_element(self, value: str, ctx: ProcessFunction.Context) -> None:
        raise AssertionError("a graph is compiled, nothing runs")


class Unfinished(Sink[None]):
    """Commits nothing; its writer may have state."""

    def create_writer(self, context: SinkContext, state: object) -> SinkWriter[None]:
        raise AssertionError("a graph is compiled, nothing runs")


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
    def less(env: StreamExecutionEnvironment) -> None:
        flights(env).process(Plain()).name("parse").key_by(abs).reduce(max).name("count").print().name("out")

    def more(env: StreamExecutionEnvironment) -> None:
        parsed = flights(env).process(Plain()).name("parse")
        parsed.key_by(abs).reduce(max).name("count").print().name("out")
        parsed.get_side_output(OutputTag("late")).print().name("late")

    before = ids(less)
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
        parsed = flights(env).process(Plain())
        parsed.map(abs).name("main")
        parsed.get_side_output(OutputTag("late")).map(abs).name("late")

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


class TestTwins:
    """Equal operators without uid: the order of the calls is all there is to tell them apart."""

    def test_a_branch_that_is_added_to_one_of_two_equal_sources_does_not_swap_them(self) -> None:
        """Its sink, called first, leads the walk to the second source before the first."""

        def pair(env: StreamExecutionEnvironment, *, branch: bool = False) -> None:
            first, second = env.from_sequence(0, 9).name("first"), env.from_sequence(10, 19).name("second")
            if branch:
                second.filter(bool).name("added").print().name("added out")
            first.map(abs).name("of first").print().name("out 1")
            second.map(abs).name("of second").print().name("out 2")

        before = ids(pair)
        after = ids(lambda env: pair(env, branch=True))
        assert {name: text for name, text in after.items() if name in before} == before

    def test_a_stateful_one_is_warned_about(self, caplog: pytest.LogCaptureFixture) -> None:
        def pair(env: StreamExecutionEnvironment) -> None:
            env.from_sequence(0, 9).name("first").print()
            env.from_sequence(10, 19).name("second").print()

        ids(pair)
        assert caplog.records == []
        for settings in ({"execution_checkpointing_interval": "1 s"}, {"execution_state__recovery_path": "/sp"}):
            caplog.clear()
            ids(pair, **settings)
            [record] = caplog.records
            assert record.levelno == logging.WARNING
            text = record.getMessage()
            assert text.startswith('only the order of the calls tells which state belongs to Source "first" (')
            assert '"second"' in text
            assert "uid(...)" in text
            assert "(splits)" not in text

    def test_one_that_stands_behind_twins_is_warned_about(self, caplog: pytest.LogCaptureFixture) -> None:
        def counts(env: StreamExecutionEnvironment, *, named: str = "") -> None:
            parsed = flights(env).uid("flights")
            for number in range(2):
                mapped = parsed.map(str).key_by(len).reduce(max).name(f"count {number}")
                if named:
                    mapped.uid(f"{named}{number}")
                mapped.print()

        checkpointing = {"execution_checkpointing_interval": "1 s"}
        ids(counts, **checkpointing)
        [record] = caplog.records
        assert '"count 0"' in record.getMessage()
        assert '"count 1"' in record.getMessage()
        assert "flights" not in record.getMessage()
        caplog.clear()
        ids(lambda env: counts(env, named="count"), **checkpointing)
        assert caplog.records == []

    @pytest.mark.parametrize(
        "stateful",
        [
            lambda stream: stream.map(Kept()),
            lambda stream: stream.flat_map(Kept()),
            lambda stream: stream.filter(Kept()),
            lambda stream: stream.process(KeptProcess()),
            lambda stream: stream.map_batches(Kept()),
            lambda stream: stream.assign_timestamps_and_watermarks(WatermarkStrategy.no_watermarks()),
            lambda stream: stream.sink_to(Files()),
            lambda stream: stream.sink_to(Unfinished()),
        ],
        ids=["map", "flat_map", "filter", "process", "map_batches", "timestamps", "committing sink", "sink"],
    )
    def test_state_without_keys_is_warned_about(
        self, caplog: pytest.LogCaptureFixture, stateful: Callable[[DataStream[Any]], Any]
    ) -> None:
        def pair(env: StreamExecutionEnvironment) -> None:
            parsed = flights(env).map(str)
            for number in range(2):
                last = stateful(parsed).name(f"twin {number}")
                if isinstance(last, DataStream):
                    last.print()

        ids(pair, execution_checkpointing_interval="1 s")
        [record] = caplog.records
        assert '"twin 0"' in record.getMessage()
        assert '"twin 1"' in record.getMessage()
        assert "print" not in record.getMessage().lower()

    def test_twins_without_state_are_nobodys_business(self, caplog: pytest.LogCaptureFixture) -> None:
        def prints(env: StreamExecutionEnvironment) -> None:
            parsed = flights(env).map(str)
            parsed.print()
            parsed.print()

        ids(prints, execution_checkpointing_interval="1 s")
        assert caplog.records == []
