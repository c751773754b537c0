"""The judge is judged: small programs whose results are written here by hand, from Flink's documentation."""

from typing import Any

import pytest

from millstream.datastream.data_stream import DataStream
from millstream_dataflow.operators.specifications import MapBatchesSpecification
from tests.interpreter.interpreter import Arrival, Step, by_time, interpret, one_split
from tests.interpreter.ledger import Ledger
from tests.interpreter.pipelines import (
    SIDE,
    Collect,
    Environment,
    Input,
    Meeting,
    Repeat,
    Running,
    Split,
    Stage,
    Windowed,
)
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


def test_a_window_fires_when_the_watermark_has_reached_its_last_millisecond() -> None:
    """The window [0, 10) has fired at the watermark 9, so what comes for it then is late; and 10 belongs to the next
    window.
    """
    records = ((("a", 1), 0), (("a", 2), 9), (("a", 4), 10), (("a", 8), 9), (("a", 16), 19))
    assert given(Windowed(10), *records) == [("a", 3), ("a", 20)]
    assert given(Windowed(10, late=True), *records, side=True) == [("a", 8)]


def test_a_late_record_fires_its_window_again_for_as_long_as_it_is_allowed() -> None:
    records = ((("a", 1), 9), (("a", 2), 11), (("a", 4), 9), (("a", 8), 15), (("a", 16), 9))
    assert given(Windowed(10, lateness=5), *records) == [("a", 1), ("a", 5), ("a", 10)]
    assert given(Windowed(10, lateness=5, late=True), *records, side=True) == [("a", 16)]


def test_windows_have_an_offset_before_the_epoch_too() -> None:
    assert given(Windowed(10, offset=3), (("a", 1), 2), (("a", 2), 3), (("a", 4), 12)) == [("a", 1), ("a", 6)]
    assert given(Windowed(10, offset=3, whole=True), (("a", 1), -8)) == [("a", 1 + 10 + 100 - 17)]


def test_timers_fire_once_in_order_with_their_time_and_state() -> None:
    """Registered at 5, 5 and 7, for 10, 10 and 12: two calls."""
    records = ((("a", 1), 7), (("a", 2), 5), (("a", 4), 5))
    assert given(Collect(5), *records, delay=5) == [("a", 6), ("a", 1)]
    assert given(Collect(5), *records, delay=5, side=True) == [("a", 4)]


def test_connected_streams_share_the_state_of_a_key() -> None:
    assert met("connect", 3, ((("a", 1), 0), (("b", 7), 2)), ((("a", 2), 1),)) == [("a", 1), ("a", 6), ("b", 7)]


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
