"""The flight program on a part of July 2013, run inline, against a plain computation of the same."""

import gzip
from pathlib import Path

import pytest

from examples import flight_delays
from millstream import JobFailedError
from millstream_runtime.messages.failures import Failure, FailureKind
from tests.support.flights import Lines, assert_found, late_lines, lines_of, results


@pytest.fixture(scope="module")
def july() -> Lines:
    return lines_of(flight_delays.JULY)


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_EXECUTION_TARGET", "inline")


@pytest.mark.parametrize("hours", [2, 24])
def test_it_equals_a_plain_computation(
    tmp_path: Path, july: Lines, capsys: pytest.CaptureFixture[str], hours: int
) -> None:
    """On some days of July; the whole of it is for a cluster (tests/integration/test_example.py)."""
    some = july[:2_000]
    path, output = tmp_path / "flights.csv.gz", tmp_path / "out"
    path.write_bytes(gzip.compress("\n".join([flight_delays.INPUT_COLUMNS, *(line for line, _ in some)]).encode()))
    assert flight_delays.main(["--input", str(path), "--output", str(output), "--out-of-orderness", f"{hours}h"]) == 0
    late = assert_found(output, some, hours)
    assert (late > 0) is (hours == 2)
    printed = capsys.readouterr().out
    assert "lines 2,000 = read 2,000 + malformed 0\n" in printed
    assert f"read 2,000 = in windows {2_000 - late:,} + late {late} (came over {hours} h out of order)\n" in printed


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

    @pytest.mark.parametrize("name", ["late/.part-1-0.csv.inprogress", ".part-1-0-3.csv.pending"])
    def test_a_run_that_broke_off_is_named(
        self, tmp_path: Path, input_file: Path, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True)
        path.touch()
        with pytest.raises(SystemExit) as raised:
            flight_delays.main(["--input", str(input_file), "--output", str(tmp_path / "out")])
        assert raised.value.code == 2
        told = capsys.readouterr().err
        assert "a former run into" in told
        assert f"1 files in it are unfinished, such as {path.name}; name another directory, or delete this" in told

    def test_an_output_that_can_be_no_directory_is_refused(
        self, tmp_path: Path, input_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "file").touch()
        for output in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/foo")):
            with pytest.raises(SystemExit) as raised:
                flight_delays.main(["--input", str(input_file), "--output", str(output)])
            assert raised.value.code == 2
            assert f"--output names a directory to write to, and {output} can't be one" in capsys.readouterr().err

    def test_a_file_that_breaks_off_is_a_sentence(
        self, tmp_path: Path, input_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "cut.csv.gz"
        path.write_bytes(gzip.compress(input_file.read_bytes())[:-200])
        assert flight_delays.main(["--input", str(path), "--output", str(tmp_path / "out")]) == 1
        told = capsys.readouterr().err
        assert "the gzip file breaks off" in told
        assert "Traceback" not in told

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("empty.csv", b"", "has no first line"),
            ("other.csv", b"a,b\n1,2\n", "has no columns carrier, dep_delay"),
            ("broken.csv.gz", b"no gzip", "can't be read"),
            ("gone.csv", None, "is not there"),
            (".", None, "is a directory"),
        ],
    )
    def test_what_is_no_file_of_flights_is_refused_before_anything_runs(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, words: str
    ) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(SystemExit) as raised:
            flight_delays.main(["--input", str(tmp_path / name)])
        assert raised.value.code == 2
        assert words in capsys.readouterr().err.splitlines()[-1]

    def test_a_header_alone_gives_an_empty_result(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "none.csv"
        path.write_text(flight_delays.INPUT_COLUMNS + "\n")
        assert flight_delays.main(["--input", str(path), "--output", str(tmp_path / "out")]) == 0
        assert "lines 0 = read 0 + malformed 0" in capsys.readouterr().out

    @pytest.mark.parametrize("number", ["0", "-2", "40000"])
    def test_a_parallelism_that_cannot_be_is_refused(self, number: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as raised:
            flight_delays.main([f"--parallelism={number}"])
        assert raised.value.code == 2
        assert f"--parallelism is 1 or more, and at most 32768, but got {number}" in capsys.readouterr().err

    def test_ctrl_c_ends_it_without_a_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(_: object) -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr(flight_delays, "run", interrupted)
        assert flight_delays.main([]) == 130

    def test_a_job_that_fails_is_a_sentence(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def failing(_: object) -> int:
            raise JobFailedError("long", failure=Failure(FailureKind.USER, "boom\nTraceback", "Map"))

        monkeypatch.setattr(flight_delays, "run", failing)
        assert flight_delays.main([]) == 1
        assert capsys.readouterr().err == "The job has failed: boom (operator Map)\n"

    @pytest.mark.parametrize("text", ["2", "h", "2 fortnights", "-1h"])
    def test_what_is_no_span_of_time_is_refused(self, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            flight_delays.main([f"--out-of-orderness={text}"])
        assert "is no span of time" in capsys.readouterr().err

    @pytest.mark.parametrize("number", ["9" * 20, "9" * 5_000])
    def test_a_span_longer_than_time_is_refused(self, number: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as raised:
            flight_delays.main([f"--out-of-orderness={number}h"])
        assert raised.value.code == 2
        assert "is longer than time will be" in capsys.readouterr().err

    def test_a_wrong_setting_is_a_sentence(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("MILLSTREAM_PARALLELISM_DEFAULT", "many")
        assert flight_delays.main([]) == 2
        assert capsys.readouterr().err.startswith("parallelism.default")


@pytest.mark.parametrize(
    ("watermark", "text"),
    [(-(2**63), "none yet"), (1_373_000_000_000, "2013-07-05 04:53"), (2**63 - 1, "the end")],
)
def test_watermarks_are_shown_as_times_where_they_are_some(watermark: int, text: str) -> None:
    assert flight_delays.shown_watermark(watermark) == text


@pytest.mark.parametrize(
    ("minutes", "flights", "text"),
    [(17, 8, "2.13"), (-5, 8, "-0.63"), (1, 3, "0.33"), (-1, 400, "0.00"), (0, 0, ""), (12, 1, "12.00")],
)
def test_means_are_rounded_as_sql_does(minutes: float, flights: int, text: str) -> None:
    assert flight_delays.mean(flight_delays.Delays(flights, 0, flights, minutes)) == text
