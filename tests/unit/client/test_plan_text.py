"""A plan for people and for programs."""

import json
from textwrap import dedent

from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.plan_text import plan_as_dict, plan_as_text
from millstream_dataflow.tags import OutputTag
from tests.unit.client.programs import Files, Ticker, compiled, environment, flights
from tests.unit.client.written import Plain


def program() -> StreamExecutionEnvironment:
    env = environment(parallelism_default=2, execution_checkpointing_interval="1 s")
    parsed = flights(env, Ticker()).process(Plain()).uid("parse")
    parsed.key_by(abs).sum().sink_to(Files()).slot_sharing_group("writers")
    parsed.get_side_output(OutputTag("late")).print().set_parallelism(1)
    return env


def test_as_text() -> None:
    assert plan_as_text(compiled(program(), "delays").graph) == dedent("""\
        Job "delays": 5 vertices, 4 slots

        1  Source: Flights (splits)
           parallelism 1, max parallelism 128, unbounded
           └── splits ──> 2
        2  Source: Flights -> Process
           parallelism 2, max parallelism 128
           uid parse: Process
           ├── hash ──> 3
           └── rebalance, side output late ──> 5
        3  Keyed Reduce
           parallelism 2, max parallelism 128
           └── forward ──> 4
        4  Sink: Files
           parallelism 2, max parallelism 128, slot-sharing group writers
        5  Sink: Print
           parallelism 1, max parallelism 128
    """)


def test_as_values() -> None:
    graph = compiled(program(), "delays").graph
    plan = plan_as_dict(graph)
    assert json.loads(json.dumps(plan)) == plan
    assert (plan["name"], plan["job"], plan["slots"]) == ("delays", graph.job, 4)
    splits, _, reduce, sink, _ = plan["vertices"]
    assert (splits["source"], splits["bounded"]) == (True, False)
    assert (reduce["source"], reduce["bounded"]) == (False, None)
    assert reduce["operators"][0]["keyed"]
    assert sink["operators"][0]["commits_outside"]
    assert plan["edges"][2] == {
        "source": reduce["id"],
        "target": sink["id"],
        "partitioning": "forward",
        "exchange": "pipelined",
        "side_output": None,
        "input": 0,
    }


def test_one_of_each_is_counted_in_the_singular() -> None:
    env = environment()
    env.from_collection([1]).print()
    assert plan_as_text(compiled(env).graph).startswith('Job "test": 1 vertex, 1 slot\n')
