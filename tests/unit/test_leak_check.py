"""A leaking test is reported: small test files, each run by a pytest of its own with the plugin on."""

import sys

import pytest

from tests.support.tidy.source import ROOT

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="processes and open files are read from /proc")

THREAD = """
    import threading
    def test_it():
        threading.Thread(target=threading.Event().wait, args=(1,), name="left-behind").start()
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


def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, text: str) -> pytest.RunResult:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # Nothing here needs a moment to vanish, and each leak would cost the whole of the grace.
    pytester.makeconftest("from tests.support import leak_check; leak_check.GRACE_S = 0.1")
    pytester.makepyfile(text)
    return pytester.runpytest_subprocess("-p", "tests.support.leak_check", "-p", "no:cacheprovider", timeout=30)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (THREAD, "*thread * (left-behind)*"),
        pytest.param(PROCESS, "*process * (sleep 10)*", marks=linux_only),
        pytest.param(OPEN_FILE, "*open file * (socket:*)*", marks=linux_only),
        pytest.param(FIXTURE_OF_THE_MODULE, "*ERROR at teardown of test_another*", marks=linux_only),
        (EXCUSED_WITHOUT_WORDS, "*may_leak needs words*"),
    ],
    ids=["thread", "process", "file", "fixture", "no words"],
)
def test_a_leak_is_reported(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, text: str, named: str) -> None:
    result = run(pytester, monkeypatch, text)
    assert result.parseoutcomes()["errors"] == 1
    result.stdout.fnmatch_lines(named)


@pytest.mark.parametrize("text", [CLEAN, EXCUSED], ids=["clean", "excused"])
def test_a_clean_test_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    outcomes = run(pytester, monkeypatch, text).parseoutcomes()
    assert set(outcomes) == {"passed"}


@linux_only
def test_a_failed_test_is_not_blamed_twice(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = run(pytester, monkeypatch, FAILED_ANYWAY).parseoutcomes()
    assert set(outcomes) <= {"failed", "warnings"}
