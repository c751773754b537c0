"""A file that a key of the configuration names, and what is said when it is wrong."""

import errno
from dataclasses import dataclass
from pathlib import Path

from millstream_dataflow.configuration import Configuration, ConfigurationError, Option, Origin, Problem
from millstream_runtime.file_systems import locate

MAX_SIZE = 1 << 20
"""In bytes; a bundle of all public authorities has a quarter of it."""

_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT})
"""What says nothing of a file: this process, its host or the storage lacks something at the moment."""


class UnreadableNowError(ConfigurationError):
    """The file may be as good as ever, and can't be read at the moment."""


@dataclass(frozen=True, slots=True)
class SettingFile:
    """A path, with the key that names it and where that was written."""

    path: Path
    key: str
    value: str
    origin: Origin

    @classmethod
    def of(cls, configuration: Configuration, option: Option[str | None]) -> "SettingFile | None":
        """The file that `option` names; None when it names none."""
        value = configuration.get(option)
        if value is None:
            return None
        return cls(Path(locate(value).path), option.key, value, configuration.origin(option))

    def problem(self, reason: str, mend: str) -> Problem:
        """What is wrong with the file, and what to do."""
        return Problem(reason, mend, self.key, self.value, self.origin)

    def read(self) -> bytes:
        """All of it. ConfigurationError when it can't be read, UnreadableNowError when that may pass."""
        try:
            with self.path.open("rb") as stream:
                content = stream.read(MAX_SIZE + 1)
        except OSError as error:
            reason = f"the file can't be read: {error.strerror or error}"
            mend = "name one that is there, and that this user may read"
            kind = UnreadableNowError if error.errno in _PASSING else ConfigurationError
            raise kind(self.problem(reason, mend)) from error
        if len(content) > MAX_SIZE:
            raise ConfigurationError(self.problem(f"the file has over {MAX_SIZE} bytes", "is it the right one?"))
        return content

    def stamp(self) -> tuple[int, ...]:
        """Another one when the file has changed; empty when there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
