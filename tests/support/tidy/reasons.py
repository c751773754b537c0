"""Whoever silences a checker says why, in half a line, where he does it."""

import io
import re
import tokenize
from collections.abc import Iterator

from tests.support.tidy.source import Finding, Source

_CODES = r":\s*[A-Z]+[0-9]+(?:\s*,\s*[A-Z]+[0-9]+)*"
_SILENCER = re.compile(
    rf"#\s*(?:(?:ruff:|flake8:)?\s*noqa(?P<ruff>{_CODES})?"
    r"|type:\s*ignore(?P<mypy>\[[^\]]*\])?"
    r"|pyright:\s*ignore(?P<pyright>\[[^\]]*\])?"
    r"|(?P<file>(?:mypy|pyright):\s*(?!ignore)[\w=\", -]+))"
)
_WORD = re.compile(r"[A-Za-z]{2,}")
_RUFF_ENTRY = re.compile(r'^\s*"[A-Z]+[0-9]*"')


def _is_reason(text: str) -> bool:
    return len(_WORD.findall(text)) >= 2


def silenced_without_reason(source: Source) -> Iterator[Finding]:
    """Comments that silence ruff, mypy or pyright without a code or without a reason."""
    if not _SILENCER.search(source.text):
        return  # most files: to find their comments takes a thousand times as long
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT or not (found := list(_SILENCER.finditer(token.string))):
            continue
        line = token.start[0]
        if any(not any(match.groupdict().values()) for match in found):
            yield source.finding(line, "silences everything", "name the code of the rule that is meant")
        if not _is_reason(_SILENCER.sub("", token.string)):
            mend = "write the reason behind it: `# noqa: X123  # because ...`"
            yield source.finding(line, "silences a checker without a reason", mend)


def ruff_ignores_without_reason(pyproject: Source) -> Iterator[Finding]:
    """Rules that pyproject.toml switches off without a reason."""
    section = ""
    for number, line in enumerate(pyproject.text.splitlines(), start=1):
        if line.startswith("["):
            section = line
        is_list_of_ignores = section in {"[tool.ruff.lint]", "[tool.ruff.lint.per-file-ignores]"}
        if is_list_of_ignores and _RUFF_ENTRY.match(line) and not _is_reason(line.partition("#")[2]):
            yield pyproject.finding(number, f"{line.strip()} without a reason", "write half a line behind it: # why")
