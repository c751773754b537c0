"""Private directories: made, found too long, swept, removed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import taskmanager
from millstream_dataflow.identity import WorkerId
from millstream_taskmanager.exchange.addresses import socket_path
from millstream_taskmanager.service import directories
from millstream_taskmanager.service.directories import (
    LONGEST_SOCKET_PATH,
    NoDirectoryError,
    machine_id,
    make_directories,
)

TAG = "0a1b2c3d"


def in_(*places: Path) -> Configuration:
    return Configuration().with_(taskmanager.TMP_DIRS, tuple(map(str, places)))


def test_they_are_private_and_go_with_all_that_is_in_them(tmp_path: Path) -> None:
    made = make_directories(in_(tmp_path), TAG)
    assert {path.stat().st_mode & 0o777 for path in (made.work, made.sockets, made.blobs, made.workers)} == {0o700}
    (made.blobs / "blob").write_text("x")
    made.remove()
    assert list(tmp_path.iterdir()) == []


def test_each_start_has_its_own(tmp_path: Path) -> None:
    one, other = make_directories(in_(tmp_path), TAG), make_directories(in_(tmp_path), "ffffffff")
    assert one.work != other.work
    one.remove()
    assert other.work.exists()
    other.remove()


def test_what_a_killed_predecessor_left_is_swept(tmp_path: Path) -> None:
    left = make_directories(in_(tmp_path), TAG)
    (left.blobs / "blob").write_text("x")
    foreign = make_directories(in_(tmp_path), "ffffffff")
    now = make_directories(in_(tmp_path), TAG)
    assert not left.work.exists()
    assert foreign.work.exists()
    now.remove()
    foreign.remove()


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    """In a directory that everybody may write to, somebody could put it there."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    place = tmp_path / "tmp"
    place.mkdir()
    (place / f"ms-{TAG}-planted").symlink_to(tmp_path / "precious")
    made = make_directories(in_(place), TAG)
    assert (tmp_path / "precious" / "file").exists()
    made.remove()


@pytest.mark.parametrize("depth", [0, 1, 20])
def test_a_worker_s_socket_fits_however_long_the_working_directory_is(tmp_path: Path, depth: int) -> None:
    place = tmp_path.joinpath(*["a-long-name"] * depth)
    place.mkdir(parents=True, exist_ok=True)
    made = make_directories(in_(place), TAG)
    worker = WorkerId(f"{'j' * 32}-12345-1234567-12345")
    assert len(os.fsencode(socket_path(str(made.sockets), worker))) <= LONGEST_SOCKET_PATH
    assert made.sockets.stat().st_mode & 0o777 == 0o700
    made.remove()
    assert not made.sockets.exists()


def test_sockets_that_were_left_elsewhere_are_swept_too(tmp_path: Path) -> None:
    place = tmp_path.joinpath(*["a-long-name"] * 10)
    place.mkdir(parents=True)
    deep = in_(place)
    left = make_directories(deep, TAG)
    assert left.sockets.parent == Path(tempfile.gettempdir())
    now = make_directories(deep, TAG)
    assert not left.sockets.exists()
    now.remove()


def test_the_next_place_is_taken_when_one_is_of_no_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = make_directories(in_(tmp_path / "file" / "x", tmp_path / "good"), TAG)
    assert made.work.parent == tmp_path / "good"
    made.remove()


def test_no_place_at_all_is_an_error_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoDirectoryError, match="file/x: Not a directory"):
        make_directories(in_(tmp_path / "file" / "x"), TAG)


def test_what_is_above_a_place_is_not_made(tmp_path: Path) -> None:
    """It may be mistyped."""
    with pytest.raises(NoDirectoryError, match=rf"mistyped/a/x: there is no {tmp_path}/mistyped\)"):
        make_directories(in_(tmp_path / "mistyped" / "a" / "x"), TAG)
    assert list(tmp_path.iterdir()) == []
    make_directories(in_(tmp_path / "new"), TAG).remove()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_the_machine_is_the_same_for_two_processes_of_it() -> None:
    # The file alone: its package would be a second of imports.
    program = "import runpy, sys; print(runpy.run_path(sys.argv[1])['machine_id']())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, directories.__file__]
    told = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert told.stdout.strip() == machine_id()
