"""The directory of a JobManager's own socket: gone with it, and what killed ones left goes with the next."""

import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from millstream_dataflow.configuration import ConfigurationError
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_runtime.door.private_socket import BEGINNING, SOCKET, private_socket
from tests.support.service_client import leading

HOLDS_ONE = """
import socket, sys
from millstream_runtime.door.private_socket import private_socket
with private_socket(sys.argv[1]) as path, socket.socket(socket.AF_UNIX) as listening:
    if "listens" in sys.argv:
        listening.bind(path)
        listening.listen()
    print(path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def tmp_path() -> Generator[Path]:
    """Short, for a socket's path is: pytest's own grows with the name of a test, and under xdist."""
    with tempfile.TemporaryDirectory(prefix="ms") as directory:
        yield Path(directory)


def start(place: Path, *how: str) -> tuple[subprocess.Popen[str], Path]:
    """A process that holds a private socket; and where."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_ONE, str(place), *how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip()).parent


def names(place: str) -> list[str]:
    return [found.name for found in Path(place).iterdir()]


def end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    process.communicate(timeout=20)


def test_it_is_this_user_s_alone_and_gone_afterwards(tmp_path: Path) -> None:
    with private_socket(str(tmp_path / "made")) as path:
        assert Path(path).parent.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "made").iterdir()) == []


def test_it_lies_elsewhere_where_a_socket_s_path_would_be_too_long(tmp_path: Path) -> None:
    (deep := tmp_path / ("x" * 100)).mkdir()
    with private_socket(str(deep)) as path, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        assert Path(path).parents[1] == Path(tempfile.gettempdir())
    assert not Path(path).parent.exists()


@pytest.mark.parametrize("how", [(), ("listens",)])
def test_what_a_killed_one_left_is_removed_and_a_living_one_s_stays(tmp_path: Path, how: tuple[str, ...]) -> None:
    killed, left = start(tmp_path, *how)
    living, kept = start(tmp_path, *how)
    end(killed, signal.SIGKILL)
    assert left.exists()
    with private_socket(str(tmp_path)) as path:
        assert set(tmp_path.iterdir()) == {kept, Path(path).parent}
    end(living, signal.SIGKILL)


def test_one_whose_socket_answers_lives_whatever_its_lock_says(tmp_path: Path) -> None:
    (directory := tmp_path / f"{BEGINNING}other").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(directory / SOCKET))
        listening.listen()
        with private_socket(str(tmp_path)):
            assert directory.exists()
    with private_socket(str(tmp_path)):
        assert not directory.exists()


def test_links_and_files_of_that_name_are_not_followed(tmp_path: Path) -> None:
    (precious := tmp_path / "precious").mkdir()
    (place := tmp_path / "place").mkdir()
    (place / f"{BEGINNING}link").symlink_to(precious)
    (place / f"{BEGINNING}file").touch()
    with private_socket(str(place)):
        pass
    assert precious.exists()
    assert len(list(place.iterdir())) == 2


async def test_a_jobmanager_sweeps_for_its_predecessor(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short:  # a socket's path has 107 bytes
        killed, left = start(Path(short))
        end(killed, signal.SIGKILL)
        async with leading(tmp_path, {"io.tmp.dirs": short}, ListenAddress.tcp("localhost", 0)):
            assert not left.exists()
            assert len(names(short)) == 1
        assert names(short) == []


async def test_a_place_that_can_t_be_written_is_named_with_its_key(tmp_path: Path) -> None:
    named = r"io\.tmp\.dirs = .*/inside.*: no directory can be made there"
    with (
        tempfile.NamedTemporaryFile() as file,  # its path is short enough for a socket's
        pytest.raises(ConfigurationError, match=named),
    ):
        async with leading(tmp_path, {"io.tmp.dirs": f"{file.name}/inside"}, ListenAddress.tcp("localhost", 0)):
            pass


def test_what_is_above_a_place_is_not_made(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match=f"there is no {tmp_path}/mistyped:"),
        private_socket(f"{tmp_path}/mistyped/a/b"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["inside", "inside/" + "x" * 100])
def test_a_place_that_can_t_be_is_a_mistake_however_long_its_path(tmp_path: Path, below: str) -> None:
    """Only one that is there, and too long for a socket, is replaced by the system's."""
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError), private_socket(f"{tmp_path}/file/{below}"):
        pass
