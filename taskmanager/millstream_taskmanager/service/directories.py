"""The TaskManager's private directories: made at its start, removed at its end, swept by its successor.

A directory's name begins with the tag of the resource, which only one living TaskManager has; so whatever else of that
beginning lies there was left by a predecessor that was killed.
"""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import taskmanager
from millstream_runtime.named_directory import make_named_directory

LONGEST_SOCKET_PATH: Final = 103  # bytes; Linux takes 107, macOS 103
ROOM_FOR_A_NAME: Final = 40  # bytes of a slash and a socket's name in the directory


class NoDirectoryError(RuntimeError):
    """There is no place for what the TaskManager must keep while it runs."""


@dataclass(frozen=True, slots=True)
class Directories:
    """Mode 0700, of this start alone."""

    work: Path
    sockets: Path
    """Of the workers; its path leaves room for names."""

    @property
    def blobs(self) -> Path:
        """What was fetched, by digest."""
        return self.work / "blobs"

    @property
    def workers(self) -> Path:
        """What belongs to worker processes."""
        return self.work / "workers"

    @property
    def results(self) -> Path:
        """What tasks of finished stages have left for later ones."""
        return self.work / "results"

    def remove(self) -> None:
        """With all that is in them."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)


def make_directories(configuration: Configuration, tag: str) -> Directories:
    """For the resource of that tag; what its predecessors left goes first."""
    places = [Path(place) for place in configuration.get(taskmanager.TMP_DIRS) or ()] or [_system()]
    for place in {*places, _system()}:
        sweep(place, tag)
    work = _make(places, _beginning(tag))
    for name in ("blobs", "workers", "results"):
        (work / name).mkdir(mode=0o700)
    try:
        return Directories(work, _socket_directory(work, tag))
    except NoDirectoryError:
        shutil.rmtree(work, ignore_errors=True)
        raise


def sweep(place: Path, tag: str) -> None:
    """Remove what a killed predecessor of the same resource left in `place`."""
    for left in _of(place, _beginning(tag)):
        shutil.rmtree(left, ignore_errors=True)


def machine_id() -> str:
    """Equal exactly for processes that can open each other's socket files: one kernel since its boot, one view of the
    file system, one user (the directories are private).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/mnt").readlink())
    except OSError:  # no Linux: one host is one view
        boot, namespace = os.uname().nodename, "host"
    root = Path("/").stat()
    return f"{boot}/{namespace}/{root.st_dev}-{root.st_ino}/{os.geteuid()}"


def _system() -> Path:
    return Path(tempfile.gettempdir())


def _beginning(tag: str) -> str:
    return f"ms-{tag}-"


def _of(place: Path, beginning: str) -> Iterator[Path]:
    """Real directories of ours; in a directory that everybody may write to, others could have put a link there."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            if entry.name.startswith(beginning):
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                    yield Path(entry.path)


def _make(places: Sequence[Path], beginning: str) -> Path:
    """In the first place that takes it."""
    failures: list[str] = []
    for place in places:
        try:
            make_named_directory(place, 0o700)
            return Path(tempfile.mkdtemp(prefix=beginning, dir=place))
        except OSError as error:
            failures.append(f"{place}: {error.strerror or error}")
    raise NoDirectoryError(
        f"the TaskManager can't make its working directory ({'; '.join(failures)}); set {taskmanager.TMP_DIRS.key} to "
        "a directory that it may write to"
    )


def _socket_directory(work: Path, tag: str) -> Path:
    """In the working directory when its path is short enough, else in the system's temporary one, else in /tmp."""
    if _fits(work / "s"):
        (work / "s").mkdir(mode=0o700)
        return work / "s"
    for place in dict.fromkeys((_system(), Path("/tmp"))):  # noqa: S108  # mkdtemp makes a private one with a random name
        if _fits(place / f"{_beginning(tag)}12345678"):
            sweep(place, tag)
            return _make([place], _beginning(tag))
    raise NoDirectoryError(
        f"socket files in {work} would have paths above {LONGEST_SOCKET_PATH} bytes; set {taskmanager.TMP_DIRS.key} to "
        "a directory with a shorter path"
    )


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory)) + ROOM_FOR_A_NAME <= LONGEST_SOCKET_PATH
