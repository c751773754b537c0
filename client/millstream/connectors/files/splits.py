"""What a reader reads at a time: a file, or a range of its bytes; and who finds them.

A range owns the records that begin in it. So a reader starts behind the first newline at or after the byte before its
range, and reads the last record beyond its end. That needs files in which every newline ends a record: gzip files, and
formats with newlines inside of records, are one split each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from millstream.connectors.files.paths import FoundFile, find_files
from millstream.connectors.files.streams import is_gzip
from millstream_dataflow.connectors import SplitEnumerator


class FileSplit(NamedTuple):
    """The bytes of a file from `start` to before `end`; the whole file when it is gzip.

    `origin` is the path or URI that the user gave, which says what file system it is; `size` is the file's, in bytes.
    """

    origin: str
    path: str
    start: int
    end: int
    size: int


@dataclass(frozen=True, slots=True)
class SplitRule:
    """Into how many ranges a file is split: at most `most`, none of them shorter than `least` bytes."""

    most: int
    least: int

    def splits(self, origin: str, file: FoundFile) -> list[FileSplit]:
        """The ranges of a file, in order."""
        count = 1 if is_gzip(file.path) else max(1, min(self.most, file.size // self.least))
        borders = [file.size * number // count for number in range(count + 1)]
        return [
            FileSplit(origin, file.path, borders[number], borders[number + 1], file.size) for number in range(count)
        ]


class FileEnumerator(SplitEnumerator[FileSplit]):
    """Lists the paths. Its state is what it has found, each path once, however often the file changes."""

    def __init__(self, paths: Sequence[str], rule: SplitRule, *, missing_ok: bool, seen: Sequence[str]) -> None:
        """`missing_ok`: a path that isn't there may come."""
        self._paths = paths
        self._rule = rule
        self._missing_ok = missing_ok
        self._seen = set(seen)

    def discover(self) -> Sequence[FileSplit]:
        """The splits of files not seen before, in the order of their paths."""
        found: list[FileSplit] = []
        for origin in self._paths:
            scheme = origin[: origin.find("://") + 1]  # a bucket is part of the path; the same path may be on a disk
            for file in self._files(origin):
                name = f"{scheme}{file.path}"
                if file.size and name not in self._seen:  # an empty file may have been made to be written next
                    self._seen.add(name)
                    found += self._rule.splits(origin, file)
        return found

    def _files(self, origin: str) -> list[FoundFile]:
        try:
            return find_files(origin)
        except FileNotFoundError:
            if not self._missing_ok:
                raise
            return []

    def snapshot(self) -> list[str]:
        """The paths seen."""
        return sorted(self._seen)
