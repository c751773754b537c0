"""State that gets too old, of each kind: what is shown, what renews it, who drops it, and what is stored."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    StateTtlConfig,
    ValueStateDescriptor,
)
from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.key_space import KeySpace, StateError
from millstream_taskmanager.state.store import KeyedTables

TTL = 10
ON_READ = StateTtlConfig.UpdateType.OnReadAndWrite
SHOWN = StateTtlConfig.StateVisibility.ReturnExpiredIfNotCleanedUp
LAZY = StateTtlConfig.new_builder(TTL).disable_cleanup_in_background().build()
"""Nothing is dropped but by an access to it."""


class Joined:
    """Gathers in a list that it changes in place."""

    def create_accumulator(self) -> list[Any]:
        return []

    def add(self, value: Any, accumulator: list[Any]) -> list[Any]:  # noqa: ANN401  # of any type
        accumulator.append(value)
        return accumulator

    def get_result(self, accumulator: list[Any]) -> list[Any]:
        return list(accumulator)

    def merge(self, acc_a: list[Any], acc_b: list[Any]) -> list[Any]:
        return acc_a + acc_b


def descriptor(kind: str, ttl: StateTtlConfig | None = LAZY, type_: Any = None) -> StateDescriptor[Any]:  # noqa: ANN401  # any type
    made: dict[str, StateDescriptor[Any]] = {
        "value": ValueStateDescriptor("n", type_),
        "list": ListStateDescriptor("n", type_),
        "map": MapStateDescriptor("n", None, type_),
        "reducing": ReducingStateDescriptor("n", lambda one, other: one + other, type_),
        "aggregating": AggregatingStateDescriptor("n", Joined(), type_),
    }
    return made[kind] if ttl is None else made[kind].enable_time_to_live(ttl)


KINDS = ("value", "list", "map", "reducing", "aggregating")


class Bench:
    """One state, a clock, and whose turn it is."""

    def __init__(self, asked: StateDescriptor[Any], runs: Iterable[KeyedRun] = (), now: int = 0) -> None:
        self.now = now
        self.current = CurrentKey()
        self.backend = KeyedBackend(KeySpace("Operator", 0, 1, 128), runs, lambda: self.now)
        self.tables = KeyedTables(self.current, self.backend)
        self.state: Any = self.ask(asked)
        self.turn("a")

    def ask(self, asked: StateDescriptor[Any]) -> Any:  # noqa: ANN401  # a state of any kind
        by_kind: dict[type, Any] = {
            ValueStateDescriptor: self.tables.get_state,
            ListStateDescriptor: self.tables.get_list_state,
            MapStateDescriptor: self.tables.get_map_state,
            ReducingStateDescriptor: self.tables.get_reducing_state,
            AggregatingStateDescriptor: self.tables.get_aggregating_state,
        }
        return by_kind[type(asked)](asked)

    def turn(self, key: str) -> "Bench":
        self.current.set(key, key)
        return self

    def at(self, now: int) -> "Bench":
        self.now = now
        return self

    def write(self, value: int) -> "Bench":
        match self.state:
            case _ if hasattr(self.state, "put"):
                self.state.put("k", value)
            case _ if hasattr(self.state, "add"):
                self.state.add(value)
            case _:
                self.state.update(value)
        return self

    def read(self) -> Any:  # noqa: ANN401  # of any type
        """What is shown: of a map what `k` has, of a list or an accumulator its elements, each state's nothing as
        None.
        """
        match self.state:
            case _ if hasattr(self.state, "put"):
                return self.state.get("k")
            case _ if hasattr(self.state, "get"):
                shown = self.state.get()
                return list(shown) or None if isinstance(shown, tuple) else shown
            case _:
                return self.state.value()

    @property
    def room(self) -> int:
        """Keys that have an entry."""
        [table] = self.backend._tables.values()
        return len(set(table.identities()))

    def runs(self, *, touch: bool = False) -> tuple[KeyedRun, ...]:
        """What is stored. `touch`: of an entry that somebody reads meanwhile."""
        snapshot = self.backend.snapshot()
        if touch:
            self.read()
        while not snapshot.done:
            snapshot.encode_some()
        return snapshot.runs


def shown(kind: str, value: int) -> Any:  # noqa: ANN401  # of any type
    return [value] if kind in ("list", "aggregating") else value


@pytest.mark.parametrize("kind", KINDS)
class TestEachKind:
    """Times are milliseconds; what was written at 0 is too old at 10."""

    def test_it_is_shown_until_it_is_too_old(self, kind: str) -> None:
        bench = Bench(descriptor(kind)).write(1)
        assert bench.at(9).read() == shown(kind, 1)
        assert bench.room == 1
        assert bench.at(10).read() is None
        assert bench.room == 0, "and then it is gone"

    def test_reading_renews_it_where_that_was_asked_for(self, kind: str) -> None:
        config = StateTtlConfig(TTL, ON_READ)
        bench = Bench(descriptor(kind, config)).write(1)
        assert bench.at(9).read() == shown(kind, 1)
        assert bench.at(18).read() == shown(kind, 1)
        assert bench.at(28).read() is None

    def test_writing_renews_it(self, kind: str) -> None:
        bench = Bench(descriptor(kind)).write(1).at(9).write(2)
        expected = {"value": 2, "map": 2, "list": [1, 2], "reducing": 3, "aggregating": [1, 2]}[kind]
        assert bench.read() == expected
        left = {"value": 2, "map": 2, "list": [2], "reducing": 3, "aggregating": [1, 2]}[kind]
        assert bench.at(12).read() == left, "elements of a list have each a time"
        assert bench.at(19).read() is None

    def test_what_is_too_old_is_begun_anew(self, kind: str) -> None:
        bench = Bench(descriptor(kind)).write(1).at(10).write(5)
        assert bench.read() == shown(kind, 5)

    def test_it_is_shown_once_more_where_that_is_allowed(self, kind: str) -> None:
        config = StateTtlConfig(TTL, state_visibility=SHOWN, cleanup_strategies=LAZY.cleanup_strategies)
        bench = Bench(descriptor(kind, config)).write(1).at(50)
        assert bench.read() == shown(kind, 1)
        assert bench.read() is None

    def test_a_disabled_time_costs_nothing(self, kind: str) -> None:
        config = StateTtlConfig(TTL, StateTtlConfig.UpdateType.Disabled)
        bench = Bench(descriptor(kind, config)).write(1)
        assert bench.at(1_000).read() == shown(kind, 1)
        assert type(bench.state).__name__.startswith("Memory")

    def test_accesses_look_at_others(self, kind: str) -> None:
        """Two at each, 64 together."""
        bench = Bench(descriptor(kind, StateTtlConfig.new_builder(TTL).cleanup_incrementally(2, False).build()))
        for number in range(32):
            bench.turn(f"{number}").write(1)
        bench.at(10).turn("a").write(1)
        assert bench.room == 33
        for _ in range(30):
            bench.read()
        assert bench.room == 33
        bench.read()
        assert bench.room == 1

    def test_records_clean_up_where_that_was_asked_for(self, kind: str) -> None:
        bench = Bench(descriptor(kind, StateTtlConfig.new_builder(TTL).cleanup_incrementally(1, True).build()))
        for number in range(60):
            bench.turn(f"{number}").write(1)
        bench.at(10).backend.seen(3)
        assert bench.room == 60
        bench.backend.seen(1)
        assert bench.room == 0

    def test_clear_forgets_it(self, kind: str) -> None:
        bench = Bench(descriptor(kind)).write(1)
        bench.state.clear()
        assert (bench.read(), bench.room) == (None, 0)

    @pytest.mark.parametrize("touch", [False, True])
    def test_times_are_stored(self, kind: str, touch: bool) -> None:
        runs = Bench(descriptor(kind), now=3).write(1).runs(touch=touch)
        assert Bench(descriptor(kind), runs, now=12).read() == shown(kind, 1)
        assert Bench(descriptor(kind), runs, now=13).read() is None

    def test_it_gets_a_time_to_live_at_a_restore(self, kind: str) -> None:
        runs = Bench(descriptor(kind, None), now=3).write(1).runs()
        bench = Bench(descriptor(kind), runs, now=100)
        assert bench.at(109).read() == shown(kind, 1)
        assert bench.at(110).read() is None

    def test_it_loses_it_at_a_restore(self, kind: str) -> None:
        runs = Bench(descriptor(kind), now=3).write(1).runs()
        bench = Bench(descriptor(kind, None), runs, now=100)
        assert bench.at(1_000).read() == shown(kind, 1)
        again = Bench(descriptor(kind), bench.runs(), now=1_000)
        assert again.at(1_009).read() == shown(kind, 1)

    def test_a_full_snapshot_leaves_out_what_is_too_old(self, kind: str) -> None:
        config = StateTtlConfig.new_builder(TTL).cleanup_full_snapshot().disable_cleanup_in_background().build()
        bench = Bench(descriptor(kind, config)).write(1).at(8)
        bench.turn("b").write(2)
        assert sum(run.entries for run in bench.at(9).runs()) == 2
        assert sum(run.entries for run in bench.at(10).runs()) == 1
        bench.turn("a")
        assert sum(run.entries for run in bench.runs(touch=True)) == 1
        assert sum(run.entries for run in bench.at(100).runs()) == 0

    def test_types_are_those_of_what_the_user_keeps(self, kind: str) -> None:
        kept = list[int] if kind == "aggregating" else int
        other = list[str] if kind == "aggregating" else str
        runs = Bench(descriptor(kind, LAZY, kept)).write(1).runs()
        assert Bench(descriptor(kind, LAZY, kept), runs).read() == shown(kind, 1)
        for ttl in (None, LAZY):
            with pytest.raises(StateError, match="state 'n' was stored as"):
                Bench(descriptor(kind, ttl, other), runs)

    def test_another_kind_of_state_is_refused(self, kind: str) -> None:
        runs = Bench(descriptor(kind)).write(1).runs()
        other = KINDS[KINDS.index(kind) - 1]
        for ttl in (None, LAZY):
            with pytest.raises(StateError, match=f"but the checkpoint holds a {kind} state of that name"):
                Bench(descriptor(other, ttl), runs)


def test_a_snapshot_is_a_value() -> None:
    """Law 4.5, of what is kept beside a time and changed in place."""
    bench = Bench(descriptor("aggregating", StateTtlConfig(TTL, ON_READ))).write(1)
    snapshot = bench.backend.snapshot()
    bench.at(5).write(2)
    while not snapshot.done:
        snapshot.encode_some()
    restored = Bench(descriptor("aggregating", StateTtlConfig(TTL, ON_READ)), snapshot.runs, now=9)
    assert restored.read() == [1]
    assert bench.read() == [1, 2]


def test_who_goes_through_a_map_is_not_disturbed() -> None:
    bench = Bench(descriptor("map", StateTtlConfig.new_builder(TTL).cleanup_incrementally(5, False).build()))
    for key in "klm":
        bench.state.put(key, 1)
    bench.at(9)
    bench.state.put("n", 2)
    bench.at(10)
    found = [key for key, _ in bench.state.items() if bench.state.contains(key) and not bench.state.remove(key)]
    assert found == ["n"]
    assert bench.state.is_empty()


def test_the_first_form_of_a_key_of_a_map_stays() -> None:
    bench = Bench(descriptor("map"))
    bench.state.put(1, "int")
    bench.state.put(True, "bool")
    assert [*map(type, bench.state.keys())] == [int]
    assert [*bench.state.values()] == ["bool"]


def test_one_name_has_one_time_to_live() -> None:
    bench = Bench(descriptor("value"))
    assert bench.ask(descriptor("value")) is not None
    for ttl in (None, StateTtlConfig(5)):
        with pytest.raises(InvalidProgramError, match="state 'n' is asked for with two different times to live"):
            bench.ask(descriptor("value", ttl))


@pytest.mark.parametrize("ttl", [None, LAZY])
def test_one_name_has_one_kind(ttl: StateTtlConfig | None) -> None:
    bench = Bench(descriptor("value", ttl))
    said = "state 'n' is asked for by ListStateDescriptor, and by ValueStateDescriptor before; name it anew"
    with pytest.raises(InvalidProgramError, match=said):
        bench.ask(descriptor("list", ttl))


STEPS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from("abc"), st.sampled_from(["write", "read", "store", "seen"])),
    max_size=25,
)


@given(STEPS, st.booleans(), st.integers(1, 3))
def test_values_are_as_old_as_they_are(steps: list[tuple[int, str, str]], on_read: bool, size: int) -> None:
    """Whatever cleans up, and however often the job goes on from a checkpoint."""
    update = ON_READ if on_read else StateTtlConfig.UpdateType.OnCreateAndWrite
    config = StateTtlConfig.new_builder(TTL).set_update_type(update).cleanup_incrementally(20 * size, True).build()
    bench = Bench(descriptor("value", config))
    written: dict[str, tuple[int, int]] = {}
    for number, (passes, key, what) in enumerate(steps):
        bench.at(bench.now + passes).turn(key)
        live = {one: (time, value) for one, (time, value) in written.items() if time + TTL > bench.now}
        match what:
            case "write":
                bench.write(number)
                written[key] = bench.now, number
            case "read":
                assert bench.read() == live.get(key, (0, None))[1]
                if on_read and key in live:
                    written[key] = bench.now, live[key][1]
            case "store":
                bench = Bench(descriptor("value", config), bench.runs(), bench.now)
            case _:
                bench.backend.seen(1)
        assert bench.room >= len([one for one, (time, _) in written.items() if time + TTL > bench.now])


@pytest.mark.parametrize("ttl", [None, LAZY])
@pytest.mark.parametrize("kind", ["reducing", "aggregating"])
def test_none_that_is_added_clears(kind: str, ttl: StateTtlConfig | None) -> None:
    bench = Bench(descriptor(kind, ttl)).write(1).write(2)
    bench.state.add(None)
    assert (bench.read(), bench.room) == (None, 0)
    assert bench.write(5).read() == shown(kind, 5)
