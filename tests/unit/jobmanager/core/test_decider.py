"""When the next periodic checkpoint is due: Flink's settings (design 8), as a table."""

import pytest

from millstream_jobmanager.core.checkpoints.decider import Pace, next_due
from millstream_jobmanager.core.settings import CheckpointSettings

EVERY_SECOND = CheckpointSettings(interval=1_000)
WITH_PAUSE = CheckpointSettings(interval=1_000, min_pause=500)
TWO = CheckpointSettings(interval=1_000, max_concurrent=2)

CASES: list[tuple[str, CheckpointSettings, Pace, int | None]] = [
    ("off", CheckpointSettings(), Pace(running_since=0), None),
    ("the first, an interval after all run", EVERY_SECOND, Pace(running_since=70), 1_070),
    ("an interval after the last trigger", EVERY_SECOND, Pace(0, last_triggered=1_500, last_ended=1_600), 2_500),
    ("a restart begins anew", EVERY_SECOND, Pace(1_900, last_triggered=1_500, last_ended=1_600), 2_900),
    ("a long one is followed at once", EVERY_SECOND, Pace(0, last_triggered=1_000, last_ended=4_000), 4_000),
    ("the pause counts from the end", WITH_PAUSE, Pace(0, last_triggered=1_000, last_ended=1_800), 2_300),
    ("a short one isn't slowed by the pause", WITH_PAUSE, Pace(0, last_triggered=1_000, last_ended=1_100), 2_000),
    ("none while one is in flight", EVERY_SECOND, Pace(0, last_triggered=1_000, in_flight=1), None),
    ("two at a time", TWO, Pace(0, last_triggered=1_000, in_flight=1), 2_000),
    ("but not three", TWO, Pace(0, last_triggered=2_000, in_flight=2), None),
]


@pytest.mark.parametrize(("settings", "pace", "due"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_next_due(settings: CheckpointSettings, pace: Pace, due: int | None) -> None:
    """Interval, minimal pause and concurrency."""
    assert next_due(settings, pace) == due
