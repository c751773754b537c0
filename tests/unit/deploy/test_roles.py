"""`roles.py` of the overlay application: what each container does, with a `millstream` that says how it was called."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.manifests import DEPLOY

ROLES = DEPLOY / "kubernetes" / "application" / "roles.py"

SAYS = """#!/bin/sh
if [ "$1" = list ]; then
    # The first look finds jobs-1 where it is there, later ones jobs-2.
    if [ -e jobs-1 ]; then cat jobs-1; rm jobs-1; elif [ -e jobs-2 ]; then cat jobs-2; else echo '[]'; fi
    exit 0
fi
echo "millstream $*"
exit 7
"""


class Site:
    """A pod's file system, as far as it matters."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        script = directory / "millstream"
        script.write_text(SAYS, encoding="utf-8")
        script.chmod(0o755)

    def environment(self, index: int) -> Mapping[str, str]:
        return {"JOB_COMPLETION_INDEX": str(index), "PATH": f"{self.directory}:{os.environ['PATH']}"}

    def run(self, index: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        command: Sequence[str] = (sys.executable, str(ROLES), *arguments)
        return subprocess.run(
            command, env=self.environment(index), cwd=self.directory, capture_output=True, text=True, check=False
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize(("index", "verb"), [(0, "jobmanager"), (1, "taskmanager"), (12, "taskmanager")])
def test_the_first_pod_has_the_jobmanager_and_others_a_taskmanager(site: Site, index: int, verb: str) -> None:
    done = site.run(index, "process")
    assert (done.stdout, done.returncode) == (f"millstream {verb}\n", 7)


def test_the_first_pod_runs_the_program_and_ends_as_it_does(site: Site) -> None:
    done = site.run(0, "program", "program.py", "--input", "a b")
    assert (done.stdout, done.returncode) == ("millstream run program.py --input a b\n", 7)


@pytest.mark.parametrize(("state", "code"), [("FINISHED", 0), ("FAILED", 1), ("CANCELED", 1)])
def test_a_job_that_was_submitted_before_is_followed_instead(site: Site, state: str, code: int) -> None:
    (site.directory / "jobs-1").write_text('[{"name": "words", "state": "RUNNING"}]', encoding="utf-8")
    (site.directory / "jobs-2").write_text(f'[{{"name": "words", "state": "{state}"}}]', encoding="utf-8")
    done = site.run(0, "program", "program.py")
    assert done.returncode == code
    assert f"'words': '{state}'" in done.stdout
    assert "millstream run" not in done.stdout


def test_a_program_is_not_run_where_nobody_says_whether_it_has_been(site: Site) -> None:
    (site.directory / "jobs-1").write_text("no JSON", encoding="utf-8")
    done = site.run(0, "program", "program.py")
    assert done.returncode == 1
    assert "millstream run" not in done.stdout


def test_other_pods_wait_until_they_are_told_to_end(site: Site) -> None:
    """With a code that is no success: a pod that is deleted by hand is replaced."""
    command = [sys.executable, str(ROLES), "program", "program.py"]
    with subprocess.Popen(
        command, env=site.environment(1), cwd=site.directory, stdout=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "waits until the Job has ended\n"
        waiting.send_signal(signal.SIGTERM)
        assert waiting.wait(10) == 128 + signal.SIGTERM
