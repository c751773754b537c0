"""The Dockerfile keeps to what the manifests rely on, and to what an image should be."""

import re
from pathlib import Path

import pytest
import yaml

from millstream.cli.main import VERBS
from millstream_dataflow.configuration.options import high_availability as ha
from tests.support.manifests import DEPLOY, OURS, container_named, dockerfile, entrypoint, instruction, ports_of
from tests.support.tidy.source import ROOT


def test_its_base_is_pinned_by_tag_and_by_an_argument_for_the_digest() -> None:
    image, digest = re.findall(r"^ARG PYTHON_\w+=(.*)$", dockerfile(), re.MULTILINE)
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-\w+", image)
    assert digest == ""
    bases = re.findall(r"^FROM (\S+)", dockerfile(), re.MULTILINE)
    assert set(bases) == {"${PYTHON_IMAGE}${PYTHON_DIGEST:+@${PYTHON_DIGEST}}"}


def test_it_is_built_in_stages_of_which_the_last_has_no_sources() -> None:
    *_, last = dockerfile().split("\nFROM ")
    assert re.findall(r"^COPY (.+)$", last, re.MULTILINE) == ["--from=environment /opt/millstream /opt/millstream"]
    assert "pip" not in last


def test_it_runs_as_the_user_of_the_manifests() -> None:
    for name in OURS:
        of_pod = container_named(name).pod["securityContext"]
        assert instruction("USER") == f"{of_pod['runAsUser']}:{of_pod['runAsGroup']}"
        assert of_pod["fsGroup"] == of_pod["runAsGroup"]
    uid, gid = instruction("USER").split(":")
    assert f"useradd --uid {uid} --gid {gid} " in dockerfile()


def test_it_starts_millstream_below_an_init_that_hands_signals_on() -> None:
    assert entrypoint() == ["/usr/bin/tini", "--", "millstream"]
    assert instruction("STOPSIGNAL") == "SIGTERM"
    assert yaml.safe_load(instruction("CMD")) == ["--help"]
    for name in OURS:
        assert container_named(name).command()[:2] == entrypoint()[:2]


def test_it_has_every_package_of_the_wheel() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.findall(r'^    "(\w+/millstream\w*)",$', text, re.MULTILINE)
    assert len(packages) == 6
    assert [source for source in packages if f"COPY {source} {source}\n" not in dockerfile()] == []
    sent = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert [source for source in packages if f"!{source.partition('/')[0]}" not in sent] == []
    assert "*" in sent


def test_its_version_is_that_of_the_project_and_of_the_manifests() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', text, re.MULTILINE)
    assert f"\nARG VERSION={version}\n" in dockerfile()
    for name in OURS:
        assert container_named(name).spec["image"] == f"millstream:{version}"
    assert f"millstream:{version}" in (DEPLOY / "compose.yaml").read_text(encoding="utf-8")


def test_its_ports_are_those_of_the_manifests(tmp_path: Path) -> None:
    configuration = container_named("session-jobmanager-jobmanager").configuration(tmp_path)
    assert instruction("EXPOSE").split() == [str(port) for port in ports_of(configuration).values()]


def test_its_store_is_the_one_of_the_manifests(tmp_path: Path) -> None:
    storage = container_named("session-jobmanager-jobmanager").configuration(tmp_path).get(ha.STORAGE_DIR)
    owner = " -o {} -g {} ".format(*instruction("USER").split(":"))
    assert re.search(rf"install -d{owner}-m 0750 {storage}\n", dockerfile())


def test_it_is_asked_for_its_health_by_what_it_holds() -> None:
    *_, command = instruction("HEALTHCHECK").partition(" CMD ")
    assert yaml.safe_load(command) == ["/opt/millstream/bin/python", "/opt/millstream/healthcheck.py"]
    assert "COPY deploy/healthcheck.py /opt/millstream/healthcheck.py\n" in dockerfile()


@pytest.mark.parametrize("label", ["title", "description", "licenses", "version", "revision"])
def test_it_says_what_it_is(label: str) -> None:
    assert f"org.opencontainers.image.{label}=" in instruction("LABEL")


def test_the_help_that_it_shows_knows_the_verbs_of_the_manifests() -> None:
    assert {"jobmanager", "taskmanager", "run", "list"} <= set(VERBS)
