"""What deploy/README.md and docs/deploy.md show as files is taken by what reads these, and what they name is there."""

import os
import re
import shlex
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from millstream.cli.main import VERBS, main
from millstream_dataflow.configuration.options import jobmanager, taskmanager
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_runtime.configuration import read_configuration
from tests.support.manifests import (
    DEPLOY,
    OVERLAYS,
    client_pod,
    compose,
    container_named,
    definitions,
    kubectl,
    named,
    of_kind,
    ports_of,
    workloads,
)
from tests.support.tidy.source import ROOT

README = DEPLOY / "README.md"
PAGE = ROOT / "docs" / "deploy.md"
SESSION = DEPLOY / "kubernetes" / "session"
UNITS = ("jobmanager", "taskmanager")


def blocks(page: Path, language: str) -> list[str]:
    """The files that a page shows."""
    text = page.read_text(encoding="utf-8")
    return [textwrap.dedent(found) for found in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def overlaid(directory: Path, text: str, **files: str) -> list[dict[str, Any]]:
    """What an overlay of somebody's own renders to; its base is found from where it lies."""
    base = os.path.relpath(SESSION, directory)
    text = text.replace("path/to/deploy/kubernetes/session", base).replace("../deploy/kubernetes/session", base)
    for name, content in {"kustomization.yaml": text, **files}.items():
        (directory / name).write_text(content, encoding="utf-8")
    done = subprocess.run([kubectl(), "kustomize", str(directory)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(done.stdout))
    for document in documents:
        kubernetes_validate.validate(document, "1.37", strict=True)
    return documents


@pytest.mark.parametrize("page", [README, PAGE], ids=lambda page: page.stem)
def test_an_overlay_of_ones_own_names_its_image_and_storage(page: Path, tmp_path: Path) -> None:
    (text,) = [text for text in blocks(page, "yaml") if "kustomization.yaml" in text.splitlines()[0]]
    rendered = overlaid(tmp_path, text)
    images = {
        container["image"]
        for document in rendered
        if document["kind"] == "StatefulSet"
        for container in document["spec"]["template"]["spec"]["containers"]
    }
    assert {image.partition("/")[0] for image in images} == {"images.example.com", "docker.io"}
    if page == PAGE:
        (claim,) = [document for document in rendered if document["kind"] == "PersistentVolumeClaim"]
        assert claim["spec"]["storageClassName"] == "my-shared-class"


TRIED = {"millstream", "docker build"}
"""Programs whose commands tests run (tests/integration/deploy), or somebody has."""


def test_commands_that_were_never_tried_are_named_as_such() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shell = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    commands = re.findall(r"^ {8}(?:echo \S+ \| )?(?:sudo )?(?:/\S+/)?(docker \w+|[\w-]+) ", shell, re.MULTILINE)
    (untried,) = re.findall(r"^\*\*Not tried on a real machine\*\*: (.+?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(.+?)`", untried)) == {*commands, "curl"} - TRIED


def test_the_patch_for_object_storage_leaves_no_claim(tmp_path: Path) -> None:
    (text,) = [text for text in blocks(README, "yaml") if "$patch: delete" in text]
    own = (
        (SESSION / "millstream.yaml")
        .read_text(encoding="utf-8")
        .replace("/var/lib/millstream", "s3://bucket/millstream")
    )
    rendered = overlaid(tmp_path, f"resources: [path/to/deploy/kubernetes/session]\n{text}", **{"millstream.yaml": own})
    assert [document for document in rendered if document["kind"] == "PersistentVolumeClaim"] == []
    volumes = [
        volume
        for document in rendered
        if document["kind"] == "StatefulSet" and document["metadata"]["name"] != "zookeeper"
        for volume in document["spec"]["template"]["spec"]["volumes"]
    ]
    storage = [volume for volume in volumes if volume["name"] == "storage"]
    assert storage == [{"name": "storage", "emptyDir": {"sizeLimit": "1Gi"}}] * 2
    (configuration,) = [one for one in rendered if one["metadata"]["name"].startswith("millstream-") and "data" in one]
    assert "s3://bucket/millstream" in configuration["data"]["millstream.yaml"]


def test_the_network_policy_that_it_shows_is_one() -> None:
    (text,) = [text for text in blocks(README, "yaml") if "kind: NetworkPolicy" in text]
    kubernetes_validate.validate(yaml.safe_load(text), "1.37", strict=True)


def test_the_pod_of_a_client_is_valid_safe_and_let_in() -> None:
    pod = client_pod()
    kubernetes_validate.validate(pod, "1.37", strict=True)
    (container,) = pod["spec"]["containers"]
    example = container_named("session-jobmanager-jobmanager")
    assert container["securityContext"] == example.spec["securityContext"]
    assert container["image"] == example.spec["image"]
    assert pod["spec"]["securityContext"].items() <= example.pod["securityContext"].items()
    for name in ("automountServiceAccountToken", "enableServiceLinks", "serviceAccountName"):
        assert pod["spec"][name] == example.pod[name]
    read = read_configuration(None, {variable["name"]: variable["value"] for variable in container["env"]})
    service = named("session", "Service", "jobmanager")["metadata"]
    assert read.get(jobmanager.RPC_ADDRESS) == f"{service['name']}.{service['namespace']}.svc"
    (rule,) = named("session", "NetworkPolicy", "jobmanager")["spec"]["ingress"]
    assert pod["metadata"]["labels"].items() >= rule["from"][1]["podSelector"]["matchLabels"].items()


def test_zookeeper_of_plain_machines_is_a_service_that_the_others_reach() -> None:
    """As Debian 12 has it: its service is of `zookeeperd`, whose script takes JAVA_OPTS from /etc/default/zookeeper."""
    text = PAGE.read_text(encoding="utf-8").partition("## On three plain machines")[2]
    (packages,) = re.findall(r"apt-get install (.+)", text)
    assert {"zookeeper", "zookeeperd"} < set(packages.split())
    (options,) = blocks(PAGE, "sh")
    assert shlex.split(options) == ["JAVA_OPTS=-Djava.security.auth.login.config=/etc/zookeeper/jaas.conf"]
    assert "/etc/default/zookeeper" in text
    (settings,) = blocks(PAGE, "properties")
    # Debian's installer writes a machine's own name to /etc/hosts, with 127.0.1.1.
    assert "quorumListenOnAllIPs=true" in settings.splitlines()


def test_the_user_of_plain_machines_has_one_number_on_all_of_them() -> None:
    """The shared disk knows no names."""
    text = PAGE.read_text(encoding="utf-8")
    (group,) = re.findall(r"groupadd --gid (\d+) millstream", text)
    (ids,) = re.findall(r"useradd --uid (\d+ --gid \d+) ", text)
    assert ids == f"{group} --gid {group}"
    assert f"chown {group}:{group}" in text


def test_the_configuration_of_plain_machines_is_read(tmp_path: Path) -> None:
    (text,) = [text for text in blocks(PAGE, "yaml") if "jobmanager.bind-host" in text]
    file = tmp_path / "millstream.yaml"
    file.write_text(text, encoding="utf-8")
    ports: set[int | None] = set()
    for unit in UNITS:
        lines = (DEPLOY / "systemd" / f"millstream-{unit}.service").read_text(encoding="utf-8")
        (command,) = re.findall(r"^ExecStart=/opt/millstream/bin/millstream (.+)$", lines, re.MULTILINE)
        verb, *words = shlex.split(command.replace("%H", "machine-1.example.org"))
        assert verb == unit
        read = read_configuration(file, {}, definitions(words))
        ports |= set(ports_of(read).values())
        if unit == "jobmanager":
            ListenAddress.configured(read).check_advertised(read)
        (grace,) = re.findall(r"^TimeoutStopSec=(\d+)$", lines, re.MULTILINE)
        assert int(grace) >= read.get(taskmanager.SHUTDOWN_TIMEOUT).total_seconds() + 10
    assert ports == {6121, 6123, 6125, 6126}
    assert all(str(port) in PAGE.read_text(encoding="utf-8") for port in ports)


@pytest.mark.parametrize("page", [README, PAGE], ids=lambda page: page.stem)
def test_commands_of_millstream_have_verbs_and_options_that_there_are(page: Path) -> None:
    lines = re.findall(
        r"^ +(?:.* )?(millstream \w.*|run --rm client .*)$", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    found = [shlex.split(line.replace("run --rm client", "millstream")) for line in lines if " -- " not in line]
    commands = [words[1:] for words in found if words[0] == "millstream" and words[1] in VERBS]
    assert len(commands) >= 4
    for words in commands:
        verb = [word for word in words[:2] if word in VERBS or words[0] == "security"]
        # What follows a program's name is the program's.
        program = next((place for place, word in enumerate(words) if word.endswith(".py")), len(words))
        options = {word.partition("=")[0] for word in words[:program] if word.startswith("-")}
        shown = CliRunner().invoke(main, [*verb, "--help"]).output
        assert [option for option in options if not re.search(rf"{option}\b", shown)] == [], words


def test_the_containers_of_compose_read_copies_and_what_they_are_copied_from_stays_its_owner_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's own commands, in its order; the containers' user is whoever runs the test."""
    section = README.read_text(encoding="utf-8").partition("## Docker Compose")[2].partition("\n## ")[0]
    (init,) = re.findall(r"^    millstream (security init .+)$", section, re.MULTILINE)
    given = re.findall(r"^    sudo (.+)$", section, re.MULTILINE)
    (directory,) = re.findall(r"^    export TLS_DIRECTORY=\$PWD/(\S+)$", section, re.MULTILINE)
    monkeypatch.chdir(tmp_path)

    def renewed() -> dict[str, bytes]:
        """What the containers have, once the page's commands have brought it."""
        for line in given:
            command = line.replace("=10001 ", "={} ").format(os.getuid(), os.getgid())
            subprocess.run(["sh", "-ec", command], check=True)
        return files(Path(directory))

    assert CliRunner().invoke(main, shlex.split(init)).exit_code == 0
    owned = {path: path.stat().st_ctime_ns for path in Path("tls").rglob("*")}
    first = renewed()
    assert {path: path.stat().st_ctime_ns for path in owned} == owned
    # All of it is 0600 or 0700, so whoever gives it away reads it no more.
    assert directory != "tls"
    assert all("--owner=10001 --group=10001" in line and f"={directory}/" in line for line in given)
    mounted = re.findall(r"'\./tls/(\w+):", str(compose()))
    assert first == {name: content for name, content in files(Path("tls")).items() if Path(name).parent.name in mounted}

    assert CliRunner().invoke(main, ["security", "renew", "tls"]).exit_code == 0
    assert renewed()["cluster/rest.pem"] == Path("tls/cluster/rest.pem").read_bytes() != first["cluster/rest.pem"]


def files(directory: Path) -> dict[str, bytes]:
    """Of its folders, by path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("page", [README, PAGE], ids=lambda page: page.stem)
def test_a_command_that_names_an_object_names_the_namespace_in_which_it_is(page: Path) -> None:
    """But for what is applied or deleted as a file, which says it itself."""
    namespaces = {overlay: of_kind(overlay, "Namespace")[0]["metadata"]["name"] for overlay in OVERLAYS}
    homes = {one["metadata"]["name"]: namespaces[overlay] for overlay in OVERLAYS for one in workloads(overlay)}
    written = re.findall(r"kubectl ([^`|;]+?)(?:`|\||\n *\n|\n(?= +kubectl)|$)", page.read_text(encoding="utf-8"))
    commands = [text.split() for text in written]
    assert len(commands) >= 8
    for words in commands:
        if words[0] in {"apply", "delete"} and words[1] in {"-k", "-f"}:
            continue
        if words[:2] == ["create", "namespace"]:
            assert words[2] in namespaces.values()
            continue
        assert words[0] == "-n", words
        named_here = {word.partition("/")[2] or word for word in words[2:]} & homes.keys()
        assert {homes[name] for name in named_here} <= {words[1]}, words
        assert words[1] in namespaces.values()


@pytest.mark.parametrize("page", [README, PAGE], ids=lambda page: page.stem)
def test_paths_that_it_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", text):
        assert (page.parent / target).exists(), target
    for path in re.findall(r"\bdeploy/[\w./-]*\w", text):
        assert (ROOT / path).exists(), path
