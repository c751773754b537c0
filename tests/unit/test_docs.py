"""What the documents name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOCOLS = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")

LAWS = {1: 5, 2: 3, 3: 6, 4: 7, 5: 5, 6: 2, 7: 3, 8: 2, 9: 4, 10: 4, 12: 3, 13: 2}
"""How many laws each section has; section 11 specifies keys without numbers."""


def section(number: int) -> str:
    """The text of one section of the laws."""
    return PROTOCOLS.split(f"\n## {number}. ")[1].split("\n## ")[0]


@pytest.mark.parametrize("number", LAWS)
def test_every_law_is_there_and_names_what_holds_it(number: int) -> None:
    laws = re.split(r"\n(?=\d+\. )", section(number))[1:]
    assert [int(law.split(".")[0]) for law in laws] == list(range(1, LAWS[number] + 1))
    for law in laws:
        assert "—" in law, f"law {number}.{law.splitlines()[0]} names no test"


def test_every_test_that_the_laws_name_is_there() -> None:
    for path in re.findall(r"`((?:tests|dataflow|proto)/[^`]+)`", PROTOCOLS):
        assert (ROOT / path).exists(), path


def test_every_story_that_the_laws_name_is_there() -> None:
    for named in re.findall(r"stories ((?:\w+/)?[\w*/, \n]+)", PROTOCOLS):
        folder = ""
        for name in filter(None, (part.strip() for part in named.replace("\n", " ").split(","))):
            if " " in name:  # the sentence goes on
                break
            folder, _, story = name.rpartition("/") if "/" in name else (folder, "", name)
            assert list((ROOT / "tests" / "stories" / folder).glob(f"{story}.txt")), f"{folder}/{story}"


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
