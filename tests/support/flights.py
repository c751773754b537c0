"""What the flight program must find, computed plainly; and what it has found."""

import csv
import gzip
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from examples import flight_delays

HOUR = 3_600_000

Lines = list[tuple[str, dict[str, str]]]
"""Each line with its fields."""


def lines_of(path: Path) -> Lines:
    """All lines of a file of flights."""
    text = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert text[0] == flight_delays.INPUT_COLUMNS
    return list(zip(text[1:], csv.DictReader(text), strict=True))


def scheduled(fields: dict[str, str]) -> int:
    """The event time."""
    return int(datetime.fromisoformat(fields["time_hour"]).timestamp()) * 1_000 + int(fields["minute"]) * 60_000


def late_among(lines: Lines, hours: int) -> Iterator[bool]:
    """For each line whether the watermark has passed its hour: the highest time before it, less the delay and 1 ms."""
    highest = -math.inf
    for _, fields in lines:
        time = scheduled(fields)
        yield time // HOUR * HOUR + HOUR - 1 <= highest - hours * HOUR - 1
        highest = max(highest, time)


def hours_by_sql(lines: Lines) -> set[tuple[Any, ...]]:
    """A GROUP BY, whose means have two decimals as numbers."""
    database = sqlite3.connect(":memory:")
    try:
        database.execute("CREATE TABLE flights (hour TEXT, origin TEXT, carrier TEXT, dep_time INT, delay REAL)")
        values = (
            [
                None if fields[name] == "NA" else fields[name]
                for name in ("time_hour", "origin", "carrier", "dep_time", "dep_delay")
            ]
            for _, fields in lines
        )
        database.executemany("INSERT INTO flights VALUES (?, ?, ?, ?, ?)", values)
        return set(
            database.execute(
                "SELECT hour, origin, carrier, count(*), sum(dep_time IS NULL), round(avg(delay), 2) "
                "FROM flights GROUP BY hour, origin, carrier"
            )
        )
    finally:
        database.close()


def results(output: Path) -> list[tuple[Any, ...]]:
    """The part files, numbers as numbers. Nothing else may lie beside them."""
    found: list[tuple[Any, ...]] = []
    for path in output.iterdir():
        if path.is_file():
            assert path.match("part-*.csv"), path
            with path.open() as file:
                rows = csv.reader(file)
                assert next(rows) == ["window_start", "origin", "carrier", "flights", "cancelled", "mean_dep_delay"]
                found += [
                    (*key, int(count), int(gone), float(mean) if mean else None) for *key, count, gone, mean in rows
                ]
    return found


def late_lines(output: Path) -> list[str]:
    """The late flights, as in the input. Nothing else may lie beside them."""
    found: list[str] = []
    for path in (output / "late").iterdir() if (output / "late").exists() else ():
        assert path.match("part-*.csv"), path
        header, *lines = path.read_text().splitlines()
        assert header == flight_delays.INPUT_COLUMNS
        found += lines
    return found


def assert_found(output: Path, lines: Lines, hours: int) -> int:
    """The program's files equal a plain computation, each hour and each late line once. Gives how many are late."""
    late = list(late_among(lines, hours))
    found = results(output)
    assert len(set(found)) == len(found), "an hour is there twice"
    assert set(found) == hours_by_sql([line for line, is_late in zip(lines, late, strict=True) if not is_late])
    expected = Counter(line for (line, _), is_late in zip(lines, late, strict=True) if is_late)
    assert Counter(late_lines(output)) == expected
    return sum(late)
