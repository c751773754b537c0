"""A snapshot is a value while user code goes on (law 4.5), and any number of subtasks can take it up."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.errors import NotSerializableError, SerializationError
from millstream_dataflow.functions import AggregateFunction
from millstream_dataflow.keys import key_group, key_hash, key_identity
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)
from millstream_dataflow.windows import TimeWindow
from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_runtime.messages.failures import FailureKind
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.key_space import KeySpace, StateError
from millstream_taskmanager.state.shadow import SLICE_BYTES
from millstream_taskmanager.state.snapshot import KeyedSnapshot
from millstream_taskmanager.state.store import KeyedTables
from millstream_taskmanager.user_code.errors import failure_of
from tests.support.failing import GUILTY_LINE, KINDS, Failing, FailingOnce, FailingToReturn

GROUPS = 128
WINDOW = TimeWindow(0, 10)
NAMES = ("value", "list", "map", "reducing", "aggregating")


@dataclass(frozen=True)
class Point:
    """A key that isn't its own identity."""

    x: int


KEYS: list[Any] = ["a", "b", "c", 1, 2.5, None, ("a", 1), Point(1), Point(2), float("nan"), datetime(2013, 1, 1)]  # noqa: DTZ001  # a naive one is a key as well


class Gather(AggregateFunction[Any, list[Any], list[Any]]):
    """Its accumulator is changed in place."""

    def create_accumulator(self) -> list[Any]:
        return []

    def add(self, value: object, accumulator: list[Any]) -> list[Any]:
        accumulator.append(value)
        return accumulator

    def get_result(self, accumulator: list[Any]) -> list[Any]:
        return accumulator

    def merge(self, acc_a: list[Any], acc_b: list[Any]) -> list[Any]:
        return acc_a + acc_b


def joined(one: list[Any], other: list[Any]) -> list[Any]:
    """Folds in place."""
    one += other
    return one


class Handles:
    """State of all kinds, with and without windows, in one subtask."""

    def __init__(self, runs: Iterable[KeyedRun] = (), index: int = 0, parallelism: int = 1) -> None:
        self.current = CurrentKey()
        self.space = KeySpace("Operator", index, parallelism, GROUPS)
        self.backend = KeyedBackend(self.space, runs)
        self.kinds: dict[bool, dict[str, Any]] = {}
        for windowed in (False, True):
            tables = KeyedTables(self.current, self.backend, of_windows=windowed)
            self.kinds[windowed] = {
                "value": tables.get_state(ValueStateDescriptor("value")),
                "list": tables.get_list_state(ListStateDescriptor("list")),
                "map": tables.get_map_state(MapStateDescriptor("map")),
                "reducing": tables.get_reducing_state(ReducingStateDescriptor("reducing", joined)),
                "aggregating": tables.get_aggregating_state(AggregatingStateDescriptor("aggregating", Gather())),
            }

    def turn(self, key: object, *, windowed: bool = False) -> dict[str, Any]:
        """All handles at a key."""
        identity = key_identity(key)
        self.backend.forms.add([key], [identity])
        self.current.set(key, identity)
        if windowed:
            self.current.within(WINDOW)
        return self.kinds[windowed]

    def owns(self, key: object) -> bool:
        return key_group(key_hash(key), GROUPS) in self.space.groups

    def seen(self) -> dict[Any, Any]:
        """Everything that the keys of this subtask hold, as the user sees it."""
        found: dict[Any, Any] = {}
        for number, key in enumerate(KEYS):
            for windowed in (False, True):
                if self.owns(key):
                    found[number, windowed] = content(self.turn(key, windowed=windowed))
        return copy.deepcopy(found)


def content(handles: dict[str, Any]) -> Any:  # noqa: ANN401  # whatever is there
    return (
        handles["value"].value(),
        list(handles["list"].get()),
        sorted(((repr(key), value) for key, value in handles["map"].items()), key=repr),
        handles["reducing"].get(),
        handles["aggregating"].get(),
    )


def change(handles: dict[str, Any], name: str, what: int, number: int) -> None:
    """One of the things that a user does with a handle; most of them in place."""
    handle = handles[name]
    if what == 0:
        handle.clear()
    elif name == "value":
        change_value(handle, what, number)
    elif name == "map":
        change_map(handle, what, number)
    elif name == "reducing":
        handle.add([number])
    elif name == "list" and what == 1:
        handle.update([[number]])
    elif name == "list" and what == 2:
        for item in handle.get():
            item.append(number)
    else:
        handle.add([number])


def change_value(handle: Any, what: int, number: int) -> None:  # noqa: ANN401  # a handle of some kind
    if what == 1:
        handle.update(number)
    elif what == 2 and isinstance(kept := handle.value(), list):
        kept.append(number)
    else:
        handle.update([number])


def change_map(handle: Any, what: int, number: int) -> None:  # noqa: ANN401  # a handle of some kind
    if what == 1:
        handle.remove(number % 3)
    elif what == 2:
        for value in handle.values():
            value.append(number)
    else:
        handle.put(KEYS[number % len(KEYS)], [number])


CHANGE = st.tuples(
    st.just("change"),
    st.sampled_from([0, 0, 0, 7, 7, *range(len(KEYS))]),  # often the same, so that much is changed that is kept
    st.sampled_from([False, False, True]),
    st.sampled_from(NAMES),
    st.sampled_from([0, 1, 2, 2, 3, 3]),
    st.integers(0, 9),
)
STEP = st.one_of(CHANGE, CHANGE, CHANGE, st.tuples(st.sampled_from(["cut", "slice", "drop"])))


def encode_all(snapshot: KeyedSnapshot) -> None:
    while not snapshot.done:
        snapshot.encode_some()


@given(st.lists(STEP, min_size=20, max_size=50), st.integers(1, 5), st.integers(1, 5))
def test_whatever_happens_a_snapshot_is_what_was_at_its_cut(
    steps: list[tuple[Any, ...]], parallelism: int, again: int
) -> None:
    """Several at once, slices and changes in any order; then two restores at other parallelisms, one of the other."""
    handles = Handles()
    taken: list[tuple[KeyedSnapshot, dict[Any, Any]]] = []
    for step in steps:
        match step:
            case ("change", key, windowed, name, what, number):
                change(handles.turn(KEYS[key], windowed=windowed), name, what, number)
            case ("cut",):
                before = handles.seen()  # touches all, so it comes before the cut
                taken.append((handles.backend.snapshot(), before))
            case ("slice",):
                for snapshot, _ in taken[:1]:
                    if not snapshot.done:
                        snapshot.encode_some()
            case _:
                for snapshot, _ in taken[-1:]:
                    snapshot.drop()
                del taken[-1:]
    for snapshot, before in taken:
        encode_all(snapshot)
        assert restored(snapshot.runs, parallelism) == before
        parts = [Handles(snapshot.runs, index, parallelism) for index in range(parallelism)]
        copies = [part.backend.snapshot() for part in parts]
        for one in copies:
            encode_all(one)
        assert restored([run for one in copies for run in one.runs], again) == before
    assert all(not table.shadows for table in handles.backend._tables.values()), "done or dropped, nobody pays any more"


def restored(runs: Iterable[KeyedRun], parallelism: int) -> dict[Any, Any]:
    """What all subtasks together hold. Each gets all runs, and takes those of its groups."""
    found: dict[Any, Any] = {}
    for index in range(parallelism):
        found |= Handles(tuple(runs), index, parallelism).seen()
    return found


# ------------------------------------------------------------------------------------------------------- slices


def test_what_is_appended_behind_the_barrier_is_not_in_the_snapshot() -> None:
    """Law 4.5, by an accumulator that is changed in place, before and after its slice."""
    handles = Handles()
    for key in range(3_000):
        handles.turn(key)["aggregating"].add(1)
    snapshot = handles.backend.snapshot()
    handles.turn(7)["aggregating"].add("behind")
    snapshot.encode_some()
    handles.turn(2_000)["aggregating"].add("behind")
    encode_all(snapshot)
    handles.turn(9)["aggregating"].add("behind")
    after = Handles(snapshot.runs)
    assert {key: after.turn(key)["aggregating"].get() for key in range(3_000)} == {key: [1] for key in range(3_000)}
    assert handles.turn(7)["aggregating"].get() == [1, "behind"]


@pytest.mark.parametrize("mutable", [range(4_100), range(2_048), range(2_048, 4_100)], ids=["all", "first", "last"])
def test_what_can_change_is_heard_of_until_it_is_encoded(mutable: range) -> None:
    """Two thousand entries are dealt out at a time: with some of them, or all, nothing of the others is encoded yet."""
    handles = Handles()
    for key in range(4_100):
        handles.turn(key)["value"].update([key] if key in mutable else key)
    snapshot = handles.backend.snapshot()
    changed = iter(mutable)
    while not snapshot.done:
        snapshot.encode_some()
        handles.turn(next(changed))["value"].value().append("behind")
    after = Handles(snapshot.runs)
    assert [after.turn(key)["value"].value() for key in range(4_100)] == [
        [key] if key in mutable else key for key in range(4_100)
    ]


WAYS: dict[str, Callable[[dict[str, Any]], object]] = {
    "value": lambda handles: handles["value"].value().append(9),
    "list get": lambda handles: handles["list"].get()[0].append(9),
    "list add": lambda handles: handles["list"].add([9]),
    "list add_all": lambda handles: handles["list"].add_all([[9]]),
    "map put": lambda handles: handles["map"].put(9, [9]),
    "map get": lambda handles: handles["map"].get("k").append(9),
    "map values": lambda handles: [value.append(9) for value in handles["map"].values()],
    "map remove": lambda handles: handles["map"].remove("k"),
    "reducing get": lambda handles: handles["reducing"].get().append(9),
    "reducing add": lambda handles: handles["reducing"].add([9]),
    "aggregating get": lambda handles: handles["aggregating"].get().append(9),
    "aggregating add": lambda handles: handles["aggregating"].add([9]),
}


@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_change_in_place_stores_first(way: str, windowed: bool) -> None:
    handles = Handles()
    at = handles.turn("a", windowed=windowed)
    at["value"].update([1])
    at["list"].add([1])
    at["map"].put("k", [1])
    at["reducing"].add([1])
    at["aggregating"].add([1])
    before = copy.deepcopy(content(at))
    snapshot = handles.backend.snapshot()
    WAYS[way](at)
    encode_all(snapshot)
    assert content(Handles(snapshot.runs).turn("a", windowed=windowed)) == before
    assert content(at) != before


def test_no_slice_is_much_longer_than_others() -> None:
    """Whatever the size of an entry, and whatever the number of groups; a step never waits for a whole snapshot."""
    handles = Handles()
    for key in range(2_000):
        handles.turn(key)["value"].update(list(range(key % 7 * 300)))
    snapshot = handles.backend.snapshot()
    costs: list[int] = []
    while not snapshot.done:
        costs.append(snapshot.encode_some())
    assert sum(costs) > 40 * SLICE_BYTES
    assert max(costs) < 4 * SLICE_BYTES
    assert sum(run.entries for run in snapshot.runs) == 2_000
    assert len(snapshot.runs) < 400, "runs are long, although the groups are many"


def test_objects_in_common_are_stored_once_a_run() -> None:
    handles = Handles()
    common = "x" * 1_000
    for key in range(5_000):
        handles.turn(key)["value"].update((common, key))
    snapshot = handles.backend.snapshot()
    encode_all(snapshot)
    assert sum(len(run.data) for run in snapshot.runs) < 5_000 * 200


def test_a_touch_is_encoded_once_for_all_snapshots() -> None:
    pickled: list[str] = []

    class_ = Telling
    class_.log = pickled
    handles = Handles()
    handles.turn("a")["value"].update(Telling("a"))
    first, second = handles.backend.snapshot(), handles.backend.snapshot()
    handles.turn("a")["value"].value().name = "changed"
    assert pickled == ["a"]
    third = handles.backend.snapshot()
    for snapshot, expected in ((first, "a"), (second, "a"), (third, "changed")):
        encode_all(snapshot)
        assert Handles(snapshot.runs).turn("a")["value"].value().name == expected


class Telling:
    """Tells when it is pickled."""

    log: list[str]

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Callable[[str], "Telling"], tuple[str]]:
        self.log.append(self.name)
        return Telling, (self.name,)


# ---------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("beside", [-1, GROUPS // 4])
def test_a_key_of_another_subtask_fails_the_snapshot(beside: int) -> None:
    """Of the groups next to its own."""
    handles = Handles(index=1, parallelism=4)
    group = handles.space.groups.start + beside
    strange = next(key for key in range(10_000) if key_group(key_hash(key), GROUPS) == group)
    handles.turn(strange)["value"].update(5)
    with pytest.raises(StateError, match=rf"operator Operator: key {strange} of state 'value' belongs to .* selector"):
        encode_all(handles.backend.snapshot())


@pytest.mark.parametrize("touched", [False, True])
def test_a_class_made_inside_a_function_is_refused(touched: bool) -> None:
    class Inner:
        """Can't be found again."""

    handles = Handles()
    handles.turn("good")["value"].update(3)
    handles.turn("bad")["value"].update([Inner()])
    snapshot = handles.backend.snapshot()
    store = handles.turn("bad")["value"].value if touched else lambda: encode_all(snapshot)
    words = r"state 'value' of key 'bad' can't be stored.*made inside a function"
    with pytest.raises(NotSerializableError, match=words):
        store()


@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize(("kind", "restartable"), KINDS)
def test_a_value_whose_class_raises(kind: type[Exception], restartable: bool, touched: bool) -> None:
    handles = Handles()
    handles.turn("good")["value"].update(3)
    handles.turn("bad")["value"].update([Failing(kind)])
    snapshot = handles.backend.snapshot()
    store = handles.turn("bad")["value"].value if touched else lambda: encode_all(snapshot)
    with pytest.raises(SerializationError) as caught:
        store()
    failure = failure_of(caught.value)
    assert (failure.kind, failure.restartable) == (FailureKind.USER, restartable)
    why = f"because its value can't be pickled: {kind.__name__}: {Failing.words}"
    assert f"operator Operator: state 'value' of key 'bad' can't be stored, {why}" in failure.message
    assert ("Keep a value of plain types" in failure.message) is not restartable, "that wouldn't help"
    assert failure.source_line.endswith(GUILTY_LINE)
    assert "During handling" not in failure.traceback, "it was met twice, and is one error"


@pytest.mark.parametrize(("kind", "restartable"), KINDS)
def test_a_value_that_can_not_be_made_again(kind: type[Exception], restartable: bool) -> None:
    handles = Handles()
    handles.turn("a")["value"].update(FailingToReturn(kind))
    snapshot = handles.backend.snapshot()
    encode_all(snapshot)
    with pytest.raises(SerializationError, match=r"state 'value' can't be read .*nobody is there") as caught:
        Handles(snapshot.runs)
    assert failure_of(caught.value).restartable is restartable
    assert failure_of(caught.value).source_line.endswith('raise state["kind"]("nobody is there")')


def test_an_error_that_is_gone_at_the_second_look_is_tried_again() -> None:
    handles = Handles()
    handles.turn("a")["value"].update([FailingOnce(OSError)])
    with pytest.raises(SerializationError, match=r"state 'value' can't be stored: OSError: only once") as caught:
        encode_all(handles.backend.snapshot())
    assert failure_of(caught.value).restartable


def test_what_cant_be_pickled_is_named() -> None:
    handles = Handles()
    handles.turn("bad", windowed=True)["list"].add(Lock())
    with pytest.raises(NotSerializableError, match=r"state 'list' of windows of key 'bad' .*plain types"):
        encode_all(handles.backend.snapshot())


def test_a_state_that_comes_back_as_another_kind_is_refused() -> None:
    handles = Handles()
    handles.turn("a")["value"].update(3)
    snapshot = handles.backend.snapshot()
    encode_all(snapshot)
    backend = KeyedBackend(handles.space, snapshot.runs)
    with pytest.raises(StateError, match=r"state 'value' is asked for by ListStateDescriptor.* holds a value state"):
        KeyedTables(CurrentKey(), backend).get_list_state(ListStateDescriptor("value"))


def test_a_class_that_is_gone_is_named() -> None:
    handles = Handles()
    Telling.log = []
    handles.turn("a")["value"].update(Telling("a"))
    snapshot = handles.backend.snapshot()
    encode_all(snapshot)
    runs = [KeyedRun(run.table, run.group, 1, run.data.replace(b"Telling", b"Missing")) for run in snapshot.runs]
    with pytest.raises(NotSerializableError, match=r"state 'value' can't be read .*Missing"):
        Handles(runs)


# ----------------------------------------------------------------------------------------------- what goes on


def test_state_that_nobody_asks_for_is_kept() -> None:
    handles = Handles()
    for key in KEYS:
        handles.turn(key)["value"].update([1])
    first = handles.backend.snapshot()
    encode_all(first)
    silent = [KeyedBackend(KeySpace("Operator", index, 3, GROUPS), first.runs) for index in range(3)]
    second = [backend.snapshot() for backend in silent]
    assert all(snapshot.done for snapshot in second), "its bytes are there already"
    assert restored([run for snapshot in second for run in snapshot.runs], 2) == handles.seen()


def test_keys_come_back_in_the_form_that_came_first() -> None:
    handles = Handles()
    aware = datetime(2013, 1, 1, tzinfo=UTC)
    for key in (aware, Point(3)):
        handles.turn(key)["value"].update(1)
    snapshot = handles.backend.snapshot()
    encode_all(snapshot)
    forms = Handles(snapshot.runs).backend.forms
    assert [forms.of(key_identity(key)) for key in (aware, Point(3))] == [aware, Point(3)]


def test_forms_of_keys_without_state_are_forgotten() -> None:
    handles = Handles()
    handles.turn(Point(-1))["value"].update(1)
    snapshot = handles.backend.snapshot()
    handles.turn(Point(-1))["value"].clear()
    for number in range(5_000):
        handles.turn(Point(number))["list"].get()
    assert len(handles.backend.forms) < 2_000
    encode_all(snapshot)
    assert Handles(snapshot.runs).turn(Point(-1))["value"].value() == 1, "a snapshot still needed it"
