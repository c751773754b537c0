"""How a file sink's files are cut, by PyFlink's name. A FileSink closes its files at every checkpoint, so only their
size is left to say.
"""

from dataclasses import dataclass

from millstream_dataflow.time import Span, to_milliseconds

_PART_SIZE = 128 << 20  # PyFlink's
_MINUTE = 60_000


@dataclass(frozen=True)
class RollingPolicy:
    """When a file sink closes a file and begins another: at each checkpoint, and at `part_size` bytes if it is set."""

    part_size: int | None = None

    @staticmethod
    def default_rolling_policy(
        part_size: int = _PART_SIZE, rollover_interval: Span = _MINUTE, inactivity_interval: Span = _MINUTE
    ) -> "RollingPolicy":
        """Files of about so many bytes at most, up to 64 of them from a writer for each checkpoint; the last takes what
        is left. The two spans are checked and change nothing: every checkpoint closes the files, and none is seen
        before a checkpoint, in Flink neither.
        """
        for what, number in (
            ("part_size", part_size),
            ("rollover_interval", to_milliseconds(rollover_interval)),
            ("inactivity_interval", to_milliseconds(inactivity_interval)),
        ):
            if number < 1:
                raise ValueError(f"default_rolling_policy takes a {what} above 0, but got {number}")
        return RollingPolicy(part_size)

    @staticmethod
    def on_checkpoint_rolling_policy() -> "RollingPolicy":
        """At each checkpoint alone: what a FileSink does by itself."""
        return RollingPolicy()
