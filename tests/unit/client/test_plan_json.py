"""A program's plan as Flink's tools read it."""

from typing import Any

import pytest

from millstream.compiler.stream_graph import build_stream_graph
from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.plan_json import plan_as_flinks
from millstream_dataflow.functions import BroadcastProcessFunction
from millstream_dataflow.state import MapStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.types import Types
from tests.unit.client.programs import Files, environment, flights
from tests.unit.client.written import Plain


def nodes(env: StreamExecutionEnvironment) -> list[dict[str, Any]]:
    shown = plan_as_flinks(build_stream_graph(env.program, env.configuration))
    assert list(shown) == ["nodes"]
    return shown["nodes"]  # type: ignore[no-any-return]  # of Any


def strategies(env: StreamExecutionEnvironment) -> dict[str, list[tuple[str, str, str]]]:
    """For each operator that has inputs: where they come from, how, and on which side."""
    names = {node["id"]: node["type"] for node in nodes(env)}
    return {
        node["type"]: [(names[it["id"]], it["ship_strategy"], it["side"]) for it in node["predecessors"]]
        for node in nodes(env)
        if "predecessors" in node
    }


def test_each_operator_is_a_node() -> None:
    env = environment(parallelism_default=2)
    words = env.from_collection(["a", "b"], Types.STRING())
    words.map(str.upper).set_description("letters").key_by(str.lower).reduce(max).name("greatest").print()
    source, mapped, reduced, sink = nodes(env)
    assert source == {
        "id": source["id"],
        "type": "Source: Collection",
        "pact": "Data Source",
        "contents": "Source: Collection",
        "parallelism": 1,
    }
    assert mapped == {
        "id": mapped["id"],
        "type": "Map",
        "pact": "Operator",
        "contents": "letters",
        "parallelism": 2,
        "predecessors": [{"id": source["id"], "ship_strategy": "REBALANCE", "side": "first"}],
    }
    assert (reduced["type"], reduced["predecessors"][0]["ship_strategy"]) == ("greatest", "HASH")
    assert (sink["pact"], sink["predecessors"][0]["ship_strategy"]) == ("Data Sink", "FORWARD")
    assert source["id"] < mapped["id"] < reduced["id"] < sink["id"]


def test_a_source_with_splits_is_one_node() -> None:
    env = environment(parallelism_default=2)
    flights(env).sink_to(Files())
    [source, _] = nodes(env)
    assert (source["type"], source["pact"], source["parallelism"]) == ("Source: Flights", "Data Source", 2)
    assert "predecessors" not in source


@pytest.mark.parametrize("way", ["rebalance", "rescale", "shuffle", "broadcast", "global_", "forward"])
def test_ways_to_travel_have_flinks_names(way: str) -> None:
    env = environment()
    getattr(flights(env), way)().print()
    assert strategies(env) == {"Sink: Print": [("Source: Flights", way.rstrip("_").upper(), "first")]}


def test_partitions_of_the_users_own_are_custom() -> None:
    env = environment()
    flights(env).partition_custom(min, abs).print()
    assert strategies(env)["Sink: Print"] == [("Source: Flights", "CUSTOM", "first")]


def test_operators_of_two_streams_have_two_sides() -> None:
    env = environment()
    first, second = flights(env).map(abs).name("one"), flights(env).map(abs).name("other")
    first.connect(second).map((abs, abs)).print()
    assert strategies(env)["Co-Map"] == [("one", "FORWARD", "first"), ("other", "FORWARD", "second")]


class Known(BroadcastProcessFunction[int, str, int]):
    def process_element(self, value: int, ctx: BroadcastProcessFunction.ReadOnlyContext) -> None:
        raise NotImplementedError("a plan runs nothing")

    def process_broadcast_element(self, value: str, ctx: BroadcastProcessFunction.Context) -> None:
        raise NotImplementedError("a plan runs nothing")


def test_rules_that_are_broadcast_come_by_the_second_side() -> None:
    env = environment()
    rules = flights(env).map(str).name("rules").broadcast(MapStateDescriptor("rules", Types.INT(), Types.INT()))
    flights(env).map(int).name("flights").connect(rules).process(Known()).name("known").print()
    assert strategies(env)["known"] == [("flights", "FORWARD", "first"), ("rules", "BROADCAST", "second")]


def test_a_union_has_all_its_streams_on_one_side() -> None:
    env = environment()
    first, second = flights(env).map(abs).name("one"), flights(env).map(abs).name("other")
    first.union(second).key_by(abs).reduce(max).name("greatest").print()
    assert strategies(env)["greatest"] == [("one", "HASH", "first"), ("other", "HASH", "first")]


def test_a_side_output_comes_from_its_operator() -> None:
    env = environment()
    parsed = flights(env).process(Plain()).name("parsed")
    parsed.print().name("good")
    parsed.get_side_output(OutputTag("late")).print().name("late")
    assert strategies(env)["late"] == [("parsed", "FORWARD", "first")]
