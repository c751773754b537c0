"""In which folder below a file sink's directory a record's file lies, by PyFlink's name: `BucketAssigner`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_AN_HOUR_EACH: Final = "yyyy-MM-dd--HH"  # Flink's

_FIELDS: Final[dict[str, Callable[[datetime], int]]] = {
    "y": lambda time: time.year,
    "u": lambda time: time.year,
    "M": lambda time: time.month,
    "d": lambda time: time.day,
    "H": lambda time: time.hour,
    "m": lambda time: time.minute,
    "s": lambda time: time.second,
}
"""What Java's letters mean (`DateTimeFormatter`). So many of one are the digits that it has at least; two are the last
two of a year.
"""

_PART: Final = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letter>[A-Za-z])(?P=letter)*|[^A-Za-z']+")


@dataclass(frozen=True)
class BucketAssigner:
    """In which folder a record's file lies: in the sink's own, or in one for each span of time.

    `pattern` is Java's and says how a folder is called; empty: there is none. `zone` is the time zone of its hours.
    """

    pattern: str = ""
    zone: str | None = None

    def __post_init__(self) -> None:
        """ValueError for a pattern that can't be read, or whose folders would be hidden, and for an unknown zone."""
        names = self.folder(0).split("/") if self.pattern else ()
        if any(not name or name[0] in "._" for name in names):
            why = "names that begin with . or _ are hidden, and none may be empty"
            raise ValueError(f"folders can't be called {self.pattern!r}: {why}")

    @staticmethod
    def base_path_bucket_assigner() -> "BucketAssigner":
        """All files in the directory itself: what a FileSink does by itself, unlike Flink's."""
        return BucketAssigner()

    @staticmethod
    def date_time_bucket_assigner(format_str: str = _AN_HOUR_EACH, timezone_id: str | None = None) -> "BucketAssigner":
        """A folder for each hour, or what `format_str` tells apart, by the processing time at which records are
        written: Flink's own default. A `/` in it makes folders in folders.

        Of Java's letters there are y (u), M, d, H, m and s; what stands between single quotes is taken as it is.
        `timezone_id` is a name such as `Europe/Berlin`; without one it is the zone of the machine that writes.
        """
        if not format_str:
            raise ValueError("date_time_bucket_assigner takes a format such as yyyy-MM-dd--HH, but got an empty one")
        return BucketAssigner(format_str, timezone_id)

    def folder(self, now: int) -> str:
        """That of what is written at this time, in milliseconds since the epoch; empty: there is none."""
        if not self.pattern:
            return ""
        time = datetime.fromtimestamp(now // 1_000, UTC).astimezone(self._zone())
        parts: list[str] = []
        place = 0
        while place < len(self.pattern):
            part = _PART.match(self.pattern, place)
            if part is None:
                raise ValueError(f"the single quote at {place} of the format {self.pattern!r} is never closed")
            parts.append(self._shown(part, time))
            place = part.end()
        return "".join(parts)

    def _zone(self) -> tzinfo | None:
        """None: the machine's."""
        if self.zone is None:
            return None
        try:
            return ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"no time zone is called {self.zone!r}; give a name such as Europe/Berlin") from error

    def _shown(self, part: re.Match[str], time: datetime) -> str:
        """A part of the pattern at that time."""
        if part["quoted"] is not None:
            return part["quoted"].replace("''", "'") or "'"
        letter, count = part["letter"], len(part[0])
        if letter is None:
            return part[0]
        if letter not in _FIELDS or (count > 2 and letter not in "yu"):  # three of M would be the month's name
            takes = "y, M, d, H, m and s are, text between single quotes"
            raise ValueError(f"{part[0]} in the format {self.pattern!r} isn't known: {takes}")
        number = _FIELDS[letter](time)
        return str(number % 100 if letter in "yu" and count == 2 else number).rjust(count, "0")
