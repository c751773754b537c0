"""Whatever manifests say about Millstream is what Millstream's own table says: keys, values, ports, paths, verbs."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from millstream.cli.main import VERBS
from millstream_dataflow.configuration import Configuration, Option
from millstream_dataflow.configuration.options import checkpointing, health, jobmanager, taskmanager
from millstream_dataflow.configuration.options import high_availability as ha
from millstream_dataflow.configuration.options import security as tls
from millstream_dataflow.configuration.rules import Listener, check_binding
from millstream_jobmanager.service.addresses import ListenAddress
from tests.support.manifests import (
    DEPLOY,
    NAME_SERVERS,
    OURS,
    OVERLAYS,
    Container,
    container_named,
    named,
    of_kind,
    ports_of,
)

FILES_OF_CLIENTS = (tls.TOKEN_FILE, tls.REST_KEYSTORE, tls.REST_TRUSTSTORE)
FILES = (*FILES_OF_CLIENTS, tls.INTERNAL_KEYSTORE, tls.INTERNAL_TRUSTSTORE)
SECRETS = {"millstream-members": "cluster", "millstream-jobmanager": "cluster", "millstream-client": "client"}
"""Of each secret the folder of `millstream security init` whose files it holds."""

ZOOKEEPER = {"clients": 2181, "peers": 2888, "election": 3888}


@pytest.fixture(params=OURS)
def container(request: pytest.FixtureRequest) -> Container:
    return container_named(request.param)


@pytest.fixture
def configuration(container: Container, tmp_path: Path) -> Configuration:
    """As the pod's process reads it: an unknown key or variable fails here."""
    return container.configuration(tmp_path / "configuration")


def under(path: str, container: Container) -> str:
    """The mount in which a path lies."""
    (mount,) = [mount for mount in container.mounts() if path == mount or path.startswith(f"{mount}/")]
    return mount


# ------------------------------------------------------------------------------------------ each of our pods


def test_listens_where_others_reach_it_and_is_safe(container: Container, configuration: Configuration) -> None:
    assert configuration.get(tls.INSECURE) is False
    for host, listener, port in (
        (jobmanager.BIND_HOST, Listener.JOBMANAGER, "jobmanager"),
        (taskmanager.BIND_HOST, Listener.DATA_PORT, "data"),
    ):
        assert configuration.get(host) == "0.0.0.0"
        if port in container.ports():
            assert check_binding(configuration.get(host), configuration, listener) is None
    if "jobmanager" in container.ports():
        ListenAddress.configured(configuration).check_advertised(configuration)


def test_its_ports_are_those_of_its_configuration(container: Container, configuration: Configuration) -> None:
    expected = ports_of(configuration)
    assert container.ports() == {name: expected[name] for name in container.ports()}
    if container.runs_on:
        assert {"health"} < set(container.ports())
        assert configuration.get(health.BIND_HOST) == "0.0.0.0"


def test_its_probes_ask_what_the_health_port_answers(container: Container) -> None:
    asked = {name: probe["httpGet"] for name, probe in container.spec.items() if name.endswith("Probe")}
    paths = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert asked == {name: {"path": paths[name], "port": "health"} for name in asked}


def test_it_is_started_by_a_verb(container: Container) -> None:
    command = container.command()
    if "millstream" in command:
        assert command[command.index("millstream") + 1] in VERBS
    else:
        (script,) = [word for word in command if word.endswith("roles.py")]
        text = container.files(under(script, container))["roles.py"]
        said = re.findall(r"\[MILLSTREAM, (.+?)[\],]", text)
        verbs = {word for words in said for word in re.findall(r'"(\w+)"', words)} | {"jobmanager", "taskmanager"}
        assert verbs <= set(VERBS)
        assert all(f'"{verb}"' in text for verb in verbs)


def test_every_file_that_it_reads_is_in_a_secret_of_its_pod(
    container: Container, configuration: Configuration, working_set: Path
) -> None:
    """Those that `millstream security init` writes. A program is no member, though its file names a member's files."""
    files = FILES if container.ports() else FILES_OF_CLIENTS
    for option in files:
        path = configuration.get(option)
        if path is None:
            continue
        mount = under(path, container)
        folder = SECRETS[container.mounts()[mount]["secret"]["secretName"]]
        assert (working_set / folder / Path(path).name).is_file(), path


def test_what_it_stores_lies_on_the_shared_volume(container: Container, configuration: Configuration) -> None:
    directories = (ha.STORAGE_DIR, checkpointing.DIRECTORY, checkpointing.SAVEPOINT_DIRECTORY)
    for path in filter(None, map(configuration.get, directories)):
        assert container.mounts()[under(path, container)]["persistentVolumeClaim"] == {"claimName": "storage"}
    if container.runs_on:
        assert configuration.get(ha.STORAGE_DIR) is not None
    (claim,) = of_kind(container.overlay, "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_its_grace_is_above_the_time_to_hand_over(container: Container, configuration: Configuration) -> None:
    """By what docs/operations.md says for a TaskManager. A JobManager hands nothing over."""
    grace = timedelta(seconds=container.pod["terminationGracePeriodSeconds"])
    above = timedelta(seconds=20 if "data" in container.ports() else 10)
    assert grace >= configuration.get(taskmanager.SHUTDOWN_TIMEOUT) + above


def test_a_drained_taskmanager_has_the_time_that_handing_over_takes(configuration: Configuration) -> None:
    """A checkpoint and the move of its regions, whichever overlay it is of: no less than by default."""
    assert configuration.get(taskmanager.SHUTDOWN_TIMEOUT) >= taskmanager.SHUTDOWN_TIMEOUT.default


# --------------------------------------------------------------------------------------------- around them


@pytest.fixture
def leader(tmp_path: Path) -> Configuration:
    return container_named("session-jobmanager-jobmanager").configuration(tmp_path / "leader")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_and_policies_open_the_ports_of_the_table(overlay: str, tmp_path: Path) -> None:
    first = next(name for name in OURS if name.startswith(overlay))
    ports = ports_of(container_named(first).configuration(tmp_path))
    known = {**ports, **(ZOOKEEPER if overlay == "session" else {})}
    for service in of_kind(overlay, "Service"):
        for port in service["spec"]["ports"]:
            assert (port["port"], port["targetPort"]) == (known[port["name"]], port["name"])
    opened = {
        port["port"]
        for policy in of_kind(overlay, "NetworkPolicy")
        for direction in ("ingress", "egress")
        for rule in policy["spec"].get(direction, ())
        for port in rule["ports"]
    }
    assert opened == {*NAME_SERVERS, *known.values()}


@pytest.mark.parametrize(
    ("name", "by", "service"),
    [
        ("session-jobmanager-jobmanager", jobmanager.HOST_NAME, "jobmanager-peers"),
        ("application-application-program", jobmanager.RPC_ADDRESS, "application"),
    ],
)
def test_a_jobmanager_is_known_by_a_name_that_its_service_makes(
    name: str, by: Option[str], service: str, tmp_path: Path
) -> None:
    one = container_named(name)
    host = one.configuration(tmp_path).get(by)
    own = named(one.overlay, "Service", service)["spec"]
    assert own["clusterIP"] == "None"
    assert own["publishNotReadyAddresses"] is True
    if one.overlay == "session":
        assert one.workload["spec"]["serviceName"] == service
        assert host == f"POD.{service}.NAMESPACE.svc"
    else:
        assert one.pod["subdomain"] == service
        assert host == f"{one.workload['metadata']['name']}-0.{service}"


def test_zookeepers_are_those_that_the_processes_ask(leader: Configuration) -> None:
    server = container_named("session-zookeeper-zookeeper")
    spec = server.workload["spec"]
    text = server.files("/conf/zoo.cfg")["zoo.cfg"]
    first = spec["ordinals"]["start"]
    names = {
        number: f"{server.workload['metadata']['name']}-{number}.{spec['serviceName']}"
        for number in range(first, first + spec["replicas"])
    }
    lines = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    for number, name in names.items():
        assert lines[f"server.{number}"] == "{}:{peers}:{election};{clients}".format(name, **ZOOKEEPER)
    assert leader.get(ha.QUORUM) == ",".join(f"{name}:{ZOOKEEPER['clients']}" for name in names.values())
    assert server.ports() == ZOOKEEPER
    assert lines["dataDir"] in server.mounts()
    least, most = 2 * int(lines["tickTime"]), int(lines["maxSessionTimeout"])
    assert least <= leader.get(ha.SESSION_TIMEOUT).total_seconds() * 1000 <= most


def test_the_password_for_zookeeper_is_mounted_where_it_is_read(leader: Configuration) -> None:
    path = leader.get(ha.SASL_PASSWORD_FILE)
    assert path is not None
    for name in ("session-jobmanager-jobmanager", "session-taskmanager-taskmanager"):
        one = container_named(name)
        secret = one.mounts()[under(path, one)]["secret"]
        assert secret["secretName"] == "zookeeper-credentials"
        assert secret["items"] == [{"key": "password", "path": Path(path).name}]


def test_the_readme_names_every_host_in_the_certificate() -> None:
    """By which clients reach a JobManager: the service, and whatever name is announced."""
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    hosts = set(re.findall(r"--host '?([^\s']+)'?", text))
    for overlay in OVERLAYS:
        (namespace,) = [one["metadata"]["name"] for one in of_kind(overlay, "Namespace")]
        for service in of_kind(overlay, "Service"):
            if not any(port["name"] == "jobmanager" for port in service["spec"]["ports"]):
                continue
            name = service["metadata"]["name"]
            if overlay == "application":
                assert f"application-0.{name}" in hosts
            elif service["spec"].get("clusterIP") == "None":
                assert f"*.{name}.{namespace}.svc" in hosts
            else:
                assert f"{name}.{namespace}.svc" in hosts
