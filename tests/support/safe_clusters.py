"""Clusters as docs/security.md sets them up: a working set by `millstream security init`, listening for every host."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from millstream import StreamExecutionEnvironment
from millstream.submission.access import Access
from millstream_runtime.configuration import read_configuration
from tests.support.clusters import MILLSTREAM, Cluster, Process, standing
from tests.support.elected import ElectedCluster

EVERYWHERE = {"jobmanager.bind-host": "0.0.0.0", "taskmanager.bind-host": "0.0.0.0", "taskmanager.host": "127.0.0.1"}


def millstream(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """As a person runs it."""
    return subprocess.run([MILLSTREAM, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def working_set(directory: Path, *hosts: str) -> Path:
    """Written by the command, below a directory."""
    written = millstream(
        "security", "init", "set", *(part for host in hosts for part in ("--host", host)), cwd=directory
    )
    assert written.returncode == 0, written.stderr
    return directory / "set"


@dataclass
class SafeCluster(Cluster):
    """Everybody has his folder of the working set below the cluster's directory."""

    @property
    def set(self) -> Path:
        """What `millstream security init` wrote."""
        return self.directory / "set"

    def client_settings(self) -> dict[str, str]:
        """Of the clients' configuration file."""
        return read_configuration(self.set / "client" / "millstream.yaml").to_strings()

    def channel_to(self, port: int) -> grpc.Channel:
        """With TLS and token."""
        access = Access.configured(read_configuration(self.set / "client" / "millstream.yaml"))
        return access.channel(f"{self.host}:{port}")

    def environment(self, **options: object) -> StreamExecutionEnvironment:
        """For a program that runs here."""
        return super().environment(**{**self.client_settings(), **options})

    def asks(
        self, *arguments: str, port: int | None = None, folder: str = "client"
    ) -> subprocess.CompletedProcess[str]:
        """`millstream` with the configuration of that folder."""
        where = ("--config", str(self.set / folder / "millstream.yaml"), "-m", f"{self.host}:{port or self.port}")
        return millstream(*arguments, *where, cwd=self.directory)

    def _start(
        self, *arguments: str, options: Mapping[str, str] | None = None, command: Sequence[str] = (MILLSTREAM,)
    ) -> Process:
        kind, *more = arguments
        file = str(self.set / "cluster" / "millstream.yaml")
        return super()._start(kind, "--config", file, *more, options={**EVERYWHERE, **(options or {})}, command=command)


@dataclass
class SafeElectedCluster(SafeCluster, ElectedCluster):
    """With several JobManagers."""


@contextmanager
def safe_cluster(
    directory: Path, *, taskmanagers: int = 2, slots: int = 1, options: Mapping[str, str] | None = None
) -> Generator[SafeCluster]:
    """A cluster that stands, and is gone afterwards."""
    working_set(directory)
    cluster = SafeCluster(directory, options or {})
    with standing(cluster, cluster.start_jobmanager, taskmanagers, slots):
        yield cluster
