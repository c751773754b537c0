"""The flight program on July 2013, run inline, against a plain computation of the same."""

from pathlib import Path

import pytest

from examples import flight_delays
from tests.support.flights import Lines, assert_found, late_lines, lines_of, results


@pytest.fixture(scope="module")
def july() -> Lines:
    return lines_of(flight_delays.JULY)


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_EXECUTION_TARGET", "inline")


@pytest.mark.parametrize(("hours", "expected"), [(2, 863), (24, 0)])
def test_it_equals_a_plain_computation(
    tmp_path: Path, july: Lines, capsys: pytest.CaptureFixture[str], hours: int, expected: int
) -> None:
    assert flight_delays.main(["--output", str(tmp_path), "--out-of-orderness", f"{hours}h"]) == 0
    assert assert_found(tmp_path, july, hours) == expected
    printed = capsys.readouterr().out
    assert "lines 29,425 = read 29,425 + malformed 0\n" in printed
    assert (
        f"read 29,425 = in windows {29_425 - expected:,} + late {expected:,} (came over {hours} h out of order)\n"
        in printed
    )


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
