"""Each line of the threat table in docs/security.md has its test, and its commands are verbs."""

import ast
import re
from pathlib import Path

import pytest

from millstream.cli.main import VERBS
from millstream_dataflow.configuration import TABLE

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
LINES = TEXT.split("\n## Threats\n")[1].strip().splitlines()[2:]


def names(path: Path) -> set[str]:
    """Of the tests in a file, those in classes as `Class::test`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else []
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        functions = [each for each in (node, *inner) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
        found |= {prefix * (each is not node) + each.name for each in functions}
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[1].strip())
def test_every_threat_is_stopped_by_a_test_that_is_there(line: str) -> None:
    _, threat, stop, tests, _ = line.split("|")
    assert threat.strip()
    assert stop.strip()
    found = re.findall(r"`([^`]+)`", tests)
    assert found, "a threat without a test"
    for test in found:
        file, _, name = test.partition("::")
        assert name in names(ROOT / file), test


def test_what_it_names_is_there() -> None:
    assert set(re.findall(r"^ +millstream (\w+)", TEXT, re.MULTILINE)) <= set(VERBS)
    for key in re.findall(r"`(security\.[a-z.-]+)(?:: true)?`", TEXT):
        assert TABLE.find(key) is not None, key
