"""What the program tells its child, and what it hears: one line of JSON each way.

Where the child works and whose it is stands in its command line, for it starts while the program is still being
compiled; the orders follow. The program's end of the first pipe stays open afterwards; when it closes, however the
program ended, the child ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Place:
    """What the child knows from its start."""

    directory: str
    """Private, made by the program; everything of the cluster lies in it, and it goes with the cluster."""
    program: int
    """The program's process id."""
    dies_with_program: bool
    """The kernel may tell the program's end: it was started by a thread that lives as long as the program."""

    def arguments(self) -> list[str]:
        """Of the child's command line."""
        return [self.directory, str(self.program), "dies" if self.dies_with_program else "looks"]


def place_of(arguments: list[str]) -> Place:
    """From the child's command line."""
    directory, program, how = arguments
    return Place(directory, int(program), how == "dies")


class Orders(msgspec.Struct, frozen=True):
    """What the child is to run."""

    configuration: Mapping[str, str]


class Report(msgspec.Struct, frozen=True):
    """What became of it: where it listens, or why it doesn't."""

    target: str = ""
    problem: str = ""


def encode(value: Orders | Report) -> bytes:
    """As one line."""
    return msgspec.json.encode(value) + b"\n"


def orders_of(line: bytes) -> Orders:
    """msgspec.DecodeError for anything else."""
    return msgspec.json.decode(line, type=Orders)


def report_of(line: bytes) -> Report:
    """msgspec.DecodeError for anything else."""
    return msgspec.json.decode(line, type=Report)
