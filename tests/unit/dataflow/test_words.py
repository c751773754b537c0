"""Numbers in sentences."""

import pytest

from millstream_dataflow.words import counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 slots"), (1, "1 slot"), (2, "2 slots"), (12_000, "12,000 slots")])
def test_one_of_a_thing_has_no_s(number: int, words: str) -> None:
    assert counted(number, "slot") == words


def test_a_plural_may_be_a_word_of_its_own() -> None:
    assert (counted(1, "try", "tries"), counted(2, "try", "tries")) == ("1 try", "2 tries")
