"""What docs/deploy.md says about three plain machines, done: each machine is a loopback address and a directory, its
services are processes with the command lines of deploy/systemd, its files those that the page shows.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.support.clusters import Process, until
from tests.support.manifests import DEPLOY, write_files
from tests.support.pods import Secrets, loopback_addresses, settings_of
from tests.support.tidy.source import ROOT
from tests.support.zookeeper import Ensemble, require_zookeeper

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8").partition("## On three plain machines")[2]
HOSTS = [f"machine-{number}.example.org" for number in (1, 2, 3)]
PROGRAM = DEPLOY / "kubernetes" / "application" / "program.py"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def block(language: str) -> str:
    """The file that the page shows."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return textwrap.dedent(found)


class Machines:
    """Three of them, with all that the page puts there."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.addresses = dict(zip(HOSTS, loopback_addresses(len(HOSTS)), strict=True))
        (init,) = re.findall(r"^ +(millstream security init .+)$", PAGE, re.MULTILINE)
        secrets = Secrets(directory, self._addressed(init))
        self.ensemble = self._zookeeper(secrets)
        stack.callback(self.ensemble.close)
        self.ensemble.start()
        self.processes: dict[str, Process] = {}
        stack.callback(self._end)
        for host in HOSTS:
            etc = self.place(host, "/etc/millstream")
            shutil.copytree(directory / "tls" / "cluster", etc, ignore=shutil.ignore_patterns("millstream.yaml"))
            write_files(etc, {"password": secrets.files["zookeeper-credentials"]["password"]})
            write_files(etc, {"millstream.yaml": self.here(host, block("yaml"))})
        for service in ("jobmanager", "taskmanager"):
            for host in HOSTS:
                self._start(host, service)

    def place(self, host: str, path: str) -> Path:
        """A path of a machine; /srv is mounted by all."""
        return self.directory / ("shared" if path.startswith("/srv") else host) / path.lstrip("/")

    def here(self, host: str, text: str) -> str:
        """The same with this machine's addresses and directories."""
        for number, server in enumerate(HOSTS, 1):
            text = text.replace(f"{server}:2181", self.ensemble.host(number))
        text = self._addressed(text)
        text = re.sub(r"(?<=bind-host: )\S+", self.addresses[host], text)
        return re.sub(r"(/etc|/srv|/var/lib)/millstream[\w-]*", lambda path: str(self.place(host, path[0])), text)

    def _addressed(self, text: str) -> str:
        for host, address in self.addresses.items():
            text = text.replace(host, address)
        return text

    def client(self, line: str) -> str:
        """A command of the page, in the directory that has `tls`; what it prints."""
        words = shlex.split(self.here(HOSTS[0], line))
        done = subprocess.run(words, cwd=self.directory, env=self._path(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.tail()}"
        return done.stdout

    def tail(self) -> str:
        """The ends of all logs."""
        return "\n".join(process.tail() for process in self.processes.values())

    def _zookeeper(self, secrets: Secrets) -> Ensemble:
        write_files(self.directory / "zookeeper", secrets.files["zookeeper-credentials"])
        settings = settings_of(block("properties"))
        (flag,) = re.findall(r"-Djava\.security\.auth\.login\.config=(?=/etc/zookeeper/jaas\.conf)", block("sh"))
        return Ensemble(self.directory, 3, settings, [f"{flag}{self.directory / 'zookeeper' / 'jaas.conf'}"])

    def _path(self) -> dict[str, str]:
        return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(self.directory)}

    def _start(self, host: str, service: str) -> None:
        unit = (DEPLOY / "systemd" / f"millstream-{service}.service").read_text(encoding="utf-8")
        unit = self.here(host, unit.replace("%H", host))
        (command,) = re.findall(r"^ExecStart=/opt/millstream/bin/(.+)$", unit, re.MULTILINE)
        environment = dict(re.findall(r"^Environment=(\w+)=(.+)$", unit, re.MULTILINE))
        log = self.directory / f"{service}-{host}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                shlex.split(command),
                env={**self._path(), **environment},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes[f"{service}@{host}"] = Process(f"{service}@{host}", popen, log)

    def _end(self) -> None:
        for process in reversed(self.processes.values()):
            process.popen.terminate()
        for process in self.processes.values():
            process.popen.wait(45)


@pytest.fixture
def machines(tmp_path: Path) -> Generator[Machines]:
    require_zookeeper()
    with ExitStack() as stack:
        yield Machines(tmp_path, stack)


def test_a_job_passes_through_the_cluster_of_the_page_and_through_what_is_left_of_it(machines: Machines) -> None:
    (showing,) = re.findall(r"`(millstream config .+?)`", PAGE)
    shown = machines.client(showing)
    written: dict[str, str] = yaml.safe_load(block("yaml"))
    assert set(re.findall(r"^(\S+) = ", shown, re.MULTILINE)) == set(written) - {"jobmanager.rpc.port"}, (
        "6123 is its default"
    )
    assert f"{machines.place(HOSTS[0], '/etc/millstream')}/millstream.yaml" in shown

    listing, running = re.findall(r"^        (millstream (?:list|run) .+)$", PAGE, re.MULTILINE)
    leader = until(lambda: leading(machines, but=""), 40, "one leads", machines.tail)
    assert machines.client(running.replace("program.py", str(PROGRAM))).splitlines()[:2] == ["be 2000", "is 1000"]
    assert "FINISHED" in machines.client(f"{listing} --all")

    stopped = machines.processes[leader]
    stopped.popen.terminate()
    assert stopped.popen.wait(30) == 0
    until(lambda: leading(machines, but=leader), 40, "another one leads", machines.tail)
    for host in HOSTS:
        if not leader.endswith(host):
            asked = listing.replace(HOSTS[0], host)
            assert "FINISHED" in machines.client(f"{asked} --all")


def leading(machines: Machines, but: str) -> str:
    """The JobManager that says it leads, of all but that one; empty while none does."""
    for name, process in machines.processes.items():
        if name != but and "leading in epoch" in process.log.read_text(encoding="utf-8"):
            return name
    return ""
