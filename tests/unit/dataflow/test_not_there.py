"""An attribute that isn't there says why, to whoever asks."""

import pytest

from millstream_dataflow.not_there import NotThere


class Thing:
    """One with something that isn't there."""

    other = NotThere("use this one")


def test_who_asks_gets_the_sentence() -> None:
    for owner in (Thing, Thing()):
        with pytest.raises(AttributeError, match=r"^other of Thing isn't there: use this one$"):
            _ = owner.other
        assert not hasattr(owner, "other")
