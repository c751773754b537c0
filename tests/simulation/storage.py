"""The directory of the job store, with the face of the real file systems. What is written, read or deleted there takes
time, fails as refused or as unknown, and what is unknown was done, is done later, or never (law 2.1).

A process can die, be stopped or lose its ZooKeeper between any two steps.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millstream_runtime.file_systems import OpenFile, UncertainWriteError
from tests.simulation.fibres import Fibre
from tests.simulation.process import Process
from tests.simulation.world import Action, World

if TYPE_CHECKING:
    from tests.simulation.outside import Outside


@dataclass(slots=True)
class Faults:
    """How often a write goes wrong."""

    refused: float = 0.0
    unknown: float = 0.0


@dataclass(frozen=True, slots=True)
class _Open:
    """It is in memory anyway."""

    data: bytes

    @property
    def size(self) -> int:
        """All of it."""
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        """A part."""
        return self.data[offset : offset + length]

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class Disk:
    """What all processes share."""

    world: World
    outside: Outside
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    faults: Faults = field(default_factory=Faults)


class VirtualStorage:
    """As one process reaches it. All calls block."""

    def __init__(self, disk: Disk, process: Process) -> None:
        self._disk = disk
        self._world = disk.world
        self._process = process
        self._plan: tuple[int, Action] | None = None

    def after_steps(self, steps: int, action: Action) -> None:
        """Something befalls the process after so many steps."""
        self._plan = steps, action

    @property
    def planned(self) -> bool:
        """Something is about to befall the process."""
        return self._plan is not None

    # ------------------------------------------------------------ writing

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """Whole, or not at all."""
        data = b"".join(chunks)

        def there() -> None:
            self._disk.files[path] = data

        self._change(there)

    def remove_file(self, path: str) -> None:
        """Nothing that a pointer names."""
        if path in self._disk.files:
            self._change(lambda: self._gone(path))

    def remove_tree(self, path: str) -> None:
        """Name by name: a crash leaves some."""
        for name in [name for name in sorted(self._disk.files) if name.startswith(f"{path}/")]:
            self._change(lambda name=name: self._gone(name))  # type: ignore[misc]  # bound at once

    def _gone(self, path: str) -> None:
        self._world.guard(lambda: self._disk.outside.check_removed(path))
        self._disk.files.pop(path, None)

    def _change(self, effect: Action) -> None:
        world, faults = self._world, self._disk.faults
        self._step()
        if world.chance(faults.refused):
            raise OSError(errno.ENOSPC, "as played")
        if not world.chance(faults.unknown):
            effect()
            self._step()
            return
        truth = world.number(0, 2)
        if truth == 0:
            effect()
        elif truth == 1:
            world.after(1, 400, effect)
        Fibre.current().pause(world.number(1, 60))
        raise UncertainWriteError(errno.EIO, "as played")

    def _step(self) -> None:
        """Half of all steps take time, and something may befall the process there."""
        time = self._world.number(1, 10) if self._world.chance(0.4) else 0
        if self._plan is not None:
            steps, action = self._plan
            self._plan = (steps - 1, action) if steps > 1 else None
            if self._plan is None:
                self._world.after(0, 0, action)
                time = max(time, 1)
        if time:
            Fibre.current().pause(time)

    # ------------------------------------------------------------ reading

    def read(self, path: str) -> bytes:
        """A whole file."""
        self._step()
        if self._world.chance(self._disk.faults.unknown):
            raise OSError(errno.EIO, "as played")
        data = self._disk.files.get(path)
        if data is None:
            raise FileNotFoundError(errno.ENOENT, "it isn't there", path)
        return data

    def entries(self, directory: str) -> list[str]:
        """Names."""
        self._step()
        there = {name[len(directory) + 1 :] for name in self._disk.files if name.startswith(f"{directory}/")}
        return sorted({name.partition("/")[0] for name in there})

    # ------------------------------------------------------------ what records don't need

    def make_private(self, directory: str) -> None:
        """Nobody else is there."""

    def publish(self, path: str, data: bytes) -> bytes:
        """Checkpoints are published elsewhere (stores)."""
        raise NotImplementedError

    def open(self, path: str) -> OpenFile:
        """A blob."""
        return _Open(self.read(path))

    def find(self, directory: str, name: str) -> list[str]:
        """As publish."""
        raise NotImplementedError

    def identity(self, path: str) -> str:
        """There are no links."""
        return path

    def is_link(self, path: str) -> bool:
        """There are none."""
        return False
