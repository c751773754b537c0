"""The forkserver as a program: what it refuses, how it ends (law 13.1), what a worker is born with (law 13.2)."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream_taskmanager.forkserver.command import command, environment
from millstream_taskmanager.forkserver.parent import OrphanedError, die_with, watch
from millstream_taskmanager.forkserver.requests import (
    PACKET_LIMIT,
    Ended,
    Fork,
    Forked,
    Ready,
    Refused,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
)
from millstream_taskmanager.worker.options import WorkerOptions
from tests.support.shared_forkserver import SharedForkServer
from tests.support.worker_jobs import gone


class Server:
    """A forkserver, spoken to by hand."""

    def __init__(self, *modules: str, path: Path | None = None) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(30)
        own = environment(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
        self.process = subprocess.Popen(
            command(theirs.fileno(), os.getpid(), modules), env=own, pass_fds=[theirs.fileno()], start_new_session=True
        )
        theirs.close()
        self.sockets: list[socket.socket] = []

    def hear(self) -> object:
        return decode_reply(self.control.recv(PACKET_LIMIT))

    def fork(self, directory: Path) -> socket.socket:
        """Ask for a worker; gives our end of its control socket."""
        ours, theirs = socket.socketpair()
        self.sockets.append(ours)
        options = WorkerOptions("w", str(directory), 1 << 20, {})
        out = os.open(directory / "out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        socket.send_fds(self.control, [encode_request(Fork(1, options))], [theirs.fileno(), out, out])
        theirs.close()
        os.close(out)
        return ours

    def close(self) -> None:
        self.control.close()
        for sock in self.sockets:
            sock.close()
        self.process.wait(30)


class ThatOfAll(Server):
    """The one that all tests share; for those that hear all it says to them, and don't end it."""

    def __init__(self, shared: SharedForkServer) -> None:
        self.control = shared.spawned.control.dup()
        self.control.settimeout(30)
        self.process = shared.spawned.process
        self.sockets = []

    def close(self) -> None:
        self.control.close()


@pytest.fixture
def server(forkserver: SharedForkServer) -> Iterator[Server]:
    server = ThatOfAll(forkserver)
    yield server
    server.close()


def kinds_of_files(proc: Path) -> Iterator[str]:
    for file in (proc / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield str(file.readlink()).partition(":")[0]


def test_a_worker_is_a_process_of_its_own(server: Server, tmp_path: Path) -> None:
    control = server.fork(tmp_path)
    forked = server.hear()
    assert isinstance(forked, Forked)
    pid = forked.pid
    proc = Path(f"/proc/{pid}")
    assert os.getpgid(pid) == pid
    assert os.getsid(pid) == os.getsid(server.process.pid)
    assert len(list((proc / "task").iterdir())) == 1
    # Its input, two outputs, the control socket, and the loop's own: a selector and a pair of sockets.
    expected = sorted(["/dev/null", str(tmp_path / "out"), str(tmp_path / "out"), "anon_inode", *["socket"] * 3])
    end = time.monotonic() + 20
    while (kinds := sorted(kinds_of_files(proc))) != expected:
        assert time.monotonic() < end, kinds
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    ended = server.hear()
    assert isinstance(ended, Ended)
    assert (ended.pid, os.WTERMSIG(ended.status)) == (pid, signal.SIGKILL)
    assert ended.memory > 10_000
    control.close()


def test_a_request_without_descriptors_is_refused(server: Server, tmp_path: Path) -> None:
    request = Fork(9, WorkerOptions("w", str(tmp_path), 1, {}))
    server.control.send(encode_request(request))
    assert server.hear() == Refused(9, "0 descriptors came, not 3")


def test_no_child_is_made_of_a_process_with_threads(tmp_path: Path) -> None:
    (tmp_path / "starts_a_thread.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    server = Server("starts_a_thread", "is.not.there", path=tmp_path)
    try:
        assert server.hear() == Ready()
        server.fork(tmp_path)
        assert server.hear() == Refused(1, "the forkserver has 2 threads, so a child might hang for ever")
    finally:
        server.close()


@pytest.mark.parametrize("how", ["hangs up", "asks it to end"])
def test_workers_end_with_a_forkserver_that_ends(tmp_path: Path, how: str) -> None:
    server = Server()
    try:
        assert server.hear() == Ready()
        server.fork(tmp_path)
        forked = server.hear()
        assert isinstance(forked, Forked)
        if how == "hangs up":
            server.control.close()
        else:
            server.process.terminate()
        server.process.wait(20)
        asyncio.run(gone([forked.pid]))
    finally:
        server.close()


def test_it_does_not_start_for_a_parent_that_is_gone() -> None:
    arguments = command(0, 1, [])  # process 1 is nobody's TaskManager
    assert subprocess.run(arguments, check=False, timeout=30).returncode == 1
    with pytest.raises(OrphanedError, match="its parent 1 is gone"):
        die_with(1, signal.SIGCONT)


def test_the_environment_is_the_users_without_our_configuration() -> None:
    made = environment({"HOME": "/home/me", "MILLSTREAM_SECURITY_TOKEN": "secret", "OPENBLAS_NUM_THREADS": "8"})
    assert made == {
        "HOME": "/home/me",
        "OPENBLAS_NUM_THREADS": "1",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
    }


def test_messages_come_back_as_they_were() -> None:
    fork = Fork(3, WorkerOptions("w", "/d", 5, {"a.b": "c"}))
    assert decode_request(encode_request(fork)) == fork
    for reply in (Ready(), Forked(1, 2), Refused(3, "no"), Ended(4, 9, 5)):
        assert decode_reply(encode_reply(reply)) == reply
    with pytest.raises(ValueError, match="over 131072"):
        encode_request(Fork(1, WorkerOptions("w", "d", 1, {"a": "x" * PACKET_LIMIT})))


def test_chance_is_not_inherited(tmp_path: Path) -> None:
    """Two children of one process draw different numbers, from the old generators too."""
    program = (
        "import os, json, random, numpy as np, sys, signal, socket\n"
        "from millstream_taskmanager.forkserver.child import become_worker\n"
        "from millstream_taskmanager.worker.options import WorkerOptions\n"
        "random.seed(1); np.random.seed(1)\n"
        "def main(options, control):\n"
        "    import __main__\n"
        "    drawn = [random.random(), float(np.random.random()), os.read(0, 1).hex(), hasattr(__main__, 'main')]\n"
        "    os.write(1, (json.dumps(drawn) + '\\n').encode())\n"
        "    return 0\n"
        "for _ in range(2):\n"
        "    parent = os.getpid()\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        a, b = socket.socketpair()\n"
        "        become_worker(parent, WorkerOptions('w', 'd', 1, {}), [a.detach(), os.dup(1), os.dup(2)], main)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    one, two = (json.loads(line) for line in run.stdout.splitlines())
    assert one[0] != two[0]
    assert one[1] != two[1]
    assert one[2:] == two[2:] == ["", False]


def test_without_help_of_the_kernel_a_thread_watches_the_parent() -> None:
    ours, theirs = socket.socketpair()
    told: list[bool] = []
    thread = watch(theirs, lambda: told.append(True))
    ours.send(b"what is said doesn't end it")
    thread.join(0.05)
    assert not told
    ours.close()
    thread.join(20)
    assert told == [True]
    theirs.close()
