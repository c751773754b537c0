"""A clock that stops while the split is held back (design 6)."""

from millstream_taskmanager.operators.idleness import IdleClock


def test_quiet_for_the_timeout() -> None:
    clock = IdleClock(100, now=0)
    assert clock.due() == 100
    clock.record(50)
    assert not clock.is_idle(149)
    assert clock.is_idle(150)
    assert clock.due() == 150


def test_held_back_the_clock_stands() -> None:
    clock = IdleClock(100, now=0)
    clock.hold(60, held=True)
    assert clock.due() is None
    assert not clock.is_idle(10_000)
    clock.hold(500, held=False)
    assert clock.due() == 540
    assert not clock.is_idle(539)
    assert clock.is_idle(540)


def test_a_record_while_held_back() -> None:
    clock = IdleClock(100, now=0)
    clock.hold(60, held=True)
    clock.record(80)
    clock.hold(90, held=False)
    assert clock.due() == 190
