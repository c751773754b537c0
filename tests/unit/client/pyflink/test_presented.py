"""The names in the code are those of PyFlink 2.3.0, as tools/pyflink_names.py has read them."""

from pathlib import Path

from millstream.pyflink.presented import NAMES

LISTED = Path(__file__).parents[3] / "data" / "pyflink_names.txt"
OURS = {"pyflink", "pyflink.datastream.formats", "pyflink.version"}
"""Modules that make nothing public, but lead to others or say a version."""


def test_each_name_is_presented() -> None:
    found: dict[str, set[str]] = {}
    for line in LISTED.read_text(encoding="utf-8").splitlines():
        module, _, name = line.partition(" ")
        found.setdefault(module, set()).add(name.partition("(")[0].partition(".")[0])
    assert {module: set(names) for module, names in NAMES.items() if module not in OURS} == found
