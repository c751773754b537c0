"""The judge is judged: small programs whose results are written here by hand, from Flink's documentation."""

from typing import Any

import pytest

from millstream.datastream.data_stream import DataStream
from millstream_dataflow.operators.specifications import MapBatchesSpecification
from tests.interpreter.interpreter import Arrival, Step, by_time, interpret, one_split
from tests.interpreter.ledger import Ledger
from tests.interpreter.meetings import Meeting
from tests.interpreter.pipelines import Environment, Input, Split
from tests.interpreter.stages import SIDE, Await, Collect, Keeping, Repeat, Running, Stage
from tests.interpreter.stream import END, Record
from tests.unit.client.programs import environment


def stream(env: Environment, name: str, *records: Any) -> DataStream[Any]:  # noqa: ANN401  # pairs with times
    return Input(name, (records,), 0, 1, False, False).stream(env, 1)


def given(stage: Stage, *records: Any, delay: int = 0, side: bool = False) -> list[Any]:  # noqa: ANN401  # as above
    """What a stage gives for one split of records, with watermarks so far behind."""
    env = environment()
    out = stage.on(stream(env, "in", *records))
    (out.get_side_output(SIDE) if side else out).sink_to(Ledger("out")).name("out")
    return interpret(env.program, one_split("in", records, delay))["out"]


def met(how: str, reach: int, left: Split, right: Split) -> list[Any]:
    env = environment()
    out = Meeting(how, reach).on(stream(env, "left", *left), stream(env, "right", *right))
    out.sink_to(Ledger("out")).name("out")
    return interpret(env.program, by_time({"left": left, "right": right}))["out"]


def test_watermarks_stand_behind_the_records_that_raise_them() -> None:
    steps: list[Step] = [Arrival("in", Record("x", 10)), 4, Arrival("in", Record("y", 9)), END]
    assert one_split("in", [("x", 10), ("y", 9)], 5) == steps


def test_rows_and_running_reductions() -> None:
    assert given(Repeat(), (("a", 4), 0), (("a", 2), 1), (("a", 3), 2)) == [("a", 4), ("a", 4), ("a", 3)]
    assert given(Running(), (("a", 1), 0), (("b", 5), 1), (("a", 2), 2)) == [("a", 1), ("b", 5), ("a", 3)]


def test_timers_fire_once_in_order_with_their_time_and_state() -> None:
    """Registered at 5, 5 and 7, for 10, 10 and 12: two calls."""
    records = ((("a", 1), 7), (("a", 2), 5), (("a", 4), 5))
    assert given(Collect(5), *records, delay=5) == [("a", 6), ("a", 1)]
    assert given(Collect(5), *records, delay=5, side=True) == [("a", 4)]


def test_connected_streams_share_the_state_of_a_key() -> None:
    assert met("connect", 3, ((("a", 1), 0), (("b", 7), 2)), ((("a", 2), 1),)) == [("a", 1), ("a", 6), ("b", 7)]


def test_rules_that_are_broadcast_count_for_all_keys_from_their_time_on() -> None:
    """Elements wait for 3: `a` until 3, where the rules of 1 and 3 are there, `b` until 5, with that of 5 too."""
    rules: Split = ((("x", 1), 1), (("y", 2), 3), (("z", 4), 5), (("z", 8), 6))
    assert met("broadcast", 3, ((("a", 7), 0), (("b", 9), 2)), rules) == [("a", 7003), ("b", 9007)]


def test_answers_are_those_of_the_records_in_their_order() -> None:
    records = ((("a", 1), 0), (("a", 3), 1), (("a", 6), 2))
    assert given(Await(True, 2), *records) == given(Await(False, 2), *records) == [("a", 2), ("a", 7)]


@pytest.mark.parametrize("ttl", [False, True])
def test_state_of_every_kind(ttl: bool) -> None:
    """A 4 drops the count of the numbers with the remainder 1 (those of 1 and of itself), and the span behind it."""
    records = ((("a", 1), 0), (("b", 5), 1), (("a", 4), 2), (("a", 2), 3))
    assert given(Keeping(ttl), *records) == [("a", 100_001), ("b", 100_005), ("a", 203_005), ("a", 100_007)]


def test_an_interval_join_has_both_of_its_bounds() -> None:
    """From 4 before to 2 after."""
    right: Split = tuple((("a", number), time) for number, time in ((1, 5), (2, 6), (3, 12), (4, 13)))
    assert sorted(met("interval_join", 4, ((("a", 0), 10), (("b", 0), 10)), right)) == [("a", 2), ("a", 3)]


def test_windows_of_two_streams() -> None:
    left, right = ((("a", 1), 0), (("a", 2), 5), (("b", 9), 1)), ((("a", 3), 1), (("a", 4), 4))
    assert met("join", 4, left, right) == [("a", 13), ("a", 14)]
    assert sorted(met("co_group", 4, left, right)) == [("a", 100), ("a", 102), ("b", 100)]


def test_what_no_rule_knows_is_named() -> None:
    env = environment()
    stream(env, "in").map_batches(lambda batch: batch).sink_to(Ledger("out"))
    with pytest.raises(KeyError, match=MapBatchesSpecification.__name__):
        interpret(env.program, [END])
