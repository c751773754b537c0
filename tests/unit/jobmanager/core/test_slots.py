"""The slot pool: never two workers a slot, a region gets all or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import TaskManagerId, WorkerId
from millstream_jobmanager.core.slots import SlotPool, SlotRef

A, B, C = TaskManagerId("a"), TaskManagerId("b"), TaskManagerId("c")


def pool_of(**slots: int) -> SlotPool:
    pool = SlotPool()
    for name, count in slots.items():
        pool.add(TaskManagerId(name), count, [])
    return pool


def placed(pool: SlotPool, needed: int, preferred: tuple[TaskManagerId, ...] = (), **avoided: str) -> str:
    pairs = [frozenset((TaskManagerId(one), TaskManagerId(other))) for one, other in avoided.items()]
    found = pool.place(needed, preferred, pairs)
    return "too few" if found is None else " ".join(f"{slot.taskmanager}{slot.slot}" for slot in found)


def test_where_a_region_goes() -> None:
    """Former places first, then one TaskManager that takes all, else the emptiest; too few are none at all."""
    pool = pool_of(a=1, b=2, c=3)
    assert placed(pool, 2) == "c0 c1"
    assert placed(pool, 2, (B,)) == "b0 b1"
    assert placed(pool, 1, (A,)) == "a0"
    assert placed(pool, 2, (A,)) == "a0 c0"
    assert placed(pool, 5) == "c0 c1 c2 b0 b1"
    assert placed(pool, 7) == "too few"
    assert placed(pool, 0) == ""


def test_pairs_that_lost_a_connection_are_kept_apart_if_it_can_be() -> None:
    """Law 9.2."""
    pool = pool_of(a=2, b=2, c=1)
    assert placed(pool, 3, (A,), a="b") == "a0 a1 c0"
    assert placed(pool, 4, (A,), a="b") == "a0 a1 b0 b1"


def test_a_closed_stream_gets_nothing_and_a_registration_replaces_what_was_known() -> None:
    """Law 3.1: the registration is the truth."""
    pool = pool_of(a=2)
    pool.take(SlotRef(A, 0), WorkerId("w"))
    pool.pause(A)
    assert placed(pool, 1) == "too few"
    pool.add(A, 2, [(1, WorkerId("x")), (5, WorkerId("nowhere"))])
    assert placed(pool, 1) == "a0"
    assert pool.counts(A) == (2, 1)
    assert pool.counts(B) == (0, 0)
    pool.remove(A)
    assert placed(pool, 1) == "too few"


def test_a_held_slot_is_refused() -> None:
    """Never two workers a slot; the error names both."""
    pool = pool_of(a=1)
    pool.take(SlotRef(A, 0), WorkerId("w"))
    with pytest.raises(ValueError, match="held by w, so x"):
        pool.take(SlotRef(A, 0), WorkerId("x"))


DEEDS = st.one_of(
    st.tuples(st.just("place"), st.integers(1, 4)),
    st.tuples(st.just("release"), st.integers(0, 20)),
    st.tuples(st.just("lose"), st.sampled_from([A, B, C])),
    st.tuples(st.just("register"), st.sampled_from([A, B, C])),
    st.tuples(st.just("pause"), st.sampled_from([A, B, C])),
)


@given(st.lists(DEEDS, max_size=40))
def test_never_two_workers_a_slot_and_all_or_nothing(deeds: list[tuple[str, int | TaskManagerId]]) -> None:
    """A model of who has what agrees with the pool after any deeds."""
    pool, model, made = SlotPool(), dict[SlotRef, str](), 0
    sizes: dict[TaskManagerId, int] = {}
    for deed, argument in deeds:
        if deed == "place" and isinstance(argument, int):
            free = set(pool.free())
            found = pool.place(argument, (), ())
            assert (found is None) == (len(free) < argument)
            for slot in found or ():
                assert slot in free
                assert slot not in model
                made += 1
                pool.take(slot, WorkerId(f"w{made}"))
                model[slot] = f"w{made}"
            assert len(set(found or ())) == len(found or ())
        elif deed == "release":
            pool.release(WorkerId(f"w{argument}"))
            model = {slot: worker for slot, worker in model.items() if worker != f"w{argument}"}
        elif isinstance(argument, str):
            name = TaskManagerId(argument)
            if deed == "lose":
                pool.remove(name)
                sizes.pop(name, None)
                model = {slot: worker for slot, worker in model.items() if slot.taskmanager != name}
            elif deed == "pause":
                pool.pause(name)
            else:
                sizes[name] = 3
                held = [(slot.slot, WorkerId(w)) for slot, w in model.items() if slot.taskmanager == name]
                pool.add(name, 3, held)
        for name, size in sizes.items():
            taken = sum(slot.taskmanager == name for slot in model)
            assert pool.counts(name) == (size, size - taken)
