"""Which TaskManager one is: the same after each start, never that of another that lives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from millstream_taskmanager.service import resource
from millstream_taskmanager.service.resource import NoResourceError, claim

HOLD = """
import sys, pathlib, runpy
claim = runpy.run_path(sys.argv[2])["claim"]  # the file alone: its package would be a second of imports
resource = claim(pathlib.Path(sys.argv[1]))
print(resource.name, flush=True)
sys.stdin.read()
"""


def test_the_same_directory_gives_the_same_resource_again(tmp_path: Path) -> None:
    with claim(tmp_path) as first:
        name, tag = first.name, first.tag
    with claim(tmp_path) as again:
        assert (again.name, again.tag) == (name, tag)


def test_a_second_one_takes_the_next_number(tmp_path: Path) -> None:
    with claim(tmp_path) as first, claim(tmp_path) as second:
        assert (first.number, second.number) == (0, 1)
        assert first.name != second.name
        assert first.tag != second.tag


def test_another_directory_is_another_resource(tmp_path: Path) -> None:
    with claim(tmp_path / "a") as one, claim(tmp_path / "b") as other:
        assert one.name != other.name


def test_a_directory_is_the_same_by_every_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with claim(tmp_path / "real") as one:
        name = one.name
    with claim(tmp_path / "link") as other:
        assert other.name == name


def test_one_that_was_killed_leaves_its_resource_to_its_successor(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path), resource.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        name = process.stdout.readline().decode().strip()
        with claim(tmp_path) as beside:
            assert beside.name != name
        process.kill()
        process.wait()
    with claim(tmp_path) as successor:
        assert successor.name == name


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoResourceError, match="file/home"):
        claim(tmp_path / "file" / "home")


def test_the_lock_file_says_who_holds_it(tmp_path: Path) -> None:
    with claim(tmp_path):
        assert (tmp_path / "taskmanager-0.lock").read_text().strip() == str(os.getpid())
