"""What former versions have stored goes on in this one (tests/data/savepoints/README.md)."""

from collections import Counter
from pathlib import Path

import pytest

from tests.support.kept_kinds import KINDS
from tests.support.kept_state import RECORDS
from tests.support.savepoints import Resumed, save
from tests.support.tidy.source import ROOT

KEPT_SAVEPOINTS = sorted(path.parent for path in (ROOT / "tests" / "data" / "savepoints").glob("*/_metadata"))


def check(directory: Path, parallelism: int) -> list[str]:
    """Go on from a savepoint; gives the kinds of state that were in it."""
    resumed = Resumed(directory, parallelism)
    for kind in resumed.kinds:
        assert resumed.results(kind) == KINDS[kind].results, kind
        assert resumed.stored(kind) in (None, Counter(RECORDS)), kind
    return resumed.kinds


@pytest.mark.parametrize("parallelism", [1, 2, 3])
@pytest.mark.parametrize("directory", KEPT_SAVEPOINTS, ids=[path.name for path in KEPT_SAVEPOINTS])
def test_a_kept_savepoint_goes_on(directory: Path, parallelism: int) -> None:
    assert check(directory, parallelism)


def test_there_are_some() -> None:
    assert KEPT_SAVEPOINTS


def test_the_next_one_will_go_on_too(tmp_path: Path) -> None:
    """With all kinds of state that there are now."""
    save(tmp_path / "next")
    assert check(tmp_path / "next", 3) == list(KINDS)
