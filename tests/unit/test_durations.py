"""A run ends with the seconds of each folder, the slowest first."""

import pytest

from tests.support.tidy.source import ROOT

SLOW = "import time\ndef test_it():\n    time.sleep(0.1)\n"
QUICK = "def test_it():\n    pass\n"


def test_seconds_per_folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # without plugins it starts in half the time
    for folder, text in {"quick": QUICK, "slow": SLOW}.items():
        (pytester.mkdir(folder) / f"test_{folder}.py").write_text(text, encoding="utf-8")
    result = pytester.runpytest_subprocess("-p", "tests.support.durations", timeout=30)
    result.stdout.fnmatch_lines(["*seconds per folder*", "* s  slow", "* s  quick"])
