"""One timer a key, time and domain; in the order of times, then of registration."""

from hypothesis import given
from hypothesis import strategies as st

from millstream_taskmanager.operators.timers import TimerHeap
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.tables import FlatTable

KEYS = st.sampled_from("abc")
EVENTS = st.lists(st.tuples(st.sampled_from(["register", "register", "delete", "fire"]), st.integers(0, 20), KEYS))


def table() -> FlatTable[int]:
    return FlatTable(Where("Operator", "timers", "the timers"), paired=True)


@given(EVENTS)
def test_equals_a_naive_list(events: list[tuple[str, int, str]]) -> None:
    heap = TimerHeap(table())
    naive: list[tuple[int, str]] = []
    for what, time, key in events:
        match what:
            case "register":
                heap.register(time, key)
                if (time, key) not in naive:
                    naive.append((time, key))
            case "delete":
                heap.delete(time, key)
                naive = [one for one in naive if one != (time, key)]
            case _:
                due = sorted((one for one in naive if one[0] <= time), key=lambda one: one[0])
                assert list(heap.due(time)) == due
                naive = [one for one in naive if one[0] > time]
        assert len(heap) == len(naive)
        assert heap.next_time() == min((at for at, _ in naive), default=None)


def test_what_is_registered_while_it_fires_fires_too() -> None:
    heap = TimerHeap(table())
    heap.register(10, "a")
    fired: list[tuple[int, object]] = []
    for time, key in heap.due(15):
        fired.append((time, key))
        if len(fired) < 3:
            heap.register(time + 2, "b")
    assert fired == [(10, "a"), (12, "b"), (14, "b")]
    heap.register(10, "c")  # in the past: at the next look
    assert list(heap.due(15)) == [(10, "c")]


def test_restored_timers_keep_their_order() -> None:
    former = table()
    heap = TimerHeap(former)
    for key in "cab":
        heap.register(10, key)
    heap.delete(10, "a")
    heap.register(10, "a")
    restored = table()
    restored.load(["a", "b", "c"], [10, 10, 10], [former.entries[key, 10] for key in "abc"])
    assert [key for _, key in TimerHeap(restored).due(10)] == ["c", "b", "a"]


def test_deleted_timers_do_not_pile_up() -> None:
    """A timeout that each record moves: its deleted timers may lie days ahead."""
    heap = TimerHeap(table())
    for number in range(10):
        heap.register(10**9 - number, f"other {number}")
    for time in range(20_000):
        heap.register(10**8 + time, "a")
        if time:
            heap.delete(10**8 + time - 1, "a")
    assert len(heap) == 11
    assert len(heap._heap) <= 2 * 11 + 1_025
    others = [(10**9 - number, f"other {number}") for number in range(9, -1, -1)]
    assert list(heap.due(10**9)) == [(10**8 + 19_999, "a"), *others]
