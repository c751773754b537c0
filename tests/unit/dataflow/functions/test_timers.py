"""Timers need a key: without one the times can be asked for, and timers are refused with a sentence."""

from collections.abc import Callable

import pytest

from millstream_dataflow.errors import NonRecoverableError
from millstream_dataflow.functions import NonKeyedTimerService, ProcessFunction
from millstream_dataflow.functions.timers import NoTimersError


class Times(NonKeyedTimerService):
    def current_processing_time(self) -> int:
        return 7

    def current_watermark(self) -> int:
        return 5


class Context(ProcessFunction.Context):
    def timestamp(self) -> int | None:
        return None


@pytest.mark.parametrize(
    "call",
    [
        Times().register_event_time_timer,
        Times().register_processing_time_timer,
        Times().delete_event_time_timer,
        Times().delete_processing_time_timer,
        lambda _time: Context().timer_service(),
    ],
)
def test_timers_belong_to_keys(call: Callable[[int], object]) -> None:
    with pytest.raises(NoTimersError, match="this stream has none; call key_by first") as raised:
        call(1)
    assert isinstance(raised.value, RuntimeError), "as it was before"
    assert isinstance(raised.value, NonRecoverableError), "a restart helps nobody"


def test_times_can_be_asked_for() -> None:
    assert (Times().current_processing_time(), Times().current_watermark()) == (7, 5)
