"""Disks that fail: full ones, read-only ones, ones that lose power."""

import ctypes
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.components import ROOT_LINE, require

_LIBC = ctypes.CDLL(None, use_errno=True)
_READ_ONLY, _REMOUNT = 1, 32


def _mount(target: Path, flags: int, options: str) -> None:
    failed = _LIBC.mount(b"tmpfs", bytes(target), b"tmpfs", flags, options.encode())
    require(not failed, f"permission to mount a small disk ({os.strerror(ctypes.get_errno())})", ROOT_LINE)


@contextmanager
def small_disk(target: Path, size: int) -> Generator[Path]:
    """A file system with so many bytes. The test is skipped, or in CI fails, where none may be mounted."""
    target.mkdir()
    _mount(target, 0, f"size={size}")
    try:
        yield target
    finally:
        _LIBC.umount2(bytes(target), 2)


def make_read_only(disk: Path, size: int) -> None:
    """From now on."""
    _mount(disk, _REMOUNT | _READ_ONLY, f"size={size}")


def make_writable(disk: Path, size: int) -> None:
    """From now on, with so many bytes."""
    _mount(disk, _REMOUNT, f"size={size}")


class Journal:
    """Notes the calls that make bytes durable, in their order, and carries them out; `fails` makes one fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: str = "", number: int = 5) -> None:
        self.calls: list[str] = []
        self.fails = fails
        self._number = number
        real_fsync, real_rename, real_link = os.fsync, Path.rename, os.link

        def fsync(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            self._note(f"sync {'directory' if path.is_dir() else 'file'} {path.name}")
            real_fsync(descriptor)

        def rename(path: Path, target: Path) -> Path:
            self._note(f"rename to {target.name}")
            return real_rename(path, target)

        def link(path: Path, target: Path) -> None:
            self._note(f"link to {target.name}")
            real_link(path, target)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "link", link)
        monkeypatch.setattr(Path, "rename", rename)

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.fails and call.startswith(self.fails):
            raise OSError(self._number, os.strerror(self._number))
