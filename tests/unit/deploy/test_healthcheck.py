"""`deploy/healthcheck.py`, which the image's HEALTHCHECK runs."""

import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.support.manifests import DEPLOY


def check(tmp_path: Path, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """As Docker runs it, in the environment of the container."""
    (tmp_path / "millstream.yaml").write_text(text, encoding="utf-8")
    environment = {"MILLSTREAM_CONF_DIR": str(tmp_path), **variables}
    command = [sys.executable, str(DEPLOY / "healthcheck.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def answering(status: str) -> Generator[int]:
    """A port that answers one request so, and that it was for /livez."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            answer = status if connection.recv(1000).startswith(b"GET /livez ") else "400 Bad Request"
            connection.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 2\r\n\r\nno".encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


def test_a_process_that_lives_is_healthy(tmp_path: Path) -> None:
    with answering("200 OK") as port:
        done = check(tmp_path, f"health: {{bind-host: 0.0.0.0, port: {port}}}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_one_that_says_no_is_not_and_the_answer_is_shown(tmp_path: Path) -> None:
    with answering("503 Service Unavailable") as port:
        done = check(tmp_path, "", MILLSTREAM_HEALTH_PORT=str(port), MILLSTREAM_HEALTH_BIND_HOST="127.0.0.1")
    assert done.returncode == 1
    assert done.stdout == "/livez answered 503: b'no'\n"


def test_one_that_is_not_there_is_not(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = check(tmp_path, f"health.port: {port}")
    assert done.returncode == 1
    assert done.stdout.startswith(f"/livez at localhost:{port} can't be asked: ")


def test_a_client_which_has_no_such_port_counts_as_healthy(tmp_path: Path) -> None:
    assert check(tmp_path, "parallelism.default: 2").returncode == 0
