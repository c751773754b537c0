"""Programs as PyFlink's users write them, in tests/data/pyflink_programs: each prints what it should."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import millstream.pyflink
from millstream.cli.main import main

ROOT = Path(__file__).parents[4]
PROGRAMS = ROOT / "tests" / "data" / "pyflink_programs"
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.out"))
COMMAND = "import sys; sys.argv[0] = 'millstream'; from millstream.cli.entry import main; main()"

WARNED = {"configured": ["add_jars has no effect", "the resources of slot-sharing group 'small' have no effect"]}
"""What programs are told, a line each; most are told nothing."""

SEVERAL_SINKS = {"configured", "event_time", "timers_and_side_outputs", "two_modules", "windows"}
"""Programs that print several streams, whose lines come in no order."""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The facade is gone afterwards, and so are the programs' own modules; their files lie in a folder of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    millstream.pyflink.uninstall()
    sys.modules.pop("pyflink_program_functions", None)


def run(name: str, *arguments: str) -> Result:
    """By `millstream run --pyflink --inline`, in this process: a process each would cost a second more."""
    return CliRunner().invoke(main, ["run", "--pyflink", "--inline", str(PROGRAMS / f"{name}.py"), *arguments])


def expected(name: str) -> str:
    return (PROGRAMS / f"{name}.out").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_program_prints_what_it_should(name: str, caplog: pytest.LogCaptureFixture) -> None:
    ran = run(name)
    order = sorted if name in SEVERAL_SINKS else list
    assert order(ran.stdout.splitlines()) == order(expected(name).splitlines()), ran.stderr
    assert (ran.stderr, ran.exit_code) == ("", 0)
    assert [message.partition(":")[0] for message in caplog.messages] == WARNED.get(name, [])


def test_each_program_has_its_output() -> None:
    assert {path.stem for path in PROGRAMS.glob("*.py")} == {*NAMES, "buckets", "pyflink_program_functions"}


def test_a_program_with_files(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("to be\nor not to be\n", encoding="utf-8")
    ran = run("word_count", "--input", str(tmp_path / "lines.txt"), "--output", str(tmp_path / "counts"))
    assert (ran.stdout, ran.exit_code) == ("", 0), ran.stderr
    [part] = (tmp_path / "counts").glob("prefix-*.ext")
    assert part.read_text(encoding="utf-8").splitlines()[-2:] == ["('to', 2)", "('be', 2)"]


def test_by_default_flinks_bucket_assigner_makes_a_folder_for_each_hour(tmp_path: Path) -> None:
    ran = run("buckets", str(tmp_path / "out"))
    assert (ran.stdout, ran.stderr, ran.exit_code) == ("", "", 0)
    parts = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [re.fullmatch(r"\d{4}-\d\d-\d\d--\d\d/prefix-.*\.ext", str(part)) is not None for part in parts] == [True]
    assert (tmp_path / "out" / parts[0]).read_text(encoding="utf-8") == "to\nbe\n"


def test_a_plan_is_drawn_and_whoever_forgets_the_option_is_told(tmp_path: Path) -> None:
    script = str(PROGRAMS / "word_count.py")
    drawn = CliRunner().invoke(main, ["info", "--pyflink", script])
    assert (drawn.exit_code, "hash ──> 2" in drawn.stdout) == (0, True), drawn.stderr
    assert "no script 5f2c" in CliRunner().invoke(main, ["info", "--pyflink", "5f2c"]).stderr
    millstream.pyflink.uninstall()
    for verb in ("run", "info"):
        ran = CliRunner().invoke(main, [verb, script])
        assert f"millstream {verb} --pyflink {script}" in ran.stderr
        assert ran.exit_code == 1


def test_on_a_cluster_it_is_the_same(tmp_path: Path) -> None:
    """With real workers, who know PyFlink's names too; and the program of docs/pyflink.md; all three at once."""
    page = (ROOT / "docs" / "pyflink.md").read_text(encoding="utf-8")
    [(program, output)] = re.findall(r"```python\n(.*?)```\n\nprints\n\n```\n(.*?)```", page, re.DOTALL)
    (tmp_path / "shown.py").write_text(program, encoding="utf-8")
    embedded = ["run", "--pyflink", "-Dexecution.target=embedded"]
    wanted = {
        (sys.executable, str(tmp_path / "shown.py")): output,
        **{
            (sys.executable, "-c", COMMAND, *embedded, str(PROGRAMS / f"{name}.py")): expected(name)
            for name in ("two_modules", "timers_and_side_outputs")
        },
    }
    started = [
        (subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True), printed)
        for command, printed in wanted.items()
    ]
    for process, printed in started:
        out, errors = process.communicate()
        assert (sorted(out.splitlines()), process.returncode) == (sorted(printed.splitlines()), 0), errors
