"""Pods as processes of this machine: the commands, environments and config maps of rendered manifests, as they are.

Only what is the machine's is another: each pod has a loopback address of its own, which stands for its name as well (so
all ports stay what they are, and nobody has to resolve a name), and each mount is a directory below the test's own.
The image's tini is left out: whoever starts these processes does what it does.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.clusters import MILLSTREAM, Process, until
from tests.support.manifests import DEPLOY, Container, instruction, write_files
from tests.support.zookeeper import Ensemble, require_zookeeper

INIT: Final = ("/usr/bin/tini", "--")
NAMESPACE: Final = "millstream"


def loopback_addresses(count: int) -> list[str]:
    """Addresses of this host alone, which nobody else has at the moment: drawn from 16 millions."""
    network = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"
    return [f"{network}.{number}" for number in range(1, count + 1)]


class Secrets:
    """What the commands of deploy/README.md put into each secret, made by these commands."""

    def __init__(self, directory: Path, init: str) -> None:
        """`init`: the `millstream security init` that writes `tls` there, as a page has it."""
        subprocess.run([MILLSTREAM, *shlex.split(init)[1:]], cwd=directory, stdout=subprocess.DEVNULL, check=True)
        text = (DEPLOY / "README.md").read_text(encoding="utf-8")
        for line in re.findall(r"^    (python3 -c .+|printf .+)$", text, re.MULTILINE):
            subprocess.run(["bash", "-ec", line], cwd=directory, check=True)
        self.files: dict[str, dict[str, str]] = {}
        for name, sources in re.findall(r"create secret generic (\S+)((?: --from-file=\S+)+)", text):
            paths = [directory / option.partition("=")[2] for option in shlex.split(sources)]
            self.files[name] = {path.name: path.read_text(encoding="utf-8") for path in paths}


def security_init(*hosts: str) -> str:
    """The command of deploy/README.md, with the addresses that stand for its names."""
    return shlex.join(["millstream", "security", "init", "tls", *(word for host in hosts for word in ("--host", host))])


@dataclass
class Pod:
    """One pod: its name, its address, and where its volumes lie."""

    name: str
    address: str
    directory: Path
    shared: Path
    """The claims that several pods mount."""
    secrets: Secrets
    names: Mapping[str, str]
    """What is called otherwise on this machine: names of hosts, mostly."""
    processes: dict[str, Process] = field(default_factory=dict[str, Process])

    def start(self, container: Container, variables: Mapping[str, str] | None = None) -> Process:
        """Start a container, as the kubelet and the image together would. `variables` are those of a controller."""
        words = self.command(container)
        log = self.directory / f"{container.spec['name']}.log"
        environment = {**self._environment_of_image(container), **self.environment(container), **(variables or {})}
        with log.open("ab") as output:
            popen = subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                start_new_session=True,
            )
        self.processes[container.spec["name"]] = started = Process(f"{self.name}/{container.spec['name']}", popen, log)
        return started

    def run(self, container: Container, *words: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """A command in a container, as `kubectl exec` would run it."""
        environment = {**self._environment_of_image(container), **self.environment(container)}
        return subprocess.run(
            words, env=environment, cwd=self.directory, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def command(self, container: Container) -> list[str]:
        """Its words, in this machine's terms."""
        words = container.command()
        assert tuple(words[:2]) == INIT
        return [self.here(container, word) for word in words[2:]]

    def environment(self, container: Container) -> dict[str, str]:
        """Its variables, in this machine's terms; files that they name are there afterwards."""
        fields = {
            "metadata.name": self.name,
            "metadata.namespace": NAMESPACE,
            "status.podIP": self.address,
            "metadata.labels['batch.kubernetes.io/controller-uid']": "uid-of-the-job",
        }
        if not (self.directory / container.spec["name"]).exists():
            for mount, volume in container.mounts().items():
                self._mount(container, mount, volume)
        return {name: self.here(container, value) for name, value in container.environment(fields).items()}

    def here(self, container: Container, text: str) -> str:
        """The same with this machine's names and directories."""
        for name, own in self.names.items():
            text = text.replace(name, own)
        text = text.replace("0.0.0.0", self.address)
        mounts = sorted(container.mounts(), key=len, reverse=True)
        pattern = "|".join(rf"{re.escape(mount)}(?![\w-])" for mount in mounts)
        return re.sub(pattern, lambda match: str(self._place(container, match[0])), text)

    def is_ready(self, container: Container) -> bool:
        """What the kubelet finds when it asks by the container's readiness probe."""
        probe = container.spec["readinessProbe"]["httpGet"]
        url = f"http://{self.address}:{container.ports()[probe['port']]}{probe['path']}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def tail(self) -> str:
        """The ends of all logs."""
        return "\n".join(process.tail() for process in self.processes.values())

    def _place(self, container: Container, mount: str) -> Path:
        volume = container.mounts()[mount]
        if claim := volume.get("persistentVolumeClaim"):
            return self.shared / str(claim["claimName"])
        return self.directory / f"{container.spec['name']}{mount}"

    def _mount(self, container: Container, mount: str, volume: Mapping[str, Any]) -> None:
        place = self._place(container, mount)
        place.mkdir(parents=True, exist_ok=True)
        if "configMap" in volume:
            files = container.files(mount)
            write_files(place, {name: self.here(container, text) for name, text in files.items()})
        if secret := volume.get("secret"):
            files = self.secrets.files[secret["secretName"]]
            wanted = {item["key"]: item["path"] for item in secret.get("items", ())} or {name: name for name in files}
            write_files(place, {path: files[key] for key, path in wanted.items()})
            for path in wanted.values():
                (place / path).chmod(secret["defaultMode"])

    def _environment_of_image(self, container: Container) -> dict[str, str]:
        variables = dict(re.findall(r"(\w+)=(\S+)", instruction("ENV")))
        own = {name: self.here(container, value) for name, value in variables.items()}
        return {**own, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@contextmanager
def ended(pods: Sequence[Pod]) -> Generator[None]:
    """Nothing of them is left afterwards."""
    try:
        yield
    finally:
        for process in (process for pod in pods for process in pod.processes.values()):
            if process.popen.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.popen.wait()


def settings_of(zoo_cfg: str) -> dict[str, str]:
    """Its lines, but for those that say where a server is and listens: that is another place on this machine."""
    lines = (line.partition("=") for line in zoo_cfg.splitlines() if not line.startswith("#"))
    machine = {"dataDir", "clientPort", "quorumListenOnAllIPs"}
    return {key: value for key, _, value in lines if key not in machine and not key.startswith("server.")}


@contextmanager
def zookeepers(container: Container, directory: Path, secrets: Secrets) -> Generator[Ensemble]:
    """The servers of the manifest, with their zoo.cfg; directories and ports are this machine's."""
    require_zookeeper()
    (mount,) = [mount for mount, volume in container.mounts().items() if "secret" in volume]
    write_files(directory / "credentials", secrets.files["zookeeper-credentials"])
    flags = container.environment()["SERVER_JVMFLAGS"].replace(mount, str(directory / "credentials"))
    text = container.files("/conf/zoo.cfg")["zoo.cfg"]
    ensemble = Ensemble(directory, container.workload["spec"]["replicas"], settings_of(text), shlex.split(flags))
    with ExitStack() as stack:
        stack.callback(ensemble.close)
        ensemble.start()
        yield ensemble


def wait_until_ready(pods: Mapping[str, tuple[Pod, Container]], timeout_s: float = 40) -> None:
    """Until every readiness probe is answered well; a process that ends is told at once."""

    def ready() -> bool:
        for pod, container in pods.values():
            process = pod.processes[container.spec["name"]]
            assert process.popen.poll() is None, f"{pod.name} ended\n{pod.tail()}"
        return all(pod.is_ready(container) for pod, container in pods.values())

    until(ready, timeout_s, "all pods are ready", lambda: "\n".join(pod.tail() for pod, _ in pods.values()))
