"""The flight program on July 2013, run inline, against a plain computation of the same."""

import csv
import gzip
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from examples import flight_delays

HOUR = 3_600_000
Lines = list[tuple[str, dict[str, str]]]


@pytest.fixture(scope="module")
def july() -> Lines:
    """Each line with its fields."""
    text = gzip.decompress(flight_delays.JULY.read_bytes()).decode().splitlines()
    assert text[0] == flight_delays.INPUT_COLUMNS
    return list(zip(text[1:], csv.DictReader(text), strict=True))


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_EXECUTION_TARGET", "inline")


def scheduled(fields: dict[str, str]) -> int:
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
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE flights (hour TEXT, origin TEXT, carrier TEXT, dep_time INT, delay REAL)")
        values = [
            [
                None if fields[name] == "NA" else fields[name]
                for name in ("time_hour", "origin", "carrier", "dep_time", "dep_delay")
            ]
            for _, fields in lines
        ]
        database.executemany("INSERT INTO flights VALUES (?, ?, ?, ?, ?)", values)
        found = set(
            database.execute(
                "SELECT hour, origin, carrier, count(*), sum(dep_time IS NULL), round(avg(delay), 2) "
                "FROM flights GROUP BY hour, origin, carrier"
            )
        )
    database.close()
    return found


def results(output: Path) -> list[tuple[Any, ...]]:
    """The part files, numbers as numbers. Nothing else may lie beside them."""
    found: list[tuple[Any, ...]] = []
    for path in output.iterdir():
        if path.is_file():
            assert path.match("part-*.csv")
            with path.open() as file:
                rows = csv.reader(file)
                assert next(rows) == ["window_start", "origin", "carrier", "flights", "cancelled", "mean_dep_delay"]
                found += [
                    (*key, int(count), int(gone), float(mean) if mean else None) for *key, count, gone, mean in rows
                ]
    return found


def late_lines(output: Path) -> list[str]:
    found: list[str] = []
    for path in (output / "late").iterdir() if (output / "late").exists() else ():
        assert path.match("part-*.csv")
        header, *lines = path.read_text().splitlines()
        assert header == flight_delays.INPUT_COLUMNS
        found += lines
    return found


@pytest.mark.parametrize(("hours", "expected"), [(2, 863), (24, 0)])
def test_it_equals_a_plain_computation(
    tmp_path: Path, july: Lines, capsys: pytest.CaptureFixture[str], hours: int, expected: int
) -> None:
    assert flight_delays.main(["--output", str(tmp_path), "--out-of-orderness", f"{hours}h"]) == 0
    late = list(late_among(july, hours))
    assert sum(late) == expected
    found = results(tmp_path)
    assert len(set(found)) == len(found), "an hour is there twice"
    assert set(found) == hours_by_sql([line for line, is_late in zip(july, late, strict=True) if not is_late])
    assert Counter(late_lines(tmp_path)) == Counter(
        line for (line, _), is_late in zip(july, late, strict=True) if is_late
    )
    printed = capsys.readouterr().out
    assert "lines 29,425 = read 29,425 + malformed 0\n" in printed
    assert f"read 29,425 = in windows {29_425 - expected:,} + late {expected:,}\n" in printed


class TestSmallInput:
    """A few lines of July, some of them spoilt."""

    @pytest.fixture
    def input_file(self, tmp_path: Path, july: Lines) -> Path:
        lines = [line for line, _ in july[:200]]
        lines[10:10] = ["2013,7,1", lines[0].replace("2013-07-01T", "someday "), ""]
        lines[50:50] = [lines[0].replace("EWR", "\udcff").replace("JFK", "\udcff").replace("LGA", "\udcff")]
        path = tmp_path / "flights.csv"
        text = "\n".join([flight_delays.INPUT_COLUMNS, *lines])
        path.write_bytes(text.encode(errors="surrogateescape"))
        return path

    def test_malformed_lines_are_counted_and_shown_with_their_numbers(
        self, tmp_path: Path, input_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert flight_delays.main(["--input", str(input_file), "--output", str(tmp_path / "out")]) == 0
        printed = capsys.readouterr()
        assert "lines 203 = read 200 + malformed 3\n" in printed.out
        for number, reason in ((12, "it has 3 fields"), (13, "time_hour is no"), (52, "it is not UTF-8")):
            assert f"malformed record at {input_file}:{number}: {reason}" in printed.err

    def test_parallelism_changes_nothing(self, tmp_path: Path, input_file: Path) -> None:
        for parallelism in (1, 3):
            output = tmp_path / str(parallelism)
            arguments = ["--input", str(input_file), "--output", str(output), "--parallelism", str(parallelism)]
            assert flight_delays.main(arguments) == 0
        one, three = tmp_path / "1", tmp_path / "3"
        assert (set(results(one)), set(late_lines(one))) == (set(results(three)), set(late_lines(three)))

    def test_results_are_not_added_to_those_of_another_run(
        self, tmp_path: Path, input_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["--input", str(input_file), "--output", str(tmp_path / "out")]
        assert flight_delays.main(arguments) == 0
        with pytest.raises(SystemExit):
            flight_delays.main(arguments)
        assert "has results already" in capsys.readouterr().err

    @pytest.mark.parametrize("text", ["2", "h", "2 fortnights", "-1h"])
    def test_what_is_no_span_of_time_is_refused(self, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            flight_delays.main([f"--out-of-orderness={text}"])
        assert "is no span of time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("minutes", "flights", "text"),
    [(17, 8, "2.13"), (-5, 8, "-0.63"), (1, 3, "0.33"), (-1, 400, "0.00"), (0, 0, ""), (12, 1, "12.00")],
)
def test_means_are_rounded_as_sql_does(minutes: float, flights: int, text: str) -> None:
    assert flight_delays.mean(flight_delays.Delays(flights, 0, flights, minutes)) == text
