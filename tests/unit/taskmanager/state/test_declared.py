"""What a function puts into a state is of the type that its descriptor declares, or the function hears so."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    StateTtlConfig,
    ValueStateDescriptor,
)
from millstream_dataflow.types import Row, TypeInformation, Types
from millstream_taskmanager.operators.broadcast_state import BroadcastStates
from millstream_taskmanager.operators.list_state import OperatorLists
from millstream_taskmanager.operators.state import FRESH, Inheritance
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.declared import checked, flat_check
from millstream_taskmanager.state.key_space import KeySpace
from millstream_taskmanager.state.store import KeyedTables
from tests.support.latest import Latest
from tests.support.tasks import OperatorBench

INT_NEEDED = r"is str 'x', but INT\(\) was declared \(an int of 32 bits, .*\); declare the type of what"


def state_of(asked: StateDescriptor[Any], *, ttl: bool) -> Any:  # noqa: ANN401  # a state of any kind
    if ttl:
        asked.enable_time_to_live(StateTtlConfig(10))
    current = CurrentKey()
    tables = KeyedTables(current, KeyedBackend(KeySpace("Operator", 0, 1, 128), now=lambda: 0))
    current.set("a", "a")
    calls: dict[type, Any] = {
        ValueStateDescriptor: tables.get_state,
        ListStateDescriptor: tables.get_list_state,
        MapStateDescriptor: tables.get_map_state,
        ReducingStateDescriptor: tables.get_reducing_state,
        AggregatingStateDescriptor: tables.get_aggregating_state,
    }
    return calls[type(asked)](asked)


INT = Types.INT()


@pytest.mark.parametrize("ttl", [False, True])
@pytest.mark.parametrize(
    ("asked", "call", "given", "part"),
    [
        (ValueStateDescriptor("n", INT), "update", ("x",), "value"),
        (ListStateDescriptor("n", INT), "add", ("x",), "value"),
        (ListStateDescriptor("n", INT), "add_all", ([1, "x"],), "value"),
        (ListStateDescriptor("n", INT), "update", ([1, "x"],), "value"),
        (MapStateDescriptor("n", INT, INT), "put", ("x", 1), "key"),
        (MapStateDescriptor("n", INT, INT), "put", (1, "x"), "value"),
        (MapStateDescriptor("n", INT, INT), "put_all", ({1: "x"},), "value"),
        (ReducingStateDescriptor("n", lambda _one, other: other, INT), "add", ("x",), "value"),
        (AggregatingStateDescriptor("n", Latest(), INT), "add", ("x",), "accumulator"),
    ],
)
def test_each_kind(asked: StateDescriptor[Any], call: str, given: tuple[Any, ...], part: str, *, ttl: bool) -> None:
    state = state_of(asked, ttl=ttl)
    with pytest.raises(InvalidTypesError, match=f"state 'n': {part} {INT_NEEDED}"):
        getattr(state, call)(*given)
    if call == "update" and isinstance(asked, ValueStateDescriptor):
        state.update(None)
        assert state.value() is None


@pytest.mark.parametrize("ttl", [False, True])
def test_what_fits_is_kept(*, ttl: bool) -> None:
    both = state_of(MapStateDescriptor("n", INT, INT), ttl=ttl)
    both.put_all({1: 2, 3: None})
    assert list(both.items()) == [(1, 2), (3, None)], "a map may hold None, as in Flink"
    several = state_of(ListStateDescriptor("n", INT), ttl=ttl)
    several.update([1, 2])
    several.add(3)
    assert list(several) == [1, 2, 3]
    for asked in (
        ReducingStateDescriptor("n", lambda one, other: one + other, INT),
        AggregatingStateDescriptor("n", Latest(), INT),
    ):
        state = state_of(asked, ttl=ttl)
        state.add(1)
        state.add(2)
        assert state.get() == (3 if isinstance(asked, ReducingStateDescriptor) else 2)


DOUBLE = Types.DOUBLE()


@pytest.mark.parametrize("ttl", [False, True])
def test_an_int_becomes_the_float_that_was_declared(*, ttl: bool) -> None:
    """As on streams; so what a checkpoint holds fits when it is restored."""
    value = state_of(ValueStateDescriptor("n", DOUBLE), ttl=ttl)
    value.update(1)
    several = state_of(ListStateDescriptor("n", DOUBLE), ttl=ttl)
    several.add_all([0.5, 1])
    several.add(2)
    both = state_of(MapStateDescriptor("n", DOUBLE, DOUBLE), ttl=ttl)
    both.put(1, 2)
    reduced = state_of(ReducingStateDescriptor("n", lambda one, other: one + other, DOUBLE), ttl=ttl)
    reduced.add(1)
    last = state_of(AggregatingStateDescriptor("n", Latest(), DOUBLE), ttl=ttl)
    last.add(1)
    kept = [value.value(), *several, *both.keys(), *both.values(), reduced.get(), last.get()]
    assert kept == [1, 0.5, 1, 2, 1, 2, 1, 1]
    assert {type(one) for one in kept} == {float}
    assert both.get(1) == 2


class Colour(Enum):
    RED = 1


@dataclass
class Session:
    clicks: int


class LongSession(Session):
    pass


@pytest.mark.parametrize(
    ("type_", "fitting", "others"),
    [
        (Types.INT(), [0, 2**31], [True, 1.0, None]),
        (Types.LONG(), [2**31], ["1"]),
        (Types.BIG_INT(), [2**80], [1.0, False]),
        (Types.DOUBLE(), [1.0], ["1", True, 10**400]),
        (Types.STRING(), ["x"], [b"x"]),
        (Types.BOOLEAN(), [True], [1]),
        (Types.OPTIONAL(Types.STRING()), ["x", None], [1]),
        (ValueStateDescriptor("n", int).type_info, [1, True, 2**80], [1.0]),
        (ValueStateDescriptor("n", float).type_info, [1.0, 1], ["1"]),
        (Types.ENUM(Colour), [Colour.RED], [1]),
        (Types.DATACLASS(Session), [Session(1), LongSession(1)], [(1,), None]),
        (Types.OPTIONAL(Types.DATACLASS(Session)), [Session(1), None], [{"clicks": 1}]),
    ],
)
def test_types(type_: TypeInformation[Any], fitting: list[object], others: list[object]) -> None:
    check = flat_check(type_, "n")
    assert checked(fitting, check) == fitting
    for value in others:
        with pytest.raises(InvalidTypesError, match="state 'n': value is"):
            checked([*fitting, value], check)


@pytest.mark.parametrize(
    "type_",
    [
        Types.PICKLED_BYTE_ARRAY(),
        Types.TUPLE([Types.INT()]),
        Types.ROW([Types.INT()]),
        Types.LIST(Types.INT()),
        Types.MAP(Types.STRING(), Types.INT()),
    ],
)
def test_what_has_parts_is_not_gone_through(type_: TypeInformation[Any]) -> None:
    assert flat_check(type_, "n") is None


@pytest.mark.parametrize("ttl", [False, True])
def test_a_row_gets_the_declared_names(*, ttl: bool) -> None:
    """As in PyFlink, whose coder stores none and gives the declared ones."""
    named = Types.ROW_NAMED(["a", "b"], [Types.INT(), Types.DOUBLE()])
    state = state_of(ValueStateDescriptor("n", named), ttl=ttl)
    given = Row(1, 2)
    state.update(given)
    assert state.value() == Row(a=1, b=2.0)
    assert given == Row(1, 2), "what the function holds stays as it is"
    state.update(Row(b=2.5, a=1))
    assert state.value().get_field_names() == ("a", "b")
    several = state_of(ListStateDescriptor("n", Types.OPTIONAL(named)), ttl=ttl)
    several.update([Row(1, 2), None, Row(a=3, b=4.0)])
    several.add(Row(5, 6))
    assert list(several) == [Row(a=1, b=2.0), None, Row(a=3, b=4.0), Row(a=5, b=6.0)]


def test_operator_state_is_looked_at_wholly() -> None:
    """As it is when it is restored: a checkpoint that could not be restored would help nobody."""
    lists = OperatorLists(Inheritance(FRESH))
    state: Any = lists.get_list_state(ListStateDescriptor("n", Types.TUPLE([Types.INT()])))
    state.add((1,))
    for call, given in (("add", ("x",)), ("add_all", [("x",)]), ("update", [("x",)])):
        with pytest.raises(InvalidTypesError, match=rf"state 'n': element\[0\] {INT_NEEDED}"):
            getattr(state, call)(given)
    assert list(state) == [(1,)]


def test_broadcast_state_is_looked_at_wholly() -> None:
    rules = MapStateDescriptor("n", Types.STRING(), Types.LIST(Types.INT()))
    states = BroadcastStates([rules], reuse=False)
    states.open(OperatorBench().context())
    state: Any = states.written(rules)
    state["a"] = [1]
    with pytest.raises(InvalidTypesError, match=rf"state 'n': value\[1\] {INT_NEEDED}"):
        state["a"] = [1, "x"]
    with pytest.raises(InvalidTypesError, match=r"state 'n': key is int 5, but STRING\(\) was declared"):
        state.put_all({5: [1]})
    assert list(state.items()) == [("a", [1])]
