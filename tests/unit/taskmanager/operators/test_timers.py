"""One timer a key, time and domain; in the order of times, then of registration."""

from hypothesis import given
from hypothesis import strategies as st

from millstream_taskmanager.operators.timers import TimerHeap

KEYS = st.sampled_from("abc")
EVENTS = st.lists(st.tuples(st.sampled_from(["register", "register", "delete", "fire"]), st.integers(0, 20), KEYS))


@given(EVENTS)
def test_equals_a_naive_list(events: list[tuple[str, int, str]]) -> None:
    heap = TimerHeap()
    naive: list[tuple[int, str]] = []
    for what, time, key in events:
        match what:
            case "register":
                heap.register(time, key, key)
                if (time, key) not in naive:
                    naive.append((time, key))
            case "delete":
                heap.delete(time, key)
                naive = [one for one in naive if one != (time, key)]
            case _:
                due = sorted((one for one in naive if one[0] <= time), key=lambda one: one[0])
                assert [(at, of) for at, of, _ in heap.due(time)] == due
                naive = [one for one in naive if one[0] > time]
        assert len(heap) == len(naive)
        assert heap.next_time() == min((at for at, _ in naive), default=None)


def test_what_is_registered_while_it_fires_fires_too() -> None:
    heap = TimerHeap()
    heap.register(10, "a", "a")
    fired: list[tuple[int, object]] = []
    for time, _, key in heap.due(15):
        fired.append((time, key))
        if len(fired) < 3:
            heap.register(time + 2, "b", "B")
    assert fired == [(10, "a"), (12, "B"), (14, "B")]
    heap.register(10, "c", "c")  # in the past: at the next look
    assert [key for _, _, key in heap.due(15)] == ["c"]
