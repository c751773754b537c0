"""A real ZooKeeper ensemble on loopback, each server a process of its own, and the means to be its enemy.

It starts in 1.6 s on two cores (one server alone in 0.4 s). Servers are numbered from 1, as in ZooKeeper.
"""

from __future__ import annotations

import functools
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient

from tests.support.clusters import Process, until, unused_ports
from tests.support.components import require
from tests.support.full_disk import fill_disk_of, free_disk_of
from tests.support.zookeeper_sessions import close_session
from tools import fetch_components

JAVA = (
    "java",
    *("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),  # small and quick to start
    "-XX:-UsePerfData",  # a killed server would leave a file in /tmp
    "-Djava.net.preferIPv4Stack=true",
    # Nobody is trusted but whom zoo.cfg names; to read the certificates of the machine takes a third of the start.
    "-Djavax.net.ssl.trustStore=NONE",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dzookeeper.admin.enableServer=false",
)
JARS = ("zookeeper", "slf4j", "metrics-core-4", "snappy", "commons-io", "netty")
"""The beginnings of the names of those that ZooKeeper needs; the others are Kafka's."""

SETTINGS: Mapping[str, object] = {
    "tickTime": 500,  # ms
    "initLimit": 20,  # ticks
    "syncLimit": 10,  # ticks: a leader waits 5 s for a follower that is frozen
    "clientPortAddress": "127.0.0.1",
    "4lw.commands.whitelist": "*",
    "maxClientCnxns": 0,
    "minSessionTimeout": 1000,
    "maxSessionTimeout": 60_000,
}
NETTY = "org.apache.zookeeper.server.NettyServerCnxnFactory"  # the only one that can do TLS

READY_S = 30  # a busy machine starts three JVMs in three seconds
LACKS_A_PROPOSAL = "Committed proposal cached out of order"
"""With these words a server ends at its start (exit code 1) whose log lacks what stands between two of its proposals,
as it can where a disk was full for a while and its server ran on.
"""


@functools.cache
def _is_there() -> bool:
    return shutil.which("java") is not None and fetch_components.are_fetched()


def require_zookeeper() -> None:
    """A skip on a laptop, a failure in CI, where ZooKeeper can't be run."""
    require(_is_there(), "ZooKeeper", fetch_components.INSTALL)


@dataclass
class Server:
    """One of the ensemble: where it is, and its process while it has one."""

    number: int
    directory: Path
    port: int
    secure_port: int
    quorum_port: int
    election_port: int
    process: Process | None = field(default=None, init=False)

    def ask(self, word: str) -> str:
        """The answer to a four-letter word; empty when there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(word.encode())
                return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
        except OSError:
            return ""

    def mode(self) -> str:
        """leader, follower or standalone; empty while it serves nobody."""
        found = re.search(r"^Mode: (\w+)", self.ask("srvr"), re.MULTILINE)
        return found[1] if found else ""

    @property
    def data(self) -> Path:
        """Its logs, its snapshots, its number."""
        return self.directory / "data"

    def refuses_its_data(self) -> bool:
        """It has ended at its start, because its log lacks a proposal."""
        return self.process is not None and self.process.popen.poll() == 1 and LACKS_A_PROPOSAL in self.process.tail()


class Ensemble:
    """So many servers, of which a majority is a quorum.

    `settings` are more lines of zoo.cfg, or other values of SETTINGS; `java` is more options of the JVM. With `tls`
    each server has a TLS port beside its plain one, and `settings` say by what (`ssl.keyStore.location` and so on).
    """

    def __init__(
        self,
        directory: Path,
        servers: int = 3,
        settings: Mapping[str, object] | None = None,
        java: Sequence[str] = (),
        *,
        tls: bool = False,
    ) -> None:
        ports = unused_ports(4 * servers)
        self.servers = {
            number: Server(number, directory / f"zookeeper-{number}", *(ports.pop() for _ in range(4)))
            for number in range(1, servers + 1)
        }
        self._settings = {**SETTINGS, **({"serverCnxnFactory": NETTY} if tls else {}), **(settings or {})}
        self._tls = tls
        self._java = tuple(java)
        self._stopped: list[int] = []

    # -------------------------------------------------------------------------------------------------- questions

    @property
    def hosts(self) -> str:
        """The connection string of all servers; `host` is that of one."""
        return ",".join(map(self.host, self.servers))

    def host(self, number: int) -> str:
        """The plain address of a server."""
        return f"127.0.0.1:{self.servers[number].port}"

    @property
    def secure_hosts(self) -> str:
        """The connection string of the TLS ports."""
        return ",".join(f"127.0.0.1:{server.secure_port}" for server in self.servers.values())

    def leader(self) -> int | None:
        """The server that leads (or is alone); None while none does."""
        return next((n for n, mode in self._modes().items() if mode in {"leader", "standalone"}), None)

    def followers(self) -> list[int]:
        """Those that follow a leader."""
        return [number for number, mode in self._modes().items() if mode == "follower"]

    def sessions(self) -> frozenset[int]:
        """The ids of all that live, of clients that aren't connected too."""
        known = self._any().ask("dump").partition("ephemeral nodes dump")[0]
        return frozenset(int(session, 16) for session in re.findall(r"^\s*(0x[0-9a-f]+)", known, re.MULTILINE))

    def is_running(self, number: int) -> bool:
        """Whether it has a process that hasn't ended."""
        process = self.servers[number].process
        return process is not None and process.popen.poll() is None

    def tail(self) -> str:
        """The ends of all logs."""
        return "\n".join(server.process.tail() for server in self.servers.values() if server.process)

    # ------------------------------------------------------------------------------------------------- life, death

    def start(self, *numbers: int) -> None:
        """Start those servers, or all, on the data they left; they serve when this returns."""
        self.launch(*numbers)
        self.wait(*numbers)

    def launch(self, *numbers: int) -> None:
        """Their processes are there, no more."""
        for number in numbers or self.servers:
            if not self.is_running(number):
                self._start(self.servers[number])

    def wait(self, *numbers: int) -> None:
        """Until those servers, or all, serve: they belong to a quorum."""

        def ready() -> bool:
            if ended := [number for number in awaited if not self.is_running(number)]:
                raise AssertionError(f"ZooKeeper {ended} ended\n{self.tail()}")
            return all(self.servers[number].mode() for number in awaited)

        awaited = numbers or tuple(self.servers)
        until(ready, READY_S, f"ZooKeeper {awaited} serves", self.tail)

    def kill(self, *numbers: int) -> None:
        """SIGKILL, and gone; frozen ones too."""
        for number in numbers:
            if process := self.servers[number].process:
                process.kill()

    def restart(self, *numbers: int) -> None:
        """SIGKILL, then start on the same data and ports."""
        self.kill(*numbers)
        self.start(*numbers)

    def freeze(self, *numbers: int) -> None:
        """SIGSTOP: connections stay open, and nobody answers."""
        self._signal(signal.SIGSTOP, numbers)

    def thaw(self, *numbers: int) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT, numbers)

    def stop_quorum(self, *, freeze: bool = False) -> list[int]:
        """Take the leader and as many followers as leave no majority. Killed, it is noticed at once; frozen, by timeout
        only: by clients after theirs, by the server that is left after syncLimit. Gives those that were taken.
        """
        leader = self.leader()
        order = sorted(self.servers, key=lambda number: number != leader)
        self._stopped = order[: (len(order) + 1) // 2]
        (self.freeze if freeze else self.kill)(*self._stopped)
        return self._stopped

    def restore_quorum(self) -> None:
        """Bring back those that `stop_quorum` took; all serve when this returns."""
        self.thaw(*(number for number in self._stopped if self.is_running(number)))
        self.start(*self._stopped)
        self._stopped = []

    def close(self) -> None:
        """No process is left; the data is, in its directory."""
        self.kill(*self.servers)

    # --------------------------------------------------------------------------------------------------- the enemy

    def expire(self, *sessions: int) -> None:
        """End sessions at once, as if their timeout had passed; an id is `client.client_id[0]` of kazoo.

        The server closes the client's connection, and refuses the session when it comes again: kazoo tells SUSPENDED,
        then LOST. Servers that demand SASL of everybody (sessionRequireClientSASLAuth) refuse this.
        """
        until(lambda: not self._close(sessions), READY_S, f"the sessions {sessions} are gone", self.tail)

    def expire_all(self) -> None:
        """End the sessions of all clients, within milliseconds of each other."""
        self.expire(*self.sessions())

    def fill_disk(self, *numbers: int) -> None:
        """Those servers can write nothing any more, not to their logs either. At its next write a server ends, with
        exit code 10, or runs on and serves nobody.
        """
        for number in numbers:
            fill_disk_of(self._process(number).pid)

    def free_disk(self, *numbers: int) -> None:
        """There is room again, and what has ended is started as by a supervisor; they serve when this returns."""
        self.make_room(*numbers)

        def serve() -> bool:
            for number in numbers:
                if not self.is_running(number):  # it may be about to end
                    self._start(self.servers[number])
            return all(self.servers[number].mode() for number in numbers)

        until(serve, READY_S, f"ZooKeeper {numbers} serves again", self.tail)

    def make_room(self, *numbers: int) -> None:
        """On their disks; those that have ended stay so."""
        for number in numbers:
            if self.is_running(number):
                free_disk_of(self._process(number).pid)

    def lose_proposal(self, number: int) -> None:
        """The log of a server that doesn't run lacks one of its newest proposals."""
        newest = max(self.servers[number].data.glob("version-2/log.*"), key=lambda log: log.stat().st_mtime_ns)
        newest.write_bytes(without_proposal(newest.read_bytes()))

    def empty(self, number: int) -> None:
        """What an operator does for a server that refuses its data: it has none any more but its number, and takes
        those of the others when it starts.
        """
        others = [server for server in self.servers.values() if server.number != number]
        assert all(server.mode() for server in others), "only they have what was acknowledged"
        shutil.rmtree(self.servers[number].data / "version-2")

    # ----------------------------------------------------------------------------------------------------- inside

    def _modes(self) -> dict[int, str]:
        return {number: server.mode() for number, server in self.servers.items() if self.is_running(number)}

    def _any(self) -> Server:
        serving = until(lambda: [n for n, mode in self._modes().items() if mode], READY_S, "one serves", self.tail)
        return self.servers[serving[0]]

    def _close(self, sessions: Sequence[int]) -> frozenset[int]:
        """Gives those that live on: their clients were back in the moment between."""
        somewhere = self._any()
        at = {session: server for server in self.servers.values() for session in _connected(server.ask("dump"))}
        with ExitStack() as connections:
            waits = [
                close_session("127.0.0.1", at.get(session, somewhere).port, session, connections)
                for session in sessions
            ]
            for wait in waits:
                wait()
        return self.sessions() & set(sessions)

    def _process(self, number: int) -> Process:
        process = self.servers[number].process
        assert process is not None, f"ZooKeeper {number} was never started"
        return process

    def _signal(self, number: signal.Signals, servers: Sequence[int]) -> None:
        for server in servers:
            self._process(server).popen.send_signal(number)

    def _start(self, server: Server) -> None:
        server.data.mkdir(parents=True, exist_ok=True)
        (server.data / "myid").write_text(f"{server.number}\n", encoding="utf-8")
        configuration = server.directory / "zoo.cfg"
        configuration.write_text(self._configuration(server), encoding="utf-8")
        jars = [str(jar) for jar in sorted(fetch_components.JARS.glob("*.jar")) if jar.name.startswith(JARS)]
        command = [*JAVA, *self._java, "-cp", ":".join(jars), "org.apache.zookeeper.server.quorum.QuorumPeerMain"]
        log = server.directory / "log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [*command, str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=server.directory,
                start_new_session=True,
            )
        server.process = Process(f"zookeeper-{server.number}", popen, log)

    def _configuration(self, server: Server) -> str:
        lines = {**self._settings, "dataDir": server.data, "clientPort": server.port}
        if self._tls:
            lines["secureClientPort"] = server.secure_port
        if len(self.servers) > 1:
            for other in self.servers.values():
                lines[f"server.{other.number}"] = f"127.0.0.1:{other.quorum_port}:{other.election_port}"
        return "".join(f"{key}={value}\n" for key, value in lines.items())


def without_proposal(log: bytes) -> bytes:
    """A transaction log of ZooKeeper without the last proposal but one: 16 bytes, then for each proposal a checksum of
    8 bytes, a length of 4, so many bytes, and a B; at the end zeros.
    """
    ends = [16]
    while size := int.from_bytes(log[ends[-1] + 8 : ends[-1] + 12]):
        ends.append(ends[-1] + 12 + size + 1)
    assert len(ends) > 3, "there are three, so that what is left has a hole"
    *_, start, end, _ = ends
    return log[:start] + log[end:]


def _connected(dump: str) -> list[int]:
    """The sessions whose clients are connected to the server that says this."""
    return [int(session, 16) for session in re.findall(r"sessionId: (0x[0-9a-f]+)", dump)]


@contextmanager
def running_ensemble(
    directory: Path,
    servers: int = 3,
    settings: Mapping[str, object] | None = None,
    java: Sequence[str] = (),
    *,
    tls: bool = False,
) -> Generator[Ensemble]:
    """An ensemble that serves, and is gone afterwards; a skip where there is no ZooKeeper."""
    require_zookeeper()
    ensemble = Ensemble(directory, servers, settings, java, tls=tls)
    try:
        ensemble.start()
        yield ensemble
    finally:
        ensemble.close()


@contextmanager
def kazoo_client(
    hosts: str, timeout_s: float = 2.0, tls: Mapping[str, object] | None = None
) -> Generator[tuple[Any, list[str]]]:
    """A session, and the states that its client was told so far; both are gone afterwards.

    The client is Any: kazoo has no types, and checkers believe that half of its attributes are None.
    """
    options: dict[str, Any] = {"use_ssl": True, **tls} if tls else {}
    retry = {"max_tries": -1, "max_delay": 0.2}  # kazoo's own delay grows up to a minute
    client, states = KazooClient(hosts, timeout=timeout_s, connection_retry=retry, **options), list[str]()
    client.add_listener(states.append)
    try:
        client.start()
        yield client, states
    finally:
        client.stop()
        client.close()
