"""Certificates as `millstream security init` makes them, and handshakes over real sockets."""

import contextlib
import socket
import ssl
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from millstream.security.authorities import BOTH_SIDES, Pair, issue
from millstream.security.working_set import write
from millstream_dataflow.configuration import Configuration
from millstream_runtime.configuration import read_configuration
from millstream_runtime.security import INTERNAL_NAME

LONG_AGO = timedelta(days=400)
CLIENTS_ONLY = (ExtendedKeyUsageOID.CLIENT_AUTH,)
"""As an authority of somebody's own signs for clients; `millstream security init` makes clients no certificates."""


class WorkingSet:
    """One that was just written below a directory."""

    def __init__(self, directory: Path, hosts: Sequence[str] = ()) -> None:
        write(directory, hosts, datetime.now(UTC), 365)
        self.directory = directory
        self.cluster = directory / "cluster"
        self.client = directory / "client"

    def configuration(self, **settings: str) -> Configuration:
        """Of a process of the cluster; `settings` by the last part of their key, such as `internal_keystore`."""
        return _changed(read_configuration(self.cluster / "millstream.yaml"), settings)

    def client_configuration(self, **settings: str) -> Configuration:
        """Of a client; `settings` as above."""
        return _changed(read_configuration(self.client / "millstream.yaml"), settings)

    def trusted(self, name: str = "internal") -> x509.Certificate:
        """The certificate of an authority, `internal` or `rest`."""
        return self.authority(name).certificate

    def authority(self, name: str = "internal") -> Pair:
        """`internal` or `rest`."""
        folder = self.directory / "authorities"
        return Pair.of((folder / f"{name}-ca.crt").read_bytes(), (folder / f"{name}-ca.key").read_bytes())

    def issued(
        self,
        *names: str,
        by: str = "internal",
        ago: timedelta = timedelta(),
        days: int = 365,
        usages: Sequence[x509.ObjectIdentifier] = BOTH_SIDES,
    ) -> Pair:
        """Another certificate, for these names or a member's."""
        return issue(self.authority(by), names or (INTERNAL_NAME,), datetime.now(UTC) - ago, days, usages)

    def stored(self, pair: Pair, name: str = "another.pem") -> Path:
        """With its key in one file, below the set."""
        path = self.directory / name
        path.write_bytes(pair.pem)
        return path


def _changed(configuration: Configuration, settings: dict[str, str]) -> Configuration:
    for name, value in settings.items():
        key = f"security.ssl.{name.replace('_', '.', 1).replace('_', '-')}"
        configuration = configuration.with_text(key, value)
    return configuration


def plain_contexts(pair: Pair | None, authority: x509.Certificate) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a serving and of a connecting side, made without the library under test, for they may be anybody's."""
    serving, connecting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (serving, connecting):
        context.load_verify_locations(cadata=authority.public_bytes(Encoding.DER))
        if pair is not None:
            _load(context, pair)
    return serving, connecting


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(pair.pem)
        file.flush()
        context.load_cert_chain(file.name)


Ends = tuple[ssl.SSLSocket, ssl.SSLSocket]


@contextmanager
def connected(serving: ssl.SSLContext, connecting: ssl.SSLContext, name: str | None = INTERNAL_NAME) -> Generator[Ends]:
    """Both ends of a socket pair, the serving one first, after their handshake; ssl.SSLError when either refuses."""
    with contextlib.ExitStack() as stack:
        one, other = socket.socketpair()
        stack.callback(one.close)
        stack.callback(other.close)
        one.setblocking(False)
        other.setblocking(False)
        server = serving.wrap_socket(one, server_side=True, do_handshake_on_connect=False)
        stack.callback(server.close)
        client = connecting.wrap_socket(other, server_hostname=name, do_handshake_on_connect=False)
        stack.callback(client.close)
        waiting = [client, server]
        while waiting:
            for end in list(waiting):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
                    waiting.remove(end)
        yield server, client


def talks(ends: Ends) -> bool:
    """Whether a word passes in each direction."""
    server, client = ends
    client.send(b"ping")
    server.send(b"pong")
    return server.recv(4) == b"ping" and client.recv(4) == b"pong"
