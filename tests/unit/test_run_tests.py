"""The layers of tests: all of them run, the sum is told at the end, and a failure anywhere is a failure."""

from pathlib import Path

import pytest

from tools import run_tests


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pytest without them starts in half the time."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def tree(root: Path, **layers: str) -> Path:
    for name, text in layers.items():
        folder = root / "tests" / name
        folder.mkdir(parents=True)
        (folder / f"test_{name}.py").write_text(text, encoding="utf-8")
    return root


def test_a_failing_layer_stops_nothing_and_the_sum_comes_last(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(run_tests.LAYERS, "unit", [])  # no xdist: two more processes for nothing
    broken = "def test_a(): assert False\ndef test_b(): pass\n"
    good = "import pytest\ndef test_c(): pass\n@pytest.mark.skip\ndef test_d(): pass\n"
    root = tree(tmp_path, unit=broken, stories=good)
    assert run_tests.main([], root) == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1] == "2 passed, 1 failed, 1 skipped"
    assert [line.split()[:2] for line in lines[-5:-3]] == [["FAILED", "tests/unit"], ["ok", "tests/stories"]]


def test_every_folder_of_tests_runs() -> None:
    folders = {
        path.relative_to(run_tests.ROOT / "tests").parts[0] for path in run_tests.ROOT.glob("tests/*/**/test_*.py")
    }
    assert folders == {*run_tests.LAYERS, "tidy"}  # `make check` runs that


def test_a_layer_that_cannot_start_is_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path, stories="")
    (root / "tests" / "conftest.py").write_text("1 / 0", encoding="utf-8")
    assert run_tests.main([], root) == 1
    assert capfd.readouterr().out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_no_test_at_all_is_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_tests.main([], tree(tmp_path, stories="")) == 1
    assert "No test ran" in capfd.readouterr().err


@pytest.fixture
def over_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree whose one layer may take no time."""
    monkeypatch.setitem(run_tests.LAYERS, "simulation", [])
    monkeypatch.setitem(run_tests.LIMITS_S, "simulation", 0)
    monkeypatch.setattr(run_tests, "NIGHT", [])
    return tree(tmp_path, simulation="def test_a(): pass\n")


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)], ids=["in CI", "on a laptop"])
def test_a_layer_over_its_limit_is_said_loudly_and_fails_in_ci(
    ci: str, code: int, over_its_limit: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    assert run_tests.main([], over_its_limit) == code
    said, summed_up = capfd.readouterr().out.splitlines()[-2:]
    assert said.startswith("TOO SLOW: tests/simulation took ")
    assert summed_up == "1 passed, 0 failed, 0 skipped"


def test_by_night_there_are_no_limits(
    over_its_limit: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    assert run_tests.main(["--nightly"], over_its_limit) == 0
    assert "TOO SLOW" not in capfd.readouterr().out


def test_the_simulation_has_three_minutes_and_the_whole_fifteen() -> None:
    def layer(name: str, seconds: float) -> run_tests.LayerResult:
        return run_tests.LayerResult(name, seconds, passed=1, failed=0, skipped=0, exit_code=0)

    assert run_tests.too_slow([layer("simulation", 180), layer("integration", 720)]) == []
    assert run_tests.too_slow([layer("simulation", 180.1), layer("integration", 719.9)]) == [
        "TOO SLOW: tests/simulation took 180.1 s, the limit is 180 s (tools/run_tests.py)"
    ]
    assert run_tests.too_slow([layer("simulation", 269)], run_tests.BUSY) == []
    assert run_tests.too_slow([layer("simulation", 271)], run_tests.BUSY)
    assert run_tests.too_slow([layer("unit", 200), layer("integration", 701)]) == [
        "TOO SLOW: the whole took 901.0 s, the limit is 900 s (tools/run_tests.py)"
    ]
