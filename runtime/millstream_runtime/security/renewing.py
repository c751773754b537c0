"""A value made of files, and made anew when they change: so renewed certificates and tokens need no restart.

A renewal that writes a certificate and its key one after the other leaves, for a moment, two that don't match. So a
value that can't be made leaves the former one in use, one line says so, and the next change of a file is a new chance.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from millstream_dataflow.configuration import ConfigurationError
from millstream_runtime.security.setting_file import SettingFile

T = TypeVar("T")
_log = logging.getLogger("millstream.security")


class Renewing(Generic[T]):
    """The first value is made at once: ConfigurationError when it can't be. Asking costs a few microseconds a file."""

    def __init__(self, files: Sequence[SettingFile], make: Callable[[], T]) -> None:
        self._files = files
        self._make = make
        self._stamps = self._now()
        self._value = make()
        self._failing = False

    def get(self) -> T:
        """The value of the files as they are, or the last one that could be made."""
        stamps = self._now()
        if stamps == self._stamps:
            return self._value
        # Noted before the files are read, so that a change in between is seen the next time.
        self._stamps = stamps
        names = ", ".join(str(file.path) for file in self._files)
        try:
            self._value = self._make()
        except ConfigurationError as error:
            if not self._failing:
                _log.warning("%s changed and can't be used, so what they held before stays in use: %s", names, error)
            self._failing = True
        else:
            _log.info("%s changed, and are used from now on", names)
            self._failing = False
        return self._value

    def _now(self) -> list[tuple[int, ...]]:
        return [file.stamp() for file in self._files]
