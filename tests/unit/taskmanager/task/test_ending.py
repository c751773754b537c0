"""Law 5: what holds for every order of ends."""

from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.records import EndReason
from millstream_taskmanager.task.ending import AnnounceEnd, Close, Ending, Finish, Phase

REASONS = st.lists(st.sampled_from(EndReason), min_size=1, max_size=5)


@given(REASONS)
def test_a_stop_anywhere_fires_nothing(reasons: list[EndReason]) -> None:
    ending = Ending(len(reasons))
    steps = [step for channel, reason in enumerate(reasons) for step in ending.end_of_data(channel, reason)]
    assert steps == [Finish(fire=EndReason.STOP not in reasons)]
    assert ending.emits
    [announced] = ending.emitted()
    assert announced == AnnounceEnd(ending.reason or EndReason.INPUT)
    assert not ending.emits
    assert ending.finished is (EndReason.STOP not in reasons)


@given(REASONS)
def test_nothing_happens_before_the_last_channel(reasons: list[EndReason]) -> None:
    ending = Ending(len(reasons) + 1)
    assert [step for channel, reason in enumerate(reasons) for step in ending.end_of_data(channel, reason)] == []
    assert ending.phase is Phase.RUNNING


def test_closed_once() -> None:
    ending = Ending(0)
    ending.exhausted(EndReason.INPUT)
    ending.emitted()
    assert ending.completed(last=True) == [Close()]
    assert ending.completed(last=True) == []
    assert ending.phase is Phase.CLOSED
