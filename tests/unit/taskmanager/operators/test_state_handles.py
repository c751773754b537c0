"""Handles show the part of the current key."""

from typing import Any

import pytest

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.state import ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.key_space import KeySpace
from millstream_taskmanager.state.store import KeyedTables


class Bench:
    """Tables and whose turn it is."""

    def __init__(self) -> None:
        self.current = CurrentKey()
        self.tables = KeyedTables(self.current, KeyedBackend(KeySpace("Operator", 0, 1, 128)))

    def turn(self, key: object) -> None:
        self.current.set(key, hash(key))

    def room(self) -> int:
        """How many entries there are."""
        return sum(len(asked.table.entries) for asked in self.tables._tables.values())


def test_values() -> None:
    bench = Bench()
    state = bench.tables.get_state(ValueStateDescriptor("v", int))
    bench.turn("a")
    assert state.value() is None
    state.update(1)
    bench.turn("b")
    assert state.value() is None
    state.update(None)
    bench.turn("a")
    assert state.value() == 1
    state.update(None)
    assert bench.room() == 0


def test_lists_take_no_room_when_nothing_is_in_them() -> None:
    bench = Bench()
    state = bench.tables.get_list_state(ListStateDescriptor("l", int))
    bench.turn("a")
    state.add_all([])
    state.update([])
    assert (list(state), bench.room()) == ([], 0)
    state.add_all([1, 2])
    state.add(3)
    for item in state.get():
        state.add(item)
    assert list(state) == [1, 2, 3, 1, 2, 3]
    state.update([9])
    assert list(state) == [9]
    state.update([])
    assert bench.room() == 0


def test_keys_of_a_map_are_keys_by_law_11() -> None:
    bench = Bench()
    state = bench.tables.get_map_state(MapStateDescriptor("m"))
    bench.turn("a")
    state.put(1, "int")
    state.put(1.0, "float")
    state.put(float("nan"), "nan")
    assert next(iter(state.keys())) == 1
    assert isinstance(next(iter(state.keys())), int), "the form that came first"
    assert (state.get(True), state.get(float("nan")), state.get(2)) == ("float", "nan", None)
    assert [*state.values()] == ["float", "nan"]
    assert state.contains(1)
    state.remove(1)
    assert not state.contains(1)
    state.remove(float("nan"))
    assert state.is_empty()
    assert bench.room() == 0


def test_a_map_may_change_while_it_is_gone_through() -> None:
    bench = Bench()
    state = bench.tables.get_map_state(MapStateDescriptor("m", str, int))
    bench.turn("a")
    state.put_all({"u": 1, "v": 2})
    for key in state:
        state.put(f"{key}{key}", 0)
    for key, value in state.items():
        state.put(f"{key}{value}", 0)
        state.remove(key)
    for _ in state.values():
        state.clear()
    assert [*state.values()] == []
    assert bench.room() == 0


def test_a_namespace_has_entries_of_its_own() -> None:
    bench = Bench()
    state = bench.tables.get_state(ValueStateDescriptor("v", int))
    bench.turn("a")
    state.update(1)
    bench.current.within("window")
    assert state.value() is None
    state.update(2)
    bench.turn("a")
    assert state.value() == 1


def test_one_table_for_one_name() -> None:
    bench = Bench()
    bench.turn("a")
    bench.tables.get_state(ValueStateDescriptor("v", int)).update(5)
    assert bench.tables.get_state(ValueStateDescriptor("v", int)).value() == 5


@pytest.mark.parametrize(
    ("call", "descriptor", "sentence"),
    [
        ("get_state", ListStateDescriptor("x"), "get_state was given the ListStateDescriptor of state 'x'; get_list_"),
        ("get_map_state", ValueStateDescriptor("x"), "get_map_state was given the ValueStateDescriptor of state 'x';"),
        ("get_reducing_state", ValueStateDescriptor("x"), "get_reducing_state was given the ValueStateDescriptor of"),
        ("get_aggregating_state", "x", "a state is asked for by one of AggregatingStateDescriptor,"),
    ],
)
def test_each_kind_has_its_descriptor(call: str, descriptor: Any, sentence: str) -> None:  # noqa: ANN401  # whatever is given
    with pytest.raises(InvalidTypesError, match=sentence):
        getattr(Bench().tables, call)(descriptor)


def test_one_type_for_one_name() -> None:
    tables = Bench().tables
    tables.get_state(ValueStateDescriptor("v", int))
    tables.get_state(ValueStateDescriptor("v"))
    with pytest.raises(InvalidProgramError, match=r"state 'v' is asked for as STRING\(\), and as int before"):
        tables.get_state(ValueStateDescriptor("v", str))
    tables.get_map_state(MapStateDescriptor("m", str, int))
    tables.get_map_state(MapStateDescriptor("m"))
    with pytest.raises(InvalidProgramError, match=r"state 'm' is asked for as MAP\(STRING\(\), STRING\(\)\), and"):
        tables.get_map_state(MapStateDescriptor("m", str, str))
