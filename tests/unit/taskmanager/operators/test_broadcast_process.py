"""Functions of a stream and a broadcast one: broadcast state is read by the one and written by the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from millstream_dataflow.functions import BroadcastProcessFunction
from millstream_dataflow.operators.two_inputs import BroadcastProcessSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.state import BroadcastState, MapStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.types import Types
from millstream_runtime.messages.snapshots import Redistribution
from millstream_taskmanager.operators.base import SideBatch
from millstream_taskmanager.operators.broadcast_process import BroadcastProcessOperator
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench
from tests.support.two_inputs import BARRIER, given, restored, timed, untimed

RULES = MapStateDescriptor("rules", Types.STRING(), Types.INT())
ANY = MapStateDescriptor[Any, Any]("rules")
SEEN: OutputTag[Any] = OutputTag("seen")

ReadOnlyContext = BroadcastProcessFunction.ReadOnlyContext
Context = BroadcastProcessFunction.Context


class Matching(BroadcastProcessFunction[str, tuple[str, int | None], Any]):
    """Words are looked up; rules are set, or removed by None."""

    def process_element(self, value: str, ctx: ReadOnlyContext) -> Iterator[Any]:
        yield value, ctx.get_broadcast_state(RULES).get(value), ctx.timestamp()

    def process_broadcast_element(self, value: tuple[str, int | None], ctx: Context) -> Iterator[Any]:
        name, rule = value
        rules = ctx.get_broadcast_state(RULES)
        if rule is None:
            rules.remove(name)
        else:
            rules[name] = rule
        yield SEEN, (dict(rules.items()), ctx.timestamp(), ctx.current_watermark(), ctx.current_processing_time())


def opened(function: object, *states: MapStateDescriptor[Any, Any], **options: Any) -> BroadcastProcessOperator:  # noqa: ANN401  # of any kind
    specification = BroadcastProcessSpecification(function, states or (ANY,))
    operator = BroadcastProcessOperator(specification, reuse=options.get("reuse", False))
    operator.open(OperatorBench(now=77).context(options.get("state")))
    return operator


def test_one_stream_reads_what_the_other_has_written() -> None:
    operator = opened(Matching(), RULES)
    assert given(operator.process(0, untimed("a"))) == [(("a", None, None), None)]
    assert list(operator.process(1, timed((("a", 1), 10), (("b", 2), 11)))) == [
        SideBatch("seen", RowBatch([({"a": 1}, 10, MIN_TIME, 77), ({"a": 1, "b": 2}, 11, MIN_TIME, 77)], [10, 11]))
    ]
    list(operator.advance(Watermark(5)))
    assert given(operator.process(0, timed(("a", 12), ("c", 13)))) == [(("a", 1, 12), 12), (("c", None, 13), 13)]
    assert list(operator.process(1, untimed(("a", None)))) == [SideBatch("seen", RowBatch([({"b": 2}, None, 5, 77)]))]


def test_either_stream_may_end_first() -> None:
    operator = opened(Matching(), RULES)
    list(operator.process(1, untimed(("a", 1))))
    assert list(operator.end_of_input(1)) == []
    assert given(operator.process(0, untimed("a"))) == [(("a", 1, None), None)]
    assert list(operator.end_of_input(0)) == []
    told = SideBatch("seen", RowBatch([({"a": 2}, None, MIN_TIME, 77)]))
    assert list(operator.process(1, untimed(("a", 2)))) == [told]


def test_the_state_is_a_map() -> None:
    def write(value: Any, ctx: Context) -> Iterator[Any]:  # noqa: ANN401  # a call of any kind
        state: BroadcastState[Any, Any] = ctx.get_broadcast_state(ANY)
        yield value(state)

    def read(value: Any, ctx: ReadOnlyContext) -> Iterator[Any]:  # noqa: ANN401  # as above
        yield value(ctx.get_broadcast_state(ANY))

    operator = opened((read, write))

    def told(number: int, call: Any) -> Any:  # noqa: ANN401  # as above
        [(value, _)] = given(operator.process(number, untimed(call)))
        return value

    for number in (0, 1):
        assert told(number, lambda state: (state.is_empty(), state.get("a"), "a" in state, list(state))) == (
            True,
            None,
            False,
            [],
        )
    told(1, lambda state: state.put_all({1: "one", "b": None}))
    told(1, lambda state: state.put(1.0, "uno"))
    for number in (0, 1):
        assert told(number, lambda state: (list(state.items()), list(state.keys()), list(state.values()))) == (
            [(1, "uno"), ("b", None)],
            [1, "b"],
            ["uno", None],
        ), "1 and 1.0 are one key, in the form that came first"
        assert told(number, lambda state: (state[True], state["b"], state.contains("b"))) == ("uno", None, True)
        with pytest.raises(UserCodeError, match="KeyError: 'z'"):
            told(number, lambda state: state["z"])
    told(1, lambda state: [state.remove(key) for key in state])
    assert told(0, lambda state: state.is_empty())
    told(1, lambda state: (state.put(1, 2), state.clear()))
    assert told(0, lambda state: state.is_empty())


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("put", lambda state: state.put(1, 2)),
        ("put_all", lambda state: state.put_all({1: 2})),
        ("remove", lambda state: state.remove(1)),
        ("clear", lambda state: state.clear()),
        (r"state\[key\] = value", lambda state: state.__setitem__(1, 2)),
        (r"del state\[key\]", lambda state: state.__delitem__(1)),
    ],
)
def test_where_it_is_read_it_refuses_to_be_changed(name: str, call: Any) -> None:  # noqa: ANN401  # of any kind
    operator = opened((lambda _, ctx: call(ctx.get_broadcast_state(ANY)), lambda _, _ctx: ()))
    expected = f"{name} was called on broadcast state where it can only be read: .*; change it in process_broadcast_"
    with pytest.raises(UserCodeError, match=expected) as raised:
        list(operator.process(0, untimed("record")))
    assert raised.value.record == "'record'"
    assert not raised.value.restartable


@dataclass(frozen=True)
class Limit:
    most: int


def test_what_is_read_can_not_be_changed_in_place() -> None:
    """The state of one subtask would else be another than that of its neighbours."""
    frozen = Limit(5)

    def write(value: Any, ctx: Context) -> Iterator[Any]:  # noqa: ANN401  # any record
        rules = ctx.get_broadcast_state(ANY)
        rules["list"], rules["frozen"] = value, frozen
        yield list(rules.values())

    def read(_: object, ctx: ReadOnlyContext) -> Iterator[Any]:
        rules = ctx.get_broadcast_state(ANY)
        for copy in (rules["list"], dict(rules.items())["list"], next(iter(rules.values()))):
            copy.append("spoilt")
        yield rules["frozen"] is frozen, rules["list"]

    for reuse, expected in ((False, [1]), (True, [1, "spoilt", "spoilt", "spoilt"])):
        operator = opened((read, write), reuse=reuse)
        list(operator.process(1, untimed([1])))
        assert given(operator.process(0, untimed("x"))) == [((True, expected), None)]


def test_a_state_that_was_not_named_is_refused() -> None:
    other = MapStateDescriptor[Any, Any]("other")
    operator = opened((lambda _, ctx: ctx.get_broadcast_state(other), lambda _, ctx: ctx.get_broadcast_state(other)))
    for number in (0, 1):
        with pytest.raises(UserCodeError, match=r"broadcast state 'other' was asked for, but .* with 'rules'; give"):
            list(operator.process(number, untimed("record")))


def test_there_are_no_timers() -> None:
    operator = opened((lambda _, ctx: ctx.timer_service(), lambda _, _ctx: ()))
    with pytest.raises(UserCodeError, match=r"timers belong to keys.*with a KeyedBroadcastProcessFunction"):
        list(operator.process(0, untimed("record")))


def test_the_state_is_stored_at_the_barrier_as_it_is_then() -> None:
    """Law 4.5."""

    def write(value: Any, ctx: Context) -> None:  # noqa: ANN401  # any record
        rules = ctx.get_broadcast_state(ANY)
        rules["all"] = [*(rules.get("all") or ()), value]
        rules["all"].append(value)

    def read(_: object, ctx: ReadOnlyContext) -> Iterator[Any]:
        yield from ctx.get_broadcast_state(ANY).items()

    operator = opened((read, write))
    list(operator.process(1, untimed(1)))
    state = restored(operator)
    list(operator.process(1, untimed(2)))
    again = opened((read, write), state=state)
    assert given(again.process(0, untimed("x"))) == [(("all", [1, 1]), None)]
    [stored] = again.snapshot(BARRIER, ended=False)
    assert (stored.name, stored.redistribution, len(stored.items)) == (
        "broadcast:rules",
        Redistribution.BROADCAST,
        1,
    )


def test_a_restored_state_must_fit_what_is_declared_now() -> None:
    operator = opened((lambda _, _ctx: (), lambda value, ctx: ctx.get_broadcast_state(ANY).put(*value)))
    list(operator.process(1, untimed(("a", "text"))))
    expected = "operator Operator: broadcast state 'rules' is of another type in the checkpoint: value is str 'text'"
    with pytest.raises(UserCodeError, match=expected) as raised:
        opened(Matching(), RULES, state=restored(operator))
    assert not raised.value.restartable
