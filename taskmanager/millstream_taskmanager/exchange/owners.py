"""Which subtask owns a key (law 11): from the key's hash, or known from before where few keys come again and again.

A string's hash takes some twenty passes over arrays that aren't in the cache when a task has done something else
meanwhile: measured in a running job 140 ns, and 480 on a busy machine, where looking the string up takes 45 and 110.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from millstream_dataflow.keys import are_all, hash_batch, subtasks_of_batch
from millstream_taskmanager.exchange.dealing import Targets

_MOST_KNOWN = 8_192  # keys, of which the strings are kept
_MOST_NAMED = 256  # subtasks, each of which is a byte
_OFTEN = 4  # times in a batch, on the average: keys that come less often aren't worth remembering
_PAUSE = 32  # batches until keys that weren't are looked at again
_SHORT_PAUSE = 4  # batches: a few keys are new in each, and remembering costs as much as hashing


class Owners:
    """The owners of keys at one parallelism. Strings that come often are remembered; nothing else gains by that."""

    def __init__(self, subtasks: int, max_parallelism: int) -> None:
        self._subtasks = subtasks
        self._max_parallelism = max_parallelism
        self._known: dict[Any, int] = {}
        self._pause = 0 if subtasks <= _MOST_NAMED else -1  # batches; -1: for ever

    def of(self, keys: Sequence[Any]) -> Targets:
        """The owner of each key. UnstableKeyError for what can't be one."""
        if self._known and are_all(str, keys):  # of a subclass `==` and `hash` may be anything
            try:
                return np.frombuffer(self._looked_up(keys), np.uint8).astype(np.int16)
            except KeyError:  # a new one
                pass
        targets = subtasks_of_batch(hash_batch(keys), self._subtasks, self._max_parallelism)
        if self._pause == 0:
            self._remember(keys, targets)
        elif self._pause > 0:
            self._pause -= 1
        return targets

    def _looked_up(self, keys: Sequence[str]) -> bytes:
        """A byte for each key. KeyError for one that isn't known."""
        if len(keys) < 2:  # itemgetter of one key gives the bare item, of none it is an error
            return bytes([self._known[key] for key in keys])
        return bytes(itemgetter(*keys)(self._known))  # 54 ns a key; by `map` 73

    def _remember(self, keys: Sequence[Any], targets: Targets) -> None:
        if not are_all(str, keys) or len(set(keys)) * _OFTEN > len(keys):
            self._pause = _PAUSE
            return
        found: dict[str, int] = dict(zip(keys, targets.tolist(), strict=True))
        if len(self._known) + len(found) > _MOST_KNOWN:
            self._known.clear()
        self._known.update(found)
        self._pause = _SHORT_PAUSE
