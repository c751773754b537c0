"""The judge is judged: small programs whose results are written here by hand, from Flink's documentation."""

from typing import Any

import pytest

from millstream.datastream.data_stream import DataStream
from millstream_dataflow.operators.two_inputs import BroadcastProcessSpecification
from millstream_dataflow.windows import TumblingEventTimeWindows
from tests.interpreter.inputs import Input, Split, steps_of
from tests.interpreter.interpreter import Arrival, Step, interpret, one_split
from tests.interpreter.keyed_stages import Collect, Running
from tests.interpreter.ledger import Ledger
from tests.interpreter.meetings import RULES, Meeting
from tests.interpreter.pipelines import Environment
from tests.interpreter.stages import SIDE, Repeat, Retime, Stage
from tests.interpreter.stream import END, Record
from tests.interpreter.waits import Await
from tests.interpreter.window_stages import Windowed
from tests.unit.client.programs import environment


def stream(env: Environment, name: str, *records: Any) -> DataStream[Any]:  # noqa: ANN401  # pairs with times
    return Input(name, (records,), 0).stream(env, 1)


def given(stages: Stage | tuple[Stage, ...], *items: Any, delay: int = 0, side: bool = False) -> list[Any]:  # noqa: ANN401  # as above
    """What stages give for one split of records and pauses, with watermarks so far behind."""
    env = environment()
    out = stream(env, "in", *items)
    for stage in stages if isinstance(stages, tuple) else (stages,):
        out = stage.on(out)
    (out.get_side_output(SIDE) if side else out).sink_to(Ledger("out")).name("out")
    return interpret(env.program, Input("in", (items,), delay).steps())["out"]


def met(how: str, reach: int, left: Split, right: Split, slide: int = 0) -> list[Any]:
    env = environment()
    out = Meeting(how, reach, slide).on(stream(env, "left", *left), stream(env, "right", *right))
    out.sink_to(Ledger("out")).name("out")
    return interpret(env.program, steps_of(Input("left", (left,), 0), Input("right", (right,), 0)))["out"]


def test_watermarks_stand_behind_the_records_that_raise_them() -> None:
    steps: list[Step] = [Arrival("in", Record("x", 10)), 4, Arrival("in", Record("y", 9)), END]
    assert one_split("in", [("x", 10), ("y", 9)], 5) == steps


def test_rows_and_running_reductions() -> None:
    assert given(Repeat(), (("a", 4), 0), (("a", 2), 1), (("a", 3), 2)) == [("a", 4), ("a", 4), ("a", 3)]
    assert given(Running(), (("a", 1), 0), (("b", 5), 1), (("a", 2), 2)) == [("a", 1), ("b", 5), ("a", 3)]


def test_times_and_watermarks_of_a_streams_own() -> None:
    """New times are 7, 15 and 7: the second one's watermark has closed the window of the others, so the last is late.
    Where even numbers alone say how far time has come, 6 says 3, and 2 says 15.
    """
    windows = Windowed(TumblingEventTimeWindows.of(10))
    three = ((("a", 1), 0), (("a", 2), 1), (("a", 4), 0))
    assert given((Retime(0, False), windows), *three) == [("a", 1), ("a", 2)]
    four = ((("a", 1), 0), (("a", 6), 3), (("a", 2), 1), (("a", 9), 3))
    assert given((Retime(0, True), windows), *four) == [("a", 7), ("a", 2)]


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


@pytest.mark.parametrize("is_ordered", [True, False])
def test_answers_are_those_of_the_records_in_their_order(is_ordered: bool) -> None:
    """Also of those that fail at first, that have nothing to say again and again, and that never come."""
    records = ((("a", 1), 0), (("a", 3), 1), (("a", 6), 2))
    results = {
        "answer": [2, 7],
        "empty": [2, 7],
        "fail": [1, 3, 3, 5, 6, 8],
        "mute": [5, 300, 10],
        "map": [2, 4, 7],
        "filter": [1],
    }
    for how, numbers in results.items():
        assert given(Await(is_ordered, 2, how), *records) == [("a", number) for number in numbers]


def test_an_interval_join_has_both_of_its_bounds() -> None:
    """From 4 before to 2 after."""
    right: Split = tuple((("a", number), time) for number, time in ((1, 5), (2, 6), (3, 12), (4, 13)))
    assert sorted(met("interval_join", 4, ((("a", 0), 10), (("b", 0), 10)), right)) == [("a", 2), ("a", 3)]


def test_functions_of_two_streams() -> None:
    """Even numbers halved and numbers negated; repeated and negated; as they are and their times."""
    left, right = ((("a", 4), 0), (("a", 3), 2)), ((("b", 5), 1),)
    assert met("co_map", 0, left, right) == met("keyed_co_map", 0, left, right) == [("a", 2), ("b", -5)]
    assert met("co_flat_map", 0, left, right) == [("a", 4), ("a", 4), ("b", -5), ("a", 3)]
    assert met("co_process", 0, left, right) == [("a", 4), ("b", 1), ("a", 3)]


def test_windows_of_two_streams() -> None:
    left, right = ((("a", 1), 0), (("a", 2), 5), (("b", 9), 1)), ((("a", 3), 1), (("a", 4), 4))
    assert met("join", 4, left, right) == [("a", 13), ("a", 14)]
    assert sorted(met("co_group", 4, left, right)) == [("a", 100), ("a", 102), ("b", 100)]
    assert met("join", 4, left, right, slide=3) == [("a", 13), ("a", 13), ("a", 14), ("a", 24)]


def test_what_no_rule_knows_is_named() -> None:
    env = environment()
    rules = stream(env, "rules").broadcast(RULES)
    stream(env, "in").connect(rules).process((lambda pair, _: [pair], lambda *_: None)).sink_to(Ledger("out"))
    with pytest.raises(KeyError, match=BroadcastProcessSpecification.__name__):
        interpret(env.program, [END])
