"""compose.yaml says what the program's table says, and publishes nothing but the clients' ports on this host alone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millstream.cli.main import VERBS
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import health, jobmanager, taskmanager
from millstream_dataflow.configuration.options import high_availability as ha
from millstream_dataflow.configuration.options import security as tls
from millstream_dataflow.configuration.quantities import DURATION
from millstream_dataflow.configuration.rules import Listener, check_binding
from millstream_runtime.configuration import CONFIGURATION_DIRECTORY_VARIABLE, read_configuration
from tests.support.manifests import DEPLOY, compose

JOBMANAGERS = ("jobmanager-1", "jobmanager-2")
TASKMANAGERS = ("taskmanager-1", "taskmanager-2")
PROCESSES = (*JOBMANAGERS, *TASKMANAGERS)
ALL = ("zookeeper", *PROCESSES, "client")


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def mounts(name: str) -> dict[str, str]:
    """What lies where."""
    parts = [mount.split(":") for mount in service(name)["volumes"]]
    return {part[1]: part[0] for part in parts}


def configuration(name: str) -> Configuration:
    """As the service's process reads it: an unknown key or variable fails here."""
    environment = dict(service(name)["environment"])
    if CONFIGURATION_DIRECTORY_VARIABLE in environment:
        file = f"{environment[CONFIGURATION_DIRECTORY_VARIABLE]}/millstream.yaml"
        environment[CONFIGURATION_DIRECTORY_VARIABLE] = str((DEPLOY / mounts(name)[file]).parent)
    return read_configuration(None, environment)


def test_it_has_two_of_each_and_a_zookeeper() -> None:
    assert set(compose()["services"]) == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_container_may_write_nothing_but_its_volumes_and_take_no_more_than_said(name: str) -> None:
    one = service(name)
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert any(path.startswith("/tmp:size=") for path in one["tmpfs"])
    assert set(one["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert one["image"].rpartition(":")[2][0].isdigit()


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_listens_where_the_others_reach_it_and_is_safe(name: str) -> None:
    read = configuration(name)
    assert read.get(tls.INSECURE) is False
    for host, listener in ((jobmanager.BIND_HOST, Listener.JOBMANAGER), (taskmanager.BIND_HOST, Listener.DATA_PORT)):
        assert check_binding(read.get(host), read, listener) is None
    assert read.get(health.PORT) is not None
    assert service(name)["command"] == [name.partition("-")[0]]
    assert name.partition("-")[0] in VERBS
    own = jobmanager.HOST_NAME if name in JOBMANAGERS else taskmanager.HOST_NAME
    assert read.get(own) == name


def test_only_clients_are_let_in_and_only_from_this_host() -> None:
    published = {name: ports for name in ALL if (ports := service(name).get("ports"))}
    expected = {name: configuration(name).get(jobmanager.RPC_PORT) for name in JOBMANAGERS}
    assert published == {name: [f"127.0.0.1:{port}:{port}"] for name, port in expected.items()}
    assert len(set(expected.values())) == len(JOBMANAGERS)


def test_nobody_but_the_processes_reaches_zookeeper() -> None:
    reaching = {name for name in ALL if "zookeeper" in service(name)["networks"]}
    assert reaching == {"zookeeper", *PROCESSES}
    assert compose()["networks"]["zookeeper"] == {"internal": True}
    lines = (DEPLOY / mounts("zookeeper")["/conf/zoo.cfg"]).read_text(encoding="utf-8").splitlines()
    (port,) = [line.partition("=")[2] for line in lines if line.startswith("clientPort=")]
    for name in PROCESSES:
        assert configuration(name).get(ha.QUORUM) == f"zookeeper:{port}"


@pytest.mark.parametrize("name", [*PROCESSES, "client"])
def test_every_file_that_it_reads_is_mounted(name: str, working_set: Path) -> None:
    """Those that `millstream security init` writes."""
    read = configuration(name)
    for option in (
        tls.TOKEN_FILE,
        tls.INTERNAL_KEYSTORE,
        tls.INTERNAL_TRUSTSTORE,
        tls.REST_KEYSTORE,
        tls.REST_TRUSTSTORE,
    ):
        path = read.get(option)
        if path is not None:
            folder = Path(mounts(name)[str(Path(path).parent)]).name
            assert (working_set / folder / Path(path).name).is_file()


@pytest.mark.parametrize("name", PROCESSES)
def test_what_it_stores_lies_in_the_shared_volume(name: str) -> None:
    storage = configuration(name).get(ha.STORAGE_DIR)
    assert storage is not None
    assert mounts(name)[storage] == "storage"


@pytest.mark.parametrize("name", TASKMANAGERS)
def test_a_taskmanager_has_time_to_hand_over(name: str) -> None:
    grace = DURATION.parse(service(name)["stop_grace_period"])
    assert grace >= configuration(name).get(taskmanager.SHUTDOWN_TIMEOUT) + timedelta(seconds=10)


def test_everybody_waits_for_what_it_needs() -> None:
    for name in PROCESSES:
        after = service(name)["depends_on"]
        assert set(after) == {"zookeeper", *(JOBMANAGERS if name in TASKMANAGERS else ())}
        assert {one["condition"] for one in after.values()} == {"service_healthy"}
    assert "test" in service("zookeeper")["healthcheck"]


def test_a_client_is_not_started_with_the_others() -> None:
    assert service("client")["profiles"] == ["client"]
    read = configuration("client")
    assert read.get(jobmanager.RPC_ADDRESS) in JOBMANAGERS
    assert read.get(tls.REST_ENABLED) is True
