"""Where entries lie. An operator chooses the layout of each of its tables (ARCHITECTURE 8)."""

from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class FlatTable(Generic[V]):
    """One dictionary by address (`CurrentKey`): for state of which each key has its own, and gives it back by
    itself.
    """

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[Hashable, V] = {}


class NamespaceTable(Generic[V]):
    """A dictionary of keys for each namespace: aligned windows fire and are purged whole, whatever the number of keys.

    `keys` holds the form that came first of keys that aren't their own identity; the others are in `entries` as they
    came first, since a dictionary keeps the key that it was given first.
    """

    __slots__ = ("entries", "keys")

    def __init__(self) -> None:
        self.entries: dict[Hashable, dict[Hashable, V]] = {}
        self.keys: dict[Hashable, dict[Hashable, object]] = {}

    def of(self, namespace: Hashable) -> dict[Hashable, V]:
        """The entries of one namespace, to be changed."""
        entries = self.entries.get(namespace)
        if entries is None:
            entries = self.entries[namespace] = {}
        return entries

    def remember(self, namespace: Hashable, identity: Hashable, key: object) -> None:
        """The user's form of a key that isn't its own identity."""
        self.keys.setdefault(namespace, {}).setdefault(identity, key)

    def key_of(self, namespace: Hashable, identity: Hashable) -> object:
        """The form of a key that came first."""
        return self.keys.get(namespace, {}).get(identity, identity)

    def purge(self, namespace: Hashable) -> None:
        """Forget a namespace."""
        self.entries.pop(namespace, None)
        self.keys.pop(namespace, None)
