"""Broadcast state: a map that is the same in every subtask, since each writes what all were told (Flink, "The Broadcast
State Pattern"). The runtime implements these.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, NoReturn, TypeVar

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.state.handles import State

K = TypeVar("K")
V = TypeVar("V")


class ReadOnlyBroadcastState(State, Generic[K, V]):
    """The map as the stream that isn't broadcast sees it. `get` gives None for what isn't there, as in Flink;
    `state[key]` raises KeyError, as in Python.
    """

    @abstractmethod
    def get(self, key: K) -> V | None:
        """The value, or None."""

    @abstractmethod
    def contains(self, key: K) -> bool:
        """Whether the key is there."""

    @abstractmethod
    def items(self) -> Iterable[tuple[K, V]]:
        """Keys with their values, in the order in which the keys came."""

    @abstractmethod
    def keys(self) -> Iterable[K]:
        """The keys."""

    @abstractmethod
    def values(self) -> Iterable[V]:
        """The values."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether there is no key."""

    def clear(self) -> None:
        """Refused, as all that would change it (InvalidProgramError)."""
        self._refuse("clear")

    def __getitem__(self, key: K) -> V:
        value = self.get(key)
        if value is None and not self.contains(key):
            raise KeyError(key)
        return value  # type: ignore[return-value]  # a None that was put is a V

    def __contains__(self, key: K) -> bool:
        return self.contains(key)

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())

    def _refuse(self, call: str) -> NoReturn:
        raise InvalidProgramError(
            f"{call} was called on broadcast state where it can only be read: it must be the same in every subtask, "
            "and a record comes to one alone; change it in process_broadcast_element"
        )


class BroadcastState(ReadOnlyBroadcastState[K, V], Generic[K, V]):
    """The map as the broadcast stream sees it: it may change it."""

    @abstractmethod
    def put(self, key: K, value: V) -> None:
        """Set the value of a key."""

    @abstractmethod
    def remove(self, key: K) -> None:
        """Forget a key; nothing happens if it isn't there."""

    @abstractmethod
    def clear(self) -> None:
        """Forget all keys."""

    def put_all(self, dict_value: Mapping[K, V]) -> None:
        """Set each of them."""
        for key, value in dict_value.items():
            self.put(key, value)

    def __setitem__(self, key: K, value: V) -> None:
        self.put(key, value)

    def __delitem__(self, key: K) -> None:
        if not self.contains(key):
            raise KeyError(key)
        self.remove(key)
