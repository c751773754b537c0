"""An object store that speaks the S3 protocol: moto's server, a process of its own. It keeps its objects in memory.

A real one doesn't lose what it has acknowledged, so what dies and comes back in tests is the way to it: `Proxy` and
`Deafener` stand before it.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from millstream_runtime.file_systems import locate
from tests.support.cables import Proxy
from tests.support.clusters import free_port, until
from tests.support.leak_check import opening_what_stays

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "nothing of value"}


@dataclass
class ObjectStore:
    """It listens on loopback."""

    process: subprocess.Popen[bytes]
    port: int

    def uri(self, name: str, port: int = 0, bucket: str = "bucket") -> str:
        """Of a directory, behind another port if one is given."""
        query = f"region=us-east-1&endpoint_override=127.0.0.1:{port or self.port}&scheme=http"
        return f"s3://{bucket}/{name}?{query}"

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """A request as it is, unsigned."""
        headers = {"Content-Type": "application/octet-stream"}
        url = f"http://127.0.0.1:{self.port}/{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body or None, headers, method=method)) as answer:
            return bytes(answer.read())

    def listens(self) -> bool:
        """Whether it takes connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def freeze(self) -> None:
        """It takes connections and is silent."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="session")
def object_store() -> Generator[ObjectStore]:
    """With an empty bucket, called `bucket`; names in it are the tests' own to keep apart."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    with (
        subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True) as process,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in CREDENTIALS.items():
            patch.setitem(os.environ, name, value)
        try:
            store = ObjectStore(process, port)
            until(store.listens, 20, "the object store listens")
            store.ask("PUT", "bucket")
            with opening_what_stays():  # threads and descriptors of obstore's runtime
                locate(store.uri("none")).storage.entries("bucket/none")
            yield store
        finally:
            process.kill()


class Deafener(Proxy):
    """Passes on what is asked; an answer is thrown away and the connection closed, as long as it is deaf."""

    deaf = True
    answers = 0
    """Those that were thrown away."""

    @property
    def port(self) -> int:
        """Where it stands."""
        return self._here[1]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.deaf and await reader.read(1):
            self.answers += 1
            writer.transport.abort()
        else:
            await self._carry(reader, writer)
