"""Law 7.3: whatever the order in which watermarks and statuses come."""

from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME, StreamStatus, Watermark
from millstream_taskmanager.operators.valve import Change, Confluence, Valve

INPUTS = (0, 0, 1, 2, 2)
CHANNELS = st.integers(0, len(INPUTS) - 1)
EVENTS = st.lists(st.tuples(CHANNELS, st.one_of(st.integers(0, 50), st.booleans())), max_size=80)
WITH_ENDS = st.lists(
    st.tuples(CHANNELS, st.one_of(st.integers(0, 50), st.booleans(), st.just(MAX_TIME))), min_size=10, max_size=80
)


def told(valve: Valve, channel: int, event: int | bool) -> list[Change]:  # either is an event
    if isinstance(event, bool):
        return valve.status(channel, StreamStatus(event))
    return valve.watermark(channel, Watermark(event))


@given(EVENTS | WITH_ENDS)
def test_what_is_told_is_what_is(events: list[tuple[int, int | bool]]) -> None:
    valve = Valve(INPUTS)
    time, idle = MIN_TIME, False
    for channel, event in events:
        for change in told(valve, channel, event):
            if isinstance(change, Watermark):
                assert change.time > time, "a watermark never falls"
                time = change.time
            else:
                assert change.idle is not idle
                idle = change.idle
        assert (valve.time, valve.idle) == (time, idle)


@given(st.lists(st.tuples(st.integers(0, len(INPUTS) - 1), st.integers(0, 50)), max_size=80))
def test_without_idleness_it_is_the_minimum(events: list[tuple[int, int]]) -> None:
    valve = Valve(INPUTS)
    highest = [MIN_TIME] * len(INPUTS)
    for channel, time in events:
        valve.watermark(channel, Watermark(time))
        highest[channel] = max(highest[channel], time)
        assert valve.time == min(highest)
        assert valve.input_time(0) == min(highest[:2])


@given(EVENTS)
def test_idle_exactly_when_all_channels_are(events: list[tuple[int, int | bool]]) -> None:
    valve = Valve(INPUTS)
    idle = [False] * len(INPUTS)
    for channel, event in events:
        told(valve, channel, event)
        if isinstance(event, bool):
            idle[channel] = event
        assert valve.idle is all(idle)


@given(WITH_ENDS)
def test_the_end_comes_with_the_last_of_them(events: list[tuple[int, int | bool]]) -> None:
    valve = Valve(INPUTS)
    going_on = set(range(len(INPUTS)))
    idle = set[int]()
    for channel, event in events:
        told(valve, channel, event)
        if isinstance(event, bool):
            idle = idle | {channel} if event else idle - {channel}
        elif event == MAX_TIME:
            going_on.discard(channel)
        assert (valve.time == MAX_TIME) is (not going_on)
        assert valve.idle is (bool(going_on) and going_on <= idle)


@given(EVENTS)
def test_nobody_who_counts_is_overtaken(events: list[tuple[int, int | bool]]) -> None:
    """Of one level: the watermark never passes an active member, unless that one came back too late."""
    confluence = Confluence(range(len(INPUTS)))
    times, idle = [MIN_TIME] * len(INPUTS), [False] * len(INPUTS)
    behind = [False] * len(INPUTS)
    for member, event in events:
        before = confluence.time
        if isinstance(event, bool):
            behind[member] = behind[member] if idle[member] is event else not event and times[member] < before
            idle[member] = event
            confluence.status(member, idle=event)
        else:
            times[member] = max(times[member], event)
            behind[member] = behind[member] and times[member] < before
            confluence.advance(member, event)
        for one in range(len(INPUTS)):
            assert idle[one] or behind[one] or confluence.time <= times[one]


def test_members_come_and_go() -> None:
    splits = Confluence[str](time=100)
    assert splits.join("a") == []
    assert splits.advance("a", 150) == [Watermark(150)]
    # A new split holds the others back until it has spoken; the watermark stands.
    assert splits.join("b") == []
    assert splits.advance("a", 170) == []
    assert splits.advance("b", 160) == [Watermark(160)]
    assert splits.leave("b") == [Watermark(170)]
    # The last one leaves everything as it is.
    assert splits.leave("a") == []
    assert (splits.time, splits.idle) == (170, False)
    assert [*splits.join("c"), *splits.status("c", idle=True)] == [StreamStatus(idle=True)]
    assert splits.leave("c") == []
    assert splits.join("d") == [StreamStatus(idle=False)]
