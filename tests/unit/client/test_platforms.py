"""Whatever starts processes of a cluster asks first whether this platform can run them."""

import pytest

from millstream.cli.answers import Problem
from millstream.cli.exit_codes import ExitCode
from millstream.cli.serving import serve
from millstream.embedded.ahead import Ahead
from millstream.embedded.cluster import EmbeddedCluster
from millstream.execution.platforms import PlatformError
from millstream_dataflow.configuration import Configuration

CONFIGURATION = Configuration.from_strings({})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked for, on a platform that has none of it."""
    found: list[str] = []

    def refuse(what: str) -> None:
        found.append(what)
        raise PlatformError(f"{what} can't run here")

    for caller in ("cli.serving", "embedded.ahead", "embedded.cluster"):
        monkeypatch.setattr(f"millstream.{caller}.check_platform", refuse)

    def made(*_: object) -> None:
        raise AssertionError("it was started all the same")

    monkeypatch.setattr("millstream.embedded.ahead.ChildProcess", made)
    monkeypatch.setattr("millstream.cli.serving.set_up_logging", made)
    return found


def test_a_process_of_a_cluster(asked: list[str]) -> None:
    with pytest.raises(Problem, match="can't run here") as ended:
        serve("taskmanager", CONFIGURATION, lambda: pytest.fail("it runs"))
    assert ended.value.exit_code == ExitCode.USAGE
    assert asked == ["a taskmanager"]


def test_a_cluster_of_the_program_itself(asked: list[str]) -> None:
    with pytest.raises(PlatformError, match="can't run here"):
        EmbeddedCluster.start(CONFIGURATION, {}, 1)
    assert asked == ["a cluster for this program"]


def test_a_child_ahead_of_its_job_is_left_out_without_a_word(asked: list[str]) -> None:
    """Whoever needs one is told."""
    with Ahead().started(CONFIGURATION):
        assert asked == ["a cluster for this program"]
