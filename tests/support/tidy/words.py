"""Words that nothing in the tree may contain."""

import re
from collections.abc import Iterator

from tests.support.tidy.source import Finding, Source

# Spelled in halves, for this file is read by its own rule.
_LATER = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
_MACHINE = re.compile(r"(?<![\w.~-])/(?:" + "|".join(["wo" + "rk", "ro" + "ot", "Us" + "ers"]) + r")/")


def forbidden_words(source: Source) -> Iterator[Finding]:
    """Promises to do something later, and paths that exist on one machine only."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        if word := _LATER.search(line):
            yield source.finding(number, f"the word {word[0]}", "do it now, or open an issue and leave the line out")
        if path := _MACHINE.search(line):
            yield source.finding(number, f"a path of one machine ({path[0]}...)", "make it relative to the tree")
