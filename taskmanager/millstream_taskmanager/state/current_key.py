"""Whose turn it is: the key of the record or timer at hand, and under which address its flat entries lie."""

from collections.abc import Hashable


class CurrentKey:
    """Set before each call of the user's code; every handle of an operator looks here.

    `key` is the user's form, `identity` what makes it the same key (law 11). With a namespace (a window) entries lie
    under both, without one under the identity alone: a tuple for each access would cost as much as the access.
    """

    __slots__ = ("address", "identity", "key")

    def __init__(self) -> None:
        self.key: object = None
        self.identity: Hashable = None
        self.address: Hashable = None

    def set(self, key: object, identity: Hashable) -> None:
        """The turn of a key."""
        self.key = key
        self.identity = self.address = identity

    def within(self, namespace: Hashable) -> None:
        """Of the same key, what belongs to a namespace."""
        self.address = (self.identity, namespace)
