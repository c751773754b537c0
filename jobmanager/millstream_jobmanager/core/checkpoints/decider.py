"""When the next periodic checkpoint is due: Flink's interval, minimal pause and concurrency, as one function."""

from dataclasses import dataclass

from millstream_jobmanager.core.settings import CheckpointSettings


@dataclass(frozen=True, slots=True)
class Pace:
    """What has happened so far. Times are monotonic milliseconds."""

    running_since: int
    """When every region was last seen to run; the first checkpoint comes an interval later."""
    last_triggered: int | None = None
    last_ended: int | None = None
    """When the last checkpoint completed or was given up."""
    in_flight: int = 0


def next_due(settings: CheckpointSettings, pace: Pace) -> int | None:
    """The time of the next periodic trigger; None while none is due at all."""
    if settings.interval is None or pace.in_flight >= settings.max_concurrent:
        return None
    begun = pace.running_since if pace.last_triggered is None else max(pace.last_triggered, pace.running_since)
    due = begun + settings.interval
    if pace.last_ended is not None:
        due = max(due, pace.last_ended + settings.min_pause)
    return due
