"""Blocks: some records with what they are ordered by, as parallel columns.

The order is total: by the hash of the key, then event time, then place, which is the number of the input and, within
it, the order of arrival. So records of one key that have no times, or equal ones, stay as they came, however often
they were spilled and merged. Keys that differ may have one hash; whoever reads the groups tells them apart.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from millstream_dataflow.time import NO_TIMESTAMP

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

_INPUT: Final = 56
"""The place of a record is its input's number times 2^56, and its number of arrival."""


class Block(NamedTuple):
    """Records in order."""

    hashes: Hashes
    times: Numbers
    """Event times, milliseconds; NO_TIMESTAMP where there are none."""
    places: Numbers
    values: list[Any]

    def part(self, start: int, end: int) -> "Block":
        """Those from `start` to before `end`."""
        return Block(self.hashes[start:end], self.times[start:end], self.places[start:end], self.values[start:end])


def first_place(number: int) -> int:
    """The place of the first record of an input."""
    return number << _INPUT


def input_of(place: int) -> int:
    """The input of a record."""
    return place >> _INPUT


def inputs_of(places: Numbers) -> Numbers:
    """The input of each."""
    return places >> _INPUT


def times_array(times: Sequence[int] | None, count: int) -> Numbers:
    """The times of a batch as a column."""
    return np.full(count, NO_TIMESTAMP, np.int64) if times is None else np.array(times, np.int64)


def ordered(blocks: Sequence[Block]) -> Block:
    """All of them as one, in order."""
    hashes = np.concatenate([block.hashes for block in blocks])
    times = np.concatenate([block.times for block in blocks])
    places = np.concatenate([block.places for block in blocks])
    order = np.lexsort((places, times, hashes))
    values: list[Any] = []
    for block in blocks:
        values += block.values
    return Block(hashes[order], times[order], places[order], [values[place] for place in order.tolist()])


def up_to(block: Block, bound: tuple[int, int, int]) -> int:
    """How many records of a block stand at or before the bound: hash, time and place."""
    hash_, time, place = bound
    start = int(np.searchsorted(block.hashes, np.uint64(hash_), "left"))
    end = int(np.searchsorted(block.hashes, np.uint64(hash_), "right"))
    times = block.times[start:end]
    same = start + int(np.searchsorted(times, time, "left")), start + int(np.searchsorted(times, time, "right"))
    return same[0] + int(np.searchsorted(block.places[same[0] : same[1]], place, "right"))


def last_of(block: Block) -> tuple[int, int, int]:
    """Hash, time and place of the last record."""
    return int(block.hashes[-1]), int(block.times[-1]), int(block.places[-1])
