"""What `deploy/` would have a machine start: rendered overlays, and the processes that their pods are made of."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import health, jobmanager, taskmanager
from millstream_runtime.configuration import CONFIGURATION_DIRECTORY_VARIABLE, read_configuration
from tests.support.components import require
from tests.support.tidy.source import ROOT

DEPLOY: Final = ROOT / "deploy"
OVERLAYS: Final = ("session", "application")

CONTAINERS: Final = (
    "session-jobmanager-jobmanager",
    "session-taskmanager-taskmanager",
    "session-zookeeper-zookeeper",
    "application-application-process",
    "application-application-program",
)
"""Overlay, workload, container. Tests are named before anything is rendered; one of them compares this with what is."""

OURS: Final = tuple(name for name in CONTAINERS if "zookeeper" not in name)
"""Those of Millstream's image."""

NAME_SERVERS: Final = (53, 5353)
"""The ports at which a cluster's name server may be: 5353 is OpenShift's."""

Document = dict[str, Any]
"""One object of a manifest."""

FIELDS: Final[Mapping[str, str]] = {
    "metadata.name": "POD",
    "metadata.namespace": "NAMESPACE",
    "status.podIP": "127.0.0.1",
    "metadata.labels['apps.kubernetes.io/pod-index']": "1",
    "metadata.labels['batch.kubernetes.io/controller-uid']": "0b5e-uid",
}
"""What stands for the fields of a pod that its environment names. Another one is a mistake until it stands here."""


def kubectl() -> str:
    """The one that `make setup` installs; a skip on a laptop, a failure in CI, where it is missing."""
    own = Path(sys.executable).with_name("kubectl")
    found = str(own) if own.exists() else shutil.which("kubectl")
    require(found is not None, "kubectl", "make setup")
    assert found is not None
    return found


@functools.cache
def rendered(overlay: str) -> tuple[Document, ...]:
    """All that `kubectl apply -k deploy/kubernetes/<overlay>` would send."""
    command = [kubectl(), "kustomize", str(DEPLOY / "kubernetes" / overlay)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    documents: list[Document] = list(yaml.safe_load_all(text))
    return tuple(documents)


def of_kind(overlay: str, *kinds: str) -> list[Document]:
    """The objects of these kinds."""
    return [document for document in rendered(overlay) if document["kind"] in kinds]


def named(overlay: str, kind: str, name: str) -> Document:
    """The one of that name."""
    (found,) = [document for document in of_kind(overlay, kind) if document["metadata"]["name"] == name]
    return found


@dataclass(frozen=True)
class Container:
    """One container of a workload's pods."""

    overlay: str
    workload: Document
    spec: Document

    @property
    def pod(self) -> Document:
        """The specification of its pod."""
        spec: Document = self.workload["spec"]["template"]["spec"]
        return spec

    @property
    def name(self) -> str:
        """For people: overlay, workload, container."""
        return f"{self.overlay}-{self.workload['metadata']['name']}-{self.spec['name']}"

    @property
    def is_ours(self) -> bool:
        """Whether it is started from Millstream's image."""
        return str(self.spec["image"]).startswith("millstream:")

    @property
    def runs_on(self) -> bool:
        """Whether it is there as long as its pod; a program's container isn't."""
        return self.spec.get("restartPolicy") == "Always" or self.workload["kind"] != "Job"

    def environment(self, fields: Mapping[str, str] = FIELDS) -> dict[str, str]:
        """Its variables, in which $(NAME) is replaced as the kubelet does."""
        result: dict[str, str] = {}
        for variable in self.spec.get("env", ()):
            source = variable.get("valueFrom")
            if source is not None:
                value = fields[source["fieldRef"]["fieldPath"]]
            else:
                value = re.sub(r"\$\((\w+)\)", lambda match: result[match[1]], variable["value"])
            result[variable["name"]] = value
        return result

    def command(self) -> list[str]:
        """The words of its process, the image's ENTRYPOINT among them where the pod names no command."""
        return [*(self.spec.get("command") or entrypoint()), *self.spec.get("args", ())]

    def ports(self) -> dict[str, int]:
        """By name."""
        return {port["name"]: port["containerPort"] for port in self.spec.get("ports", ())}

    def mounts(self) -> dict[str, Document]:
        """What lies at each path: a volume of the pod, or its claim's template."""
        volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        for claim in self.workload["spec"].get("volumeClaimTemplates", ()):
            volumes[claim["metadata"]["name"]] = {"name": claim["metadata"]["name"], "persistentVolumeClaim": {}}
        return {mount["mountPath"]: volumes[mount["name"]] for mount in self.spec["volumeMounts"]}

    def files(self, mount: str) -> dict[str, str]:
        """The content of the config map that is mounted there."""
        data: dict[str, str] = named(self.overlay, "ConfigMap", self.mounts()[mount]["configMap"]["name"])["data"]
        return data

    def configuration(self, directory: Path, fields: Mapping[str, str] = FIELDS) -> Configuration:
        """As its process reads it; the files are written below `directory`. ConfigurationError as there."""
        environment = self.environment(fields)
        mount = environment.get(CONFIGURATION_DIRECTORY_VARIABLE)
        if mount is not None:
            environment[CONFIGURATION_DIRECTORY_VARIABLE] = str(write_files(directory, self.files(mount)))
        return read_configuration(None, environment, definitions(self.command()))


def write_files(directory: Path, files: Mapping[str, str]) -> Path:
    """The directory, with these files in it."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def definitions(words: Sequence[str]) -> list[str]:
    """What a command line gives to -D."""
    return [value for option, value in pairwise(words) if option == "-D"]


def workloads(overlay: str) -> list[Document]:
    """All that makes pods."""
    return [document for document in rendered(overlay) if "template" in document.get("spec", {})]


def labels_of(workload: Document) -> dict[str, str]:
    """Of each of its pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def selects(selector: Document, labels: Mapping[str, str]) -> bool:
    """As the API server matches: labels and expressions, of which only In is used."""
    expressions = selector.get("matchExpressions", ())
    assert {expression["operator"] for expression in expressions} <= {"In"}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


def client_pod() -> Document:
    """deploy/kubernetes/client.yaml."""
    document: Document = yaml.safe_load((DEPLOY / "kubernetes" / "client.yaml").read_text(encoding="utf-8"))
    return document


def containers(overlay: str) -> Iterator[Container]:
    """Of all workloads."""
    for workload in workloads(overlay):
        pod = workload["spec"]["template"]["spec"]
        for spec in (*pod.get("initContainers", ()), *pod["containers"]):
            yield Container(overlay, workload, spec)


def container_named(name: str) -> Container:
    """One of CONTAINERS."""
    (found,) = [one for one in containers(name.partition("-")[0]) if one.name == name]
    return found


def ports_of(configuration: Configuration) -> dict[str, int | None]:
    """The ports that a configuration sets, by the names that they have in manifests."""
    return {
        "jobmanager": configuration.get(jobmanager.RPC_PORT),
        "data": configuration.get(taskmanager.DATA_PORT),
        "health": configuration.get(health.PORT),
    }


# ------------------------------------------------------------------------------------------------- the image


@functools.cache
def dockerfile() -> str:
    """Its instructions, without comments, each on one line."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))


def instruction(name: str) -> str:
    """What the last one of that name says."""
    found: list[str] = re.findall(rf"^{name} (.+)$", dockerfile(), re.MULTILINE)
    return found[-1]


def entrypoint() -> list[str]:
    """Of the image."""
    words: list[str] = yaml.safe_load(instruction("ENTRYPOINT"))
    return words


# --------------------------------------------------------------------------------------------------- compose


@functools.cache
def compose() -> Document:
    """compose.yaml, with the default of each variable."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    document: Document = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return document
