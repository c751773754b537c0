"""Which keys are a subtask's, and how each of them looked when it came first (law 11)."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from millstream_dataflow.keys import group_range, groups_of_batch, hash_batch
from millstream_dataflow.reprs import bounded_repr
from millstream_dataflow.types import TypeInformation, Types
from millstream_taskmanager.state.runs import StateError
from millstream_taskmanager.user_code.copies import copy_of

__all__ = ["Groups", "KeyForms", "KeySpace", "StateError"]

Groups = npt.NDArray[np.int16]

_FEW_FORMS = 1_024  # below, forms of keys that are gone aren't looked for


class KeySpace:
    """The key groups of one operator in one subtask."""

    def __init__(
        self,
        operator: str,
        index: int,
        parallelism: int,
        max_parallelism: int,
        key_type: TypeInformation[Any] | None = None,
    ) -> None:
        """`operator` is named in errors. `key_type`: declared for the keys; None: nothing was."""
        self.operator = operator
        self.key_type = key_type or Types.ANY()
        self.groups = group_range(index, parallelism, max_parallelism)
        self._max_parallelism = max_parallelism

    def groups_of(self, keys: Sequence[object]) -> Groups:
        """The group of each key. Hashes are computed for whole slices: 12 M keys/s instead of 1 M one by one."""
        return groups_of_batch(hash_batch(keys), self._max_parallelism)

    def checked_groups_of(self, keys: Sequence[object], state: str) -> Groups:
        """The same; StateError when one isn't this subtask's. Asked where keys are stored, not where they come in."""
        groups = self.groups_of(keys)
        strange = np.flatnonzero((groups < self.groups.start) | (groups >= self.groups.stop))
        if len(strange):
            key, group = keys[strange[0]], groups[strange[0]]
            raise StateError(
                f"operator {self.operator}: key {bounded_repr(key)} of {state} belongs to key group {group}, but this "
                f"subtask has the groups {self.groups.start} to {self.groups.stop - 1}: the key selector gave another "
                "key where the record was sent than where it came; it must give the same key for a record every time"
            )
        return groups


class KeyForms:
    """The user's form, the one that came first, of those keys of an operator that aren't their own identity.

    Forms of keys without state are forgotten when there are twice as many as the last time that was looked. That is
    between batches alone. In the midst of one, keys that have come need not have state yet; nor has a key whose timer
    fires. And there the user's function may ask for a state for the first time, which takes up what was restored of it.
    """

    def __init__(self, identities_in_use: Callable[[], Iterable[Hashable]]) -> None:
        self._forms: dict[Hashable, object] = {}
        self._in_use = identities_in_use
        self._limit = _FEW_FORMS

    def __len__(self) -> int:
        return len(self._forms)

    def add(self, keys: Sequence[object], identities: Sequence[Hashable]) -> None:
        """The keys of a new batch, when those of the last one are done with."""
        if keys is identities:
            return
        if len(self._forms) > self._limit:
            self._forget()
        self.keep(keys, identities)

    def keep(self, keys: Sequence[object], identities: Sequence[Hashable]) -> None:
        """Keys that have come, or were restored; nothing is forgotten for their sake."""
        if keys is identities:
            return
        forms = self._forms
        for key, identity in zip(keys, identities, strict=True):
            if key is not identity and identity not in forms:
                forms[identity] = copy_of(key)  # a Row is the user's to change, and perhaps the record itself

    def clear(self) -> None:
        """All are gone."""
        self._forms.clear()

    def of(self, identity: Hashable) -> object:
        """The key of an identity."""
        return self._forms.get(identity, identity) if self._forms else identity

    def of_all(self, identities: list[Any]) -> list[Any]:
        """The keys of identities."""
        if not self._forms:
            return identities
        find = self._forms.get
        return [find(identity, identity) for identity in identities]

    def _forget(self) -> None:
        in_use = self._forms.keys() & set(self._in_use())
        self._forms = {identity: self._forms[identity] for identity in in_use}
        self._limit = max(_FEW_FORMS, 2 * len(self._forms))
