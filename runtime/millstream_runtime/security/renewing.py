"""A value made of files, and made anew when they change: so renewed certificates and tokens need no restart.

A renewal that writes a certificate and its key one after the other leaves, for a moment, two that don't match. So a
value that can't be made leaves the former one in use, one line says so, and the next change of a file is a new chance.
So are some seconds without one: what was missing may have been a descriptor, or a storage that answers.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from millstream_dataflow.configuration import ConfigurationError
from millstream_runtime.security.setting_file import SettingFile

T = TypeVar("T")
Clock = Callable[[], float]
"""Seconds, of a monotonic clock."""

AGAIN_S: Final = 5.0
"""Seconds after a try that failed; one costs milliseconds."""

_log = logging.getLogger("millstream.security")


class Readings:
    """When files are to be read again: they have changed, or the last reading brought nothing and is some time ago."""

    def __init__(self, files: Sequence[SettingFile], clock: Clock) -> None:
        """They are about to be read for the first time."""
        self._files = files
        self._clock = clock
        self._stamps = self._now()
        self._again: float | None = None
        """When, though nothing has changed."""

    def due(self) -> bool:
        """They are, and it counts as failed until `succeeded`."""
        stamps = self._now()
        if stamps == self._stamps and (self._again is None or self._clock() < self._again):
            return False
        # Noted before the files are read, so that a change in between is seen the next time.
        self._stamps = stamps
        self._again = self._clock() + AGAIN_S
        return True

    def succeeded(self) -> None:
        """They have been read."""
        self._again = None

    def _now(self) -> list[tuple[int, ...]]:
        return [file.stamp() for file in self._files]


class Renewing(Generic[T]):
    """The first value is made at once: ConfigurationError when it can't be. Asking costs a few microseconds a file."""

    def __init__(self, files: Sequence[SettingFile], make: Callable[[], T], clock: Clock = time.monotonic) -> None:
        self._names = ", ".join(str(file.path) for file in files)
        self._make = make
        self._readings = Readings(files, clock)
        self._value = make()
        self._failing = False

    def get(self) -> T:
        """The value of the files as they are, or the last one that could be made."""
        if not self._readings.due():
            return self._value
        try:
            self._value = self._make()
        except ConfigurationError as error:
            if not self._failing:
                _log.warning(
                    "%s changed and can't be used, so what they held before stays in use: %s", self._names, error
                )
            self._failing = True
        else:
            self._readings.succeeded()
            _log.info("%s changed, and are used from now on", self._names)
            self._failing = False
        return self._value
