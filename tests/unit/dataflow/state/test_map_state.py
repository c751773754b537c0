"""A map state is a Python mapping; Flink's `get` gives None for what isn't there."""

from collections.abc import Iterable

import pytest

from millstream_dataflow.state import MapState


class InMemory(MapState[str, int | None]):
    """The abstract part, over a dict."""

    def __init__(self) -> None:
        self.content: dict[str, int | None] = {}

    def get(self, key: str) -> int | None:
        return self.content.get(key)

    def put(self, key: str, value: int | None) -> None:
        self.content[key] = value

    def remove(self, key: str) -> None:
        self.content.pop(key, None)

    def contains(self, key: str) -> bool:
        return key in self.content

    def items(self) -> Iterable[tuple[str, int | None]]:
        return self.content.items()

    def keys(self) -> Iterable[str]:
        return self.content.keys()

    def values(self) -> Iterable[int | None]:
        return self.content.values()

    def is_empty(self) -> bool:
        return not self.content

    def clear(self) -> None:
        self.content.clear()


def test_as_a_mapping() -> None:
    state = InMemory()
    state["a"] = 1
    state.put_all({"b": 2, "c": None})
    assert (state["a"], state["c"], state.get("d")) == (1, None, None)
    assert ("b" in state, "d" in state, list(state)) == (True, False, ["a", "b", "c"])
    del state["b"]
    assert "b" not in state


def test_what_is_not_there_is_a_key_error() -> None:
    state = InMemory()
    with pytest.raises(KeyError):
        _ = state["a"]
    with pytest.raises(KeyError):
        del state["a"]
