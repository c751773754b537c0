"""From a path, a pattern or a URI to the files that it names.

A path is a file, a directory (everything below it) or a pattern: `*`, `?` and `[ab]` stay within a name, `**` is any
number of directories. In directories and patterns, names that begin with `.` or `_` are hidden, as in Flink: they are
files that somebody is still writing.
"""

import errno
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
from pyarrow import fs

_WILD = re.compile(r"[*?\[]")


class FoundFile(NamedTuple):
    """A file and its size in bytes, as it was found."""

    path: str
    size: int


def absolute(path: str | os.PathLike[str]) -> str:
    """The path as every process understands it, whatever its working directory; a URI stays as it is."""
    text = os.fspath(path)
    return text if "://" in text else os.path.abspath(text)  # noqa: PTH100  # a pattern is no Path, and keeps its form


def file_system(path: str) -> tuple[fs.FileSystem, str]:
    """The file system of a path or URI, and the path in it. OSError for a scheme that pyarrow doesn't know."""
    if "://" not in path:
        return fs.LocalFileSystem(), path
    # The wildcards of a pattern are no part of the URI that names the file system: '?' would begin its options.
    wild = _WILD.search(path, path.index("://") + 3)
    head = path if wild is None or _is_query(path, wild.start()) else path[: path.rindex("/", 0, wild.start())]
    try:
        system, root = fs.FileSystem.from_uri(head)
    except pa.ArrowInvalid as error:
        raise OSError(errno.EPROTONOSUPPORT, f"no file system serves {path}: {error}") from error
    return system, root + path[len(head) :]


def _is_query(path: str, place: int) -> bool:
    return path[place] == "?" and "=" in path[place:]


def find_files(path: str) -> list[FoundFile]:
    """The files that a path names, in the order of their paths. FileNotFoundError when it names nothing at all."""
    system, inside = file_system(path)
    info = system.get_file_info(inside)
    if info.type == fs.FileType.File:
        return [FoundFile(info.path, info.size)]
    if info.type == fs.FileType.Directory:
        return sorted(_below(system, inside))
    if not _WILD.search(inside):
        raise FileNotFoundError(errno.ENOENT, "no such file or directory to read", path)
    base = inside[: inside.rindex("/", 0, next(_WILD.finditer(inside)).start())] or "/"
    matches = re.compile(_pattern(inside)).fullmatch
    found = sorted(file for file in _below(system, base) if matches(file.path))
    if not found:
        raise FileNotFoundError(errno.ENOENT, "no file matches the pattern", path)
    return found


def _below(system: fs.FileSystem, directory: str) -> Iterator[FoundFile]:
    """Files of all depths. A file that vanishes meanwhile isn't found, which is no error."""
    for info in system.get_file_info(fs.FileSelector(directory, recursive=True, allow_not_found=True)):
        names = info.path[len(directory) :].strip("/").split("/")
        if info.type == fs.FileType.File and not any(name.startswith((".", "_")) for name in names):
            yield FoundFile(info.path, info.size)


def _pattern(path: str) -> str:
    """As a regular expression."""
    parts: list[str] = []
    place = 0
    while place < len(path):
        if path.startswith("**/", place):
            parts.append("(?:[^/]+/)*")
            place += 3
            continue
        char = path[place]
        closing = path.find("]", place + 2) if char == "[" else -1
        if closing > 0:
            inner = path[place + 1 : closing].replace("\\", "\\\\")
            parts.append(f"[{'^' + inner[1:] if inner[0] == '!' else inner}]")
            place = closing + 1
            continue
        parts.append({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)))
        place += 1
    return "".join(parts)
