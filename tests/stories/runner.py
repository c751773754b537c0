"""Protocols told as conversations.

A story is a text file. Someone does something, then stands everything that was said:

    # A comment.
    barrier 0 7
        block 0
    barrier 1 7
        snapshot 7
        unblock 0

Lines that begin at the margin are done one after the other, by a teller that the topic's test gives; what is indented
is what came of it. `pytest tests/stories --rewrite-stories` writes what really comes of it into the files, to be read
as a diff before it is committed.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

Teller = Callable[[str], Iterable[str]]
"""Does what a line says and gives what came of it, a line each."""

_INDENT = "    "


def stories(topic: str) -> list[Path]:
    """The stories of one topic, in plain order."""
    found = sorted((Path(__file__).parent / topic).glob("*.txt"))
    assert found, f"no stories about {topic}"
    return found


def retold(story: str, tell: Teller) -> str:
    """The story as it really goes."""
    lines: list[str] = []
    for line in story.splitlines():
        if line.startswith(_INDENT):
            continue
        lines.append(line.rstrip())
        if line.strip() and not line.startswith("#"):
            lines.extend(_INDENT + said for said in tell(line.strip()))
    return "\n".join(lines) + "\n"


def check(path: Path, tell: Teller, *, rewrite: bool) -> None:
    """The story goes as it is written; with `rewrite` it is written as it goes."""
    story = path.read_text(encoding="utf-8")
    real = retold(story, tell)
    if rewrite:
        path.write_text(real, encoding="utf-8")
    else:
        assert real == story, f"{path.name} goes otherwise; if it should, run pytest tests/stories --rewrite-stories"
