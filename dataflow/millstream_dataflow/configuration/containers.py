"""Lists and maps as one line of text.

A YAML file has sequences and mappings of its own, but environment variables, ``-D`` and the strings of a job
graph are text; Flink writes lists with ``;`` and maps as ``key:value``, and quotes with ``'`` what holds a
separator. YAML values are joined into the same text, so there is one way to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from millstream_dataflow.configuration.parsers import Parser, Shape, is_plain_text

_SPECIAL = frozenset(";,:'\"[]{}#")


def _quote(text: str) -> str:
    """``text`` as it is, or within single quotes (doubled inside) where it could be taken for something else."""
    if text and text == text.strip() and not _SPECIAL.intersection(text):
        return text
    return "'" + text.replace("'", "''") + "'"


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    """Cuts at each ``separator`` that is not quoted, at most ``limit`` times; the quotes stay."""
    parts: list[str] = []
    start = 0
    quoted = False
    for position, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif character == separator and not quoted and len(parts) != limit:
            parts.append(text[start:position])
            start = position + 1
    if quoted:
        raise ValueError("a quote (') is not closed")
    return [*parts, text[start:]]


def _unquote(text: str) -> str:
    text = text.strip()
    if not text.startswith("'"):
        if "'" in text:
            raise ValueError(f"the quote in {text!r} does not begin the element")
        return text
    body = text[1:-1]
    if len(text) < 2 or not text.endswith("'") or "'" in body.replace("''", ""):
        raise ValueError(f"the quotes of {text!r} do not match")
    return body.replace("''", "'")


def _parts(text: str, brackets: str) -> list[str]:
    """The elements of a line: cut at ``;`` if it has one, else at ``,``; a pair of ``brackets`` around it is let go."""
    text = text.strip()
    if text[:1] == brackets[0] and text[-1:] == brackets[1]:
        text = text[1:-1].strip()
    if not text:
        return []
    by_semicolon = _split(text, ";")
    return by_semicolon if len(by_semicolon) > 1 else _split(text, ",")


def _read_list(text: str) -> tuple[str, ...]:
    elements = tuple(_unquote(part) for part in _parts(text, "[]"))
    for element in elements:
        if not is_plain_text(element):
            raise ValueError(f"the element {element!r} is empty, begins or ends with a blank, or is not printable")
    return elements


def _read_map(text: str) -> Mapping[str, str]:
    entries: dict[str, str] = {}
    for part in _parts(text, "{}"):
        pair = _split(part, ":", limit=1)
        if len(pair) != 2:
            raise ValueError(f"{part.strip()!r} is no key:value")
        key, value = (_unquote(side) for side in pair)
        if not is_plain_text(key):
            raise ValueError(f"the key {key!r} is empty, begins or ends with a blank, or is not printable")
        if key in entries:
            raise ValueError(f"the key {key!r} stands there twice")
        entries[key] = value
    return entries


def join_list(elements: Iterable[str]) -> str:
    """A list as the text that :data:`LIST` reads."""
    return "[" + ", ".join(_quote(element) for element in elements) + "]"


def join_map(entries: Mapping[str, str]) -> str:
    """A map as the text that :data:`MAP` reads."""
    return "{" + ", ".join(f"{_quote(key)}: {_quote(value)}" for key, value in entries.items()) + "}"


def _all_strings(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_map(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    entries = cast("Mapping[object, object]", value)
    return _all_strings(entries.keys()) and _all_strings(entries.values())


def _is_list(value: object) -> bool:
    return isinstance(value, tuple) and _all_strings(cast("tuple[object, ...]", value))


LIST: Parser[tuple[str, ...]] = Parser(
    "list",
    "a YAML list, or elements separated by ; or , (quoted with ' where they hold one)",
    _read_list,
    join_list,
    _is_list,
    Shape.LIST,
)
MAP: Parser[Mapping[str, str]] = Parser(
    "map",
    "a YAML map, or key:value pairs separated by ; or , (quoted with ' where they hold one)",
    _read_map,
    join_map,
    _is_map,
    Shape.MAP,
)
