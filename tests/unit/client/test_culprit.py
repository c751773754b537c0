"""The part of an object that can't be pickled is found and named as its owner would write it."""

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import cloudpickle  # type: ignore[import-untyped]  # it has no types
import pytest

from millstream.compiler.culprit import find_culprit

LOCK = threading.Lock()


def is_picklable(value: object) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:  # noqa: BLE001  # whatever it is
        return False
    return True


def culprit(value: object, path: str = "self") -> str:
    return str(find_culprit(value, path, is_picklable))


class Client:
    def __init__(self) -> None:
        self.name = "client"
        self.lock = threading.Lock()


class Parser:
    def __init__(self) -> None:
        self.limit = 3
        self.client = Client()

    def parse(self, value: str) -> str:
        return value


class Pair(NamedTuple):
    left: int
    right: object


@dataclass(slots=True)
class Slotted:
    lock: object = field(default_factory=threading.Lock)


class Secretive:
    def __reduce__(self) -> str:
        raise RuntimeError("I stay here")


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as the script's own: cloudpickle takes it apart."""
    function.__module__ = "__main__"
    return function


def closing_over(lock: object) -> Callable[..., Any]:
    def parse(value: object) -> object:
        return value, lock

    return parse


@by_value
def uses_global(value: object) -> object:
    return [(value, LOCK) for _ in range(1)]


@by_value
def has_default(value: object, lock: object = LOCK) -> object:
    return value, lock


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Parser(), "self.client.lock is a _thread.lock"),
        ({"a": [1, Pair(1, LOCK)]}, "self['a'][1].right is a _thread.lock"),
        (Slotted(), "self.lock is a _thread.lock"),
        (Parser().parse, "self.client.lock is a _thread.lock"),
        (functools.partial(dict, left=1, end=LOCK), "self.keywords['end'] is a _thread.lock"),
        (closing_over(LOCK), "lock is a _thread.lock (lock is a variable of the function around parse)"),
        (closing_over(Client()), "lock.lock is a _thread.lock (lock is a variable of the function around parse)"),
        (uses_global, "LOCK is a _thread.lock (LOCK is a global that uses_global uses)"),
        (has_default, "a default of has_default is a _thread.lock"),
        ({LOCK: 1}, "a key of self is a _thread.lock"),
        (LOCK, "self is a _thread.lock"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_way_to_the_culprit(value: object, expected: str) -> None:
    assert culprit(value) == expected


def test_an_object_that_refuses_to_be_pickled_is_the_culprit_itself() -> None:
    assert culprit([Secretive()], "items") == f"items[0] is a {__name__}.Secretive"


def test_a_function_called_by_a_function_is_looked_into() -> None:
    inner = by_value(closing_over(LOCK))

    def outer(value: object) -> object:
        return inner(value)

    assert culprit(outer) == "lock is a _thread.lock (lock is a variable of the function around parse)"


def test_circles_and_depth_are_bounded() -> None:
    circle: list[object] = [LOCK]
    circle.insert(0, circle)
    assert culprit(circle) == "self[1] is a _thread.lock"
    deep: object = LOCK
    for _ in range(60):
        deep = [deep]
    assert culprit(deep).startswith("self[0][0]")
