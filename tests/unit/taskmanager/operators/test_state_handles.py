"""Handles show the part of the current key."""

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
