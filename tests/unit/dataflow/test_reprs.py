"""A user's values as text: whatever their own code does, the error about them is told."""

import sys
from collections.abc import Callable

import pytest

from millstream_dataflow.reprs import MESSAGE_LIMIT, bounded_repr, error_text, short_repr


class Grumpy:
    def __init__(self, says: Callable[[], str]) -> None:
        self.says = says

    def __repr__(self) -> str:
        return self.says()


def raises() -> str:
    raise RuntimeError("no")


def exits() -> str:
    sys.exit(3)


def interrupts() -> str:
    raise KeyboardInterrupt


def recurses() -> str:
    return recurses()


@pytest.mark.parametrize("says", [raises, exits, interrupts, recurses, lambda: 5])
def test_a_repr_that_breaks(says: Callable[[], str]) -> None:
    value = Grumpy(says)
    assert bounded_repr(value) == short_repr(value) == "<unprintable Grumpy>"
    assert bounded_repr([1, {"a": (value,)}]) == "[1, {'a': (<unprintable Grumpy>,)}]"
    assert error_text(KeyError(value)) == "KeyError: <unprintable KeyError>"


def test_bounds() -> None:
    assert bounded_repr("x" * 5_000) == "'" + "x" * 999 + "..."
    assert len(bounded_repr([["y" * 900] * 900] * 900)) < 1_010
    assert len(short_repr("x" * 5_000)) < 40
    assert len(short_repr(Grumpy(lambda: "z" * 5_000))) < 40
    assert bounded_repr({"a": 1}) == "{'a': 1}"
    assert error_text(ValueError("z" * 10_000_000))[-31:] == "zzzz... (10,000,012 characters)"
    assert len(error_text(ValueError("z" * 10_000_000))) == MESSAGE_LIMIT


def test_an_error_without_words_is_its_name() -> None:
    assert error_text(StopIteration()) == "StopIteration"
    assert error_text(ValueError("bad")) == "ValueError: bad"
