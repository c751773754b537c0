"""The command line against a fake JobManager, in this process."""

import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from millstream.cli.main import main
from tests.unit.client.submission.fake_jobmanager import FakeJobManager, serving

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MILLSTREAM_"):
            monkeypatch.delenv(name)


@pytest.fixture
def fake() -> FakeJobManager:
    return FakeJobManager()


@pytest.fixture
def invoke(fake: FakeJobManager) -> Generator[Invoke]:
    """A verb of `millstream` with its arguments; the JobManager's address goes with it."""
    with serving(fake) as port:

        def call(verb: str, *arguments: str) -> Result:
            return CliRunner().invoke(main, [verb, "-m", f"127.0.0.1:{port}", *arguments])

        yield call


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """A program's file."""

    def write(text: str) -> str:
        path = tmp_path / "job.py"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write
