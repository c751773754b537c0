"""A clock that counts looks which found nothing, and stands while the split is held back (design 6)."""

from millstream_taskmanager.operators.idleness import IdleClock


def looked(clock: IdleClock, *times: int) -> bool:
    for time in times:
        clock.look(time)
    return clock.is_idle


def test_quiet_for_the_timeout() -> None:
    clock = IdleClock(100, now=0)
    assert clock.next_look(0) == 12
    clock.record(50)
    assert not looked(clock, 62, 74, 87, 99, 112, 124, 137, 149)
    assert clock.next_look(149) == 150
    assert looked(clock, 150)


def test_what_lies_between_two_looks_counts_for_a_quarter_at_most() -> None:
    clock = IdleClock(100, now=0)
    assert not looked(clock, 10_000, 20_000, 30_000)
    assert looked(clock, 40_000)
    clock.record(40_000)
    assert not clock.is_idle


def test_a_clock_that_is_set_back_counts_nothing() -> None:
    clock = IdleClock(100, now=1_000)
    assert not looked(clock, 0, 25, 50, 75)
    assert looked(clock, 100)


def test_the_shortest_timeout() -> None:
    clock = IdleClock(1, now=0)
    assert clock.next_look(0) == 1
    assert looked(clock, 1)


def test_held_back_the_clock_stands() -> None:
    clock = IdleClock(100, now=0)
    assert not looked(clock, 25, 50)
    clock.hold(60, held=True)
    assert clock.next_look(60) is None
    assert not looked(clock, 200, 300, 400, 500)
    clock.hold(500, held=False)
    assert clock.next_look(500) == 512
    assert not looked(clock, 525, 549)
    assert looked(clock, 550)


def test_a_record_while_held_back() -> None:
    clock = IdleClock(100, now=0)
    clock.hold(60, held=True)
    clock.record(80)
    clock.hold(90, held=False)
    assert not looked(clock, 115, 140, 165, 189)
    assert looked(clock, 190)
