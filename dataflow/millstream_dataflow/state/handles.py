"""What a function does with its state (Flink, "Working with State"). The runtime implements these.

A handle is had in `open` and used while a record or a timer is processed: it then shows the part of the current key.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
In = TypeVar("In")
Out = TypeVar("Out")


class State(ABC):
    """Base of all handles."""

    @abstractmethod
    def clear(self) -> None:
        """Forget what is kept for the current key; it then takes no room."""


class ValueState(State, Generic[T]):
    """One value per key."""

    @abstractmethod
    def value(self) -> T | None:
        """The value, or None when none was set. If you change it in place, `update` it."""

    @abstractmethod
    def update(self, value: T | None) -> None:
        """Set the value; None clears it, as in Flink."""


class AppendingState(State, Generic[In, Out]):
    """State to which values are added, and from which something may be had at any time."""

    @abstractmethod
    def get(self) -> Out:
        """What has come of the values so far."""

    @abstractmethod
    def add(self, value: In) -> None:
        """Take in one value."""


class ListState(AppendingState[T, Iterable[T]], Generic[T]):
    """A list per key, or of a subtask. Adding costs the same however long it is."""

    @abstractmethod
    def add_all(self, values: Iterable[T]) -> None:
        """Add each of them at the end."""

    @abstractmethod
    def update(self, values: Iterable[T]) -> None:
        """Replace the list; nothing clears it."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.get())


class ReducingState(AppendingState[T, T | None], Generic[T]):
    """One value per key: the reduction of all that were added. `get` is None before the first. To add None clears it,
    as in Flink's hashmap backend and in PyFlink.
    """


class AggregatingState(AppendingState[In, Out | None], Generic[In, Out]):
    """One accumulator per key. `get` is the function's result for it, None before the first value. To add None clears
    it, as a ReducingState.
    """


class MapState(State, Generic[K, V]):
    """A map per key. `get` gives None for what isn't there, as in Flink; `state[key]` raises KeyError, as in Python."""

    @abstractmethod
    def get(self, key: K) -> V | None:
        """The value, or None. If you change it in place, `put` it again."""

    @abstractmethod
    def put(self, key: K, value: V) -> None:
        """Set the value of a key."""

    @abstractmethod
    def remove(self, key: K) -> None:
        """Forget a key; nothing happens if it isn't there."""

    @abstractmethod
    def contains(self, key: K) -> bool:
        """Whether the key is there."""

    @abstractmethod
    def items(self) -> Iterable[tuple[K, V]]:
        """Keys with their values, as they are at the call: the map may change while you iterate."""

    @abstractmethod
    def keys(self) -> Iterable[K]:
        """The keys, as they are at the call."""

    @abstractmethod
    def values(self) -> Iterable[V]:
        """The values, as they are at the call."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether there is no key."""

    def put_all(self, dict_value: Mapping[K, V]) -> None:
        """Set each of them."""
        for key, value in dict_value.items():
            self.put(key, value)

    def __getitem__(self, key: K) -> V:
        value = self.get(key)
        if value is None and not self.contains(key):
            raise KeyError(key)
        return value  # type: ignore[return-value]  # a None that was put is a V

    def __setitem__(self, key: K, value: V) -> None:
        self.put(key, value)

    def __delitem__(self, key: K) -> None:
        if not self.contains(key):
            raise KeyError(key)
        self.remove(key)

    def __contains__(self, key: K) -> bool:
        return self.contains(key)

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())
