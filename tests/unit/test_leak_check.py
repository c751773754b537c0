"""A leaking test is reported: small files of tests, run by a pytest of their own with the plugin on."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from textwrap import dedent
from xml.etree import ElementTree

import pytest

from tests.support.tidy.source import ROOT

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="processes and open files are read from /proc")

THREAD = """
    import threading
    over = threading.Event()
    def test_it():
        threading.Thread(target=over.wait, name="left-behind").start()
    def test_another():
        over.set()
"""
PROCESS = """
    import subprocess
    kept = []
    def test_it():
        kept.append(subprocess.Popen(["sleep", "10"]))
    def test_another():
        kept[0].kill()
        kept[0].wait()
"""
OPEN_FILE = """
    import socket
    kept = []
    def test_it():
        kept.append(socket.socket())
    def test_another():
        kept[0].close()
"""
EXCUSED = """
    import pytest, socket
    kept = []
    @pytest.mark.may_leak(reason="the library keeps its socket until the process ends")
    def test_it():
        kept.append(socket.socket())
"""
EXCUSED_WITHOUT_WORDS = """
    import pytest
    @pytest.mark.may_leak
    def test_it():
        pass
"""
CLEAN = """
    import pytest, socket, subprocess, threading
    @pytest.fixture(scope="module")
    def server():
        with socket.socket() as server:
            yield server
    @pytest.fixture
    def file(tmp_path):
        with (tmp_path / "file").open("w") as file:
            yield file
    def test_it(server, file):
        subprocess.run(["true"])
        thread = threading.Thread(target=print)
        thread.start()
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    def test_another(server):
        pass
"""
FIXTURE_OF_THE_MODULE = """
    import pytest, socket
    kept = []
    @pytest.fixture(scope="module")
    def server():
        kept.append(socket.socket())
    def test_it(server):
        pass
    def test_another(server):
        pass
"""
FAILED_ANYWAY = """
    import socket
    def test_it():
        kept = socket.socket()
        assert kept is None
"""


CASES = {
    "thread": THREAD,
    "process": PROCESS,
    "file": OPEN_FILE,
    "fixture": FIXTURE_OF_THE_MODULE,
    "no_words": EXCUSED_WITHOUT_WORDS,
    "clean": CLEAN,
    "excused": EXCUSED,
    "failed": FAILED_ANYWAY,
}


@dataclass(frozen=True)
class Reported:
    """What one file of tests has come to."""

    errors: list[str]
    """The texts of tests that ended with an error, which a leak is."""
    passed: int
    failed: int


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reported]:
    """All files, run by one pytest with the plugin on, and with no other: to start it takes longest."""
    folder = tmp_path_factory.mktemp("leaks")
    # Nothing here needs a moment to vanish, and each leak would cost the whole of the grace.
    (folder / "conftest.py").write_text("from tests.support import leak_check; leak_check.GRACE_S = 0.1")
    for name, text in CASES.items():
        (folder / f"test_{name}.py").write_text(dedent(text))
    options = ["-p", "tests.support.leak_check", "-p", "no:cacheprovider", "--junitxml=report.xml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = [sys.executable, "-m", "pytest", *options]
    output = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert (folder / "report.xml").exists(), output.stdout + output.stderr
    cases = list(ElementTree.parse(folder / "report.xml").iter("testcase"))
    return {name: _reported([case for case in cases if case.get("classname") == f"test_{name}"]) for name in CASES}


def _reported(cases: list[ElementTree.Element]) -> Reported:
    errors = [f"{case.get('name')}: {error.text}" for case in cases for error in case.findall("error")]
    failed = len([case for case in cases if case.find("failure") is not None])
    passed = len([case for case in cases if case.find("error") is None and case.find("failure") is None])
    return Reported(errors, passed, failed)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("thread", r"test_it: (?s:.*)thread \d+ \(left-behind\)"),
        pytest.param("process", r"test_it: (?s:.*)process \d+ \(sleep 10\)", marks=linux_only),
        pytest.param("file", r"test_it: (?s:.*)open file \d+ \(socket:", marks=linux_only),
        pytest.param("fixture", r"test_another: (?s:.*)open file", marks=linux_only),
        ("no_words", r"test_it: (?s:.*)may_leak needs words"),
    ],
    ids=["thread", "process", "file", "fixture", "no words"],
)
def test_a_leak_is_reported(reported: dict[str, Reported], name: str, words: str) -> None:
    [error] = reported[name].errors
    assert re.match(words, error), error


@pytest.mark.parametrize("name", ["clean", "excused"])
def test_a_clean_test_passes(reported: dict[str, Reported], name: str) -> None:
    assert reported[name] == Reported([], CASES[name].count("def test_"), 0)


@linux_only
def test_a_failed_test_is_not_blamed_twice(reported: dict[str, Reported]) -> None:
    assert reported["failed"] == Reported([], 0, 1)
