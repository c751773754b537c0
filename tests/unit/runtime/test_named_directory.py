"""A directory that somebody has named: what is above it must be there."""

import os
from pathlib import Path

import pytest

from millstream_runtime.named_directory import make_named_directory, missing_above


def test_the_topmost_that_is_missing_is_named(tmp_path: Path) -> None:
    assert missing_above(tmp_path / "mistyped" / "a" / "new") == tmp_path / "mistyped"
    assert missing_above(tmp_path / "new") is None


def test_where_one_may_not_look_nothing_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may well be there, and the system says what is wrong."""
    former = os.lstat

    def lstat(place: Path) -> os.stat_result:
        if tmp_path / "shut" in Path(place).parents:
            raise PermissionError(13, "Permission denied")
        return former(place)

    monkeypatch.setattr(os, "lstat", lstat)
    (tmp_path / "shut").mkdir()
    assert missing_above(tmp_path / "shut" / "a" / "new") is None
    with pytest.raises(FileNotFoundError, match="No such file"):
        make_named_directory(tmp_path / "shut" / "a" / "new")
