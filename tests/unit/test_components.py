"""Components that tests need: a missing one is a skip on a laptop and a failure in CI; jars are the locked ones."""

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.support.components import require
from tools import fetch_components
from tools.fetch_components import LOCK, POM, locked

LINE = "sudo apt-get install postgresql"
JARS = {"a-1.jar": b"one", "b-2.jar": b"two"}


@pytest.mark.parametrize("ci", ["true", ""])
def test_what_is_there_is_used(monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("CI", ci)
    require(True, "PostgreSQL", LINE)


def test_a_laptop_skips_and_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"PostgreSQL is missing; get it with: {LINE}"):
        require(False, "PostgreSQL", LINE)


def test_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="in CI a missing component is a failure"):
        require(False, "PostgreSQL", LINE)


class Machine:
    """One with a Java that does nothing and a Maven that copies jars from a folder and leaves a mark."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repository, self.programs = directory / "repository", directory / "programs"
        self.jars, self.lock = directory / "cache" / "jars", directory / "jars.sha256"
        self.mark = directory / "maven ran"
        self.repository.mkdir()
        self.programs.mkdir()
        for name, content in JARS.items():
            (self.repository / name).write_bytes(content)
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in JARS.items()}
        self.lock.write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()), encoding="utf-8")
        self._program("java", "")
        copy = f'for last; do :; done; mkdir -p "${{last#*=}}"; cp "{self.repository}"/*.jar "${{last#*=}}"'
        self._program("mvn", f'touch "{self.mark}"; {copy}')
        for program in ("mkdir", "cp", "touch"):
            (self.programs / program).symlink_to(str(shutil.which(program)))
        monkeypatch.setenv("PATH", str(self.programs))
        monkeypatch.delenv("CI", raising=False)

    def _program(self, name: str, body: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def fetch(self, *arguments: str) -> int:
        """As `make components`."""
        self.mark.unlink(missing_ok=True)
        return fetch_components.main(list(arguments), self.jars, self.lock)

    def held(self) -> dict[str, bytes]:
        """The jars in the cache."""
        return {jar.name: jar.read_bytes() for jar in self.jars.glob("*")}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_jars_are_fetched_once(machine: Machine) -> None:
    assert machine.fetch() == 0
    assert machine.held() == JARS
    assert machine.mark.exists()
    assert machine.fetch() == 0
    assert not machine.mark.exists()


def test_a_jar_that_is_not_the_locked_one_is_refused_and_nothing_is_kept(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.repository / "b-2.jar").write_bytes(b"another")
    (machine.repository / "c-3.jar").write_bytes(b"not asked for")
    assert machine.fetch() == 1
    told = capsys.readouterr().err
    assert "b-2.jar: fetched ae448ac86c4e" in told
    assert "c-3.jar: fetched" in told
    assert "locked None" in told
    assert "a-1.jar" not in told
    assert machine.held() == {}
    assert list(machine.jars.parent.iterdir()) == []


@pytest.mark.parametrize("damage", ["changed", "missing", "strange"])
def test_a_damaged_cache_is_fetched_anew(machine: Machine, damage: str) -> None:
    machine.fetch()
    match damage:
        case "changed":
            (machine.jars / "a-1.jar").write_bytes(b"changed")
        case "missing":
            (machine.jars / "a-1.jar").unlink()
        case _:
            (machine.jars / "of-an-older-lock.jar").write_bytes(b"")
    assert machine.fetch() == 0
    assert machine.held() == JARS


@pytest.mark.parametrize("missing", ["java", "mvn"])
@pytest.mark.parametrize("ci", ["", "true"])
def test_what_is_missing_is_said_and_fails_in_ci_only(
    machine: Machine,
    missing: str,
    ci: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CI", ci)
    (machine.programs / missing).unlink()
    assert machine.fetch() == (1 if ci else 0)
    told = capsys.readouterr().err
    assert f"`{missing}` is missing; get ZooKeeper and Kafka with: sudo apt-get install openjdk-17-jre" in told
    assert ("TESTS THAT NEED THEM WILL SKIP" in told) is (not ci)


def test_a_repository_out_of_reach_is_said(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    (machine.programs / "mvn").write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    assert machine.fetch() == 0
    assert "Maven failed with exit code 3" in capsys.readouterr().err
    assert list(machine.jars.parent.iterdir()) == []


def test_a_lock_is_written_on_demand(machine: Machine) -> None:
    (machine.repository / "b-2.jar").write_bytes(b"newer")
    assert machine.fetch("--lock") == 0
    assert machine.fetch() == 0
    assert locked(machine.lock)["b-2.jar"] == hashlib.sha256(b"newer").hexdigest()


def test_the_lock_holds_what_the_pom_names() -> None:
    text = POM.read_text(encoding="utf-8")
    names = locked(LOCK)
    for artifact in ("kafka_2.13", "zookeeper", "netty-handler", "metrics-core", "slf4j-simple"):
        version = text.partition(f"<artifactId>{artifact}</artifactId>")[2].partition("<version>")[2].partition("<")[0]
        assert f"{artifact}-{version}.jar" in names
