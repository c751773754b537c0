"""Values for people (times, durations, tables) and for programs (JSON)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

import click

from millstream.cli.options import wants_plain_output
from millstream_runtime.messages.client import JobStatus

NO_WATERMARK: Final = -(1 << 63)
"""Before the first one; the greatest int64 is the end of time."""

LAST_WATERMARK: Final = (1 << 63) - 1


def plain(value: object) -> Any:  # noqa: ANN401  # what JSON holds has no type of its own
    """A message as values that JSON can hold; names of states as everywhere: RUNNING."""
    if isinstance(value, Enum):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def echo_json(value: object) -> None:
    """For programs, on stdout."""
    click.echo(json.dumps(plain(value), indent=2))


def echo_json_line(value: object) -> None:
    """The same in one line, where several may come (JSON lines)."""
    click.echo(json.dumps(plain(value)))


def instant(milliseconds: int) -> str:
    """A wall time in this machine's time zone; a dash for one that hasn't been."""
    if milliseconds <= 0:
        return "-"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def watermark(milliseconds: int) -> str:
    """An event time; years that no calendar has are shown as they are. Where there is none, none may ever come: a
    source without a strategy makes none.
    """
    if milliseconds == NO_WATERMARK:
        return "none"
    if milliseconds == LAST_WATERMARK:
        return "the end"
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def duration(milliseconds: int) -> str:
    """Hours, minutes and seconds, or milliseconds below ten seconds."""
    return f"{milliseconds} ms" if milliseconds < 10_000 else str(timedelta(seconds=milliseconds // 1000))


def one_line(text: object) -> str:
    """A name as it can stand in a line: what a terminal would obey, a line feed or worse, is spelled."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(text))


def state(status: JobStatus) -> str:
    """A job's state and what it waits for."""
    return f"{status.state.name}, {status.note}" if status.note else status.state.name


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Framed and in colours at a terminal, else columns that `awk` and people can read."""
    if wants_plain_output():
        _plain_table(title, columns, rows)
        return
    from rich.console import Console  # noqa: PLC0415  # 40 ms that programs need not wait
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    framed = Table(title=title or None, title_justify="left", title_style="bold")
    for column in columns:
        framed.add_column(column, overflow="fold")
    for row in rows:
        framed.add_row(*(Text(one_line(cell)) for cell in row))
    Console().print(framed)


def _plain_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    texts = [[*columns], *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in texts) for index in range(len(columns))]
    if title:
        click.echo(title)
    for row in texts:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
