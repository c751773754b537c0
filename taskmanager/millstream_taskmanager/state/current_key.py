"""Whose turn it is: the key of the record or timer at hand, and under which address its flat entries lie."""

from collections.abc import Hashable
from typing import Final

from millstream_dataflow.errors import InvalidProgramError


class _NoKey:
    """In the place of a key, between the turns of keys. Whoever looks an entry up by it hears so: that costs nothing
    where there is a key.
    """

    def __hash__(self) -> int:
        what = "keyed state or a timer was used where no key is at hand, as in open(), close() or snapshot_state()"
        raise InvalidProgramError(f"{what}; use it where a record or a timer is handled, and ask for it in open()")


NO_KEY: Final = _NoKey()


class CurrentKey:
    """Set before each call of the user's code; every handle of an operator looks here.

    `key` is the user's form, `identity` what makes it the same key (law 11). With a namespace (a window) entries lie
    under both, without one under the identity alone: a tuple for each access would cost as much as the access.
    """

    __slots__ = ("address", "identity", "key")

    def __init__(self) -> None:
        self.key: object = None
        self.identity: Hashable = NO_KEY
        self.address: Hashable = NO_KEY

    def set(self, key: object, identity: Hashable) -> None:
        """The turn of a key."""
        self.key = key
        self.identity = self.address = identity

    def nobody(self) -> None:
        """Nobody's turn."""
        self.key = None
        self.identity = self.address = NO_KEY

    def within(self, namespace: Hashable) -> None:
        """Of the same key, what belongs to a namespace."""
        self.address = (self.identity, namespace)
