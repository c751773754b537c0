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


def test_a_layer_that_cannot_start_is_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path, stories="")
    (root / "tests" / "conftest.py").write_text("1 / 0", encoding="utf-8")
    assert run_tests.main([], root) == 1
    assert capfd.readouterr().out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_no_test_at_all_is_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_tests.main([], tree(tmp_path, stories="")) == 1
    assert "No test ran" in capfd.readouterr().err
