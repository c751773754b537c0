"""What the documents name is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from millstream_jobmanager.core import commands, events

ROOT = Path(__file__).parents[2]
STORIES = ROOT / "tests" / "stories"
PROTOCOLS = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
CORE = ROOT / "jobmanager" / "millstream_jobmanager" / "core"

LAWS = {1: 5, 2: 3, 3: 6, 4: 7, 5: 5, 6: 2, 7: 4, 8: 2, 9: 4, 10: 4, 12: 3, 13: 2}
"""How many laws each section has; section 11 specifies keys without numbers."""


# ------------------------------------------------------------------------------------------------- the laws


def laws(section: int) -> list[str]:
    """The laws of one section."""
    text = PROTOCOLS.split(f"\n## {section}. ")[1].split("\n## ")[0]
    return re.split(r"\n(?=\d+\. )", text)[1:]


def proofs(law: str) -> Iterator[Path]:
    """The tests that hold a law: what stands behind its last dash."""
    proof = " ".join(law.rpartition("—")[2].split())
    folder = ROOT
    for name in re.findall(r"`([^`]+)`", proof):
        if name.startswith(("tests/", "dataflow/", "proto/")):
            yield ROOT / name
            folder = (ROOT / name).parent
        elif name.endswith(".py"):
            yield folder / name
    for stories in re.findall(r"stories ([\w/*]+(?:, [\w/*]+(?=[,.;]|$))*)", proof):
        topic = ""
        for name in stories.split(", "):
            topic, story = name.split("/") if "/" in name else (topic, name)
            yield from sorted(STORIES.glob(f"{topic}/{story}.txt")) or [STORIES / topic / f"{story}.txt"]
            yield from STORIES.glob(f"test_{topic}.py")
    if "simulation" in proof:
        yield ROOT / "tests" / "simulation" / "test_simulation.py"


def cited(text: str) -> set[str]:
    """The laws that a text cites: `law 4.1`, `Laws 9.1 and 9.2`, or `law_7_3` in a name."""
    lists = re.findall(r"\blaws? (\d+\.\d+(?:(?:, | and |, and )\d+\.\d+)*)", " ".join(text.split()), re.IGNORECASE)
    names = re.findall(r"_law_(\d+)_(\d+)", text)
    return {law for numbers in lists for law in re.findall(r"\d+\.\d+", numbers)} | {
        f"{one}.{two}" for one, two in names
    }


@pytest.mark.parametrize("section", LAWS)
def test_every_law_is_there_and_stands_in_a_test_that_holds_it(section: int) -> None:
    found = laws(section)
    assert [int(law.split(".")[0]) for law in found] == list(range(1, LAWS[section] + 1))
    for number, law in enumerate(found, 1):
        paths = list(proofs(law))
        assert paths, f"law {section}.{number} names no test"
        assert [path for path in paths if not path.exists()] == []
        files = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
        assert any(f"{section}.{number}" in cited(file.read_text(encoding="utf-8")) for file in files), (
            f"no test that law {section}.{number} names says so: write `law {section}.{number}` into its docstring"
        )


def test_every_test_that_a_document_names_is_there() -> None:
    for path in re.findall(r"`((?:tests|dataflow|proto)/[^`]+)`", PROTOCOLS):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    "text", ["(law 4.1)", "Laws 4.1, 4.2", "laws 3 and\n4.1", "def test_law_4_1()", "law 14.1, law\n 4.1."]
)
def test_citations_are_recognised(text: str) -> None:
    assert ("4.1" in cited(text)) is ("3 and" not in text)


# ------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


@pytest.fixture(scope="module")
def sources() -> dict[Path, str]:
    """Every Python and protobuf file of the tree."""
    folders = ["proto", "dataflow", "runtime", "client", "jobmanager", "taskmanager", "tests", "tools"]
    paths = [path for folder in folders for kind in ("*.py", "*.proto") for path in (ROOT / folder).rglob(kind)]
    return {path: path.read_text(encoding="utf-8") for path in paths}


def code(text: str) -> str:
    """What a document sets as code: between backticks, indented, in tables."""
    lines = [line for line in text.splitlines() if line.startswith(("    ", "|"))]
    return "\n".join([*lines, *re.findall(r"`([^`]+)`", text)])


def section_6() -> str:
    return ARCHITECTURE.split("\n## 6. ")[1].split("\n## ")[0]


def test_every_file_that_the_architecture_names_is_there(sources: dict[Path, str]) -> None:
    there = {f"/{path.relative_to(ROOT)}" for path in sources}
    named = set(re.findall(r"\b[\w/]+\.py\b", ARCHITECTURE))
    assert len(named) > 30
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in there)] == []


def test_every_class_that_the_architecture_names_is_there(sources: dict[Path, str]) -> None:
    definition = re.compile(r"^\s*(?:class|message|service|enum) (\w+)|^([A-Z]\w+) = ", re.MULTILINE)
    there = {name for text in sources.values() for names in definition.findall(text) for name in names}
    named = set(re.findall(r"(?<!pyarrow\.)\b(?:[A-Z][a-z0-9]+){2,}\b", code(ARCHITECTURE)))
    assert len(named) > 30
    assert [name for name in sorted(named) if not {name, name.removesuffix("s")} & there] == []


def test_the_architecture_shows_the_core_of_the_jobmanager_as_it_is() -> None:
    """All of its files, and no other; all that it hears and says."""
    listing = dict(re.findall(r"^    (\w+\.py|checkpoints/) +(.+(?:\n {21}.+)*)", section_6(), re.MULTILINE))
    words = " ".join([*listing, *listing.values()])
    files = {path.name for path in CORE.rglob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"\w+\.py", words)) == files
    for file, union in (("events.py", events.Event), ("commands.py", commands.Command)):
        named = re.findall(r"\b[A-Z]\w+", re.sub(r"\([^)]*\)", "", listing[file]))
        assert set(named) == {one.__name__ for one in get_args(union)}
