"""The pods' own commands, taken out of the rendered manifests, run as processes of this machine, and a job passes
through the cluster that they are: what Kubernetes would start is what is tested.
"""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.manifests import DEPLOY, Container, client_pod, container_named
from tests.support.pods import Pod, Secrets, ended, loopback_addresses, security_init, wait_until_ready, zookeepers

PROGRAM = DEPLOY / "kubernetes" / "application" / "program.py"
COUNTS = {"be 2000", "is 1000", "not 1000", "or 1000", "question 1000", "that 1000", "the 1000", "to 2000"}
"""What it prints."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def client_container() -> Container:
    """That of deploy/kubernetes/client.yaml."""
    pod = client_pod()
    workload = {"kind": "Pod", "metadata": pod["metadata"], "spec": {"template": pod}}
    return Container("session", workload, pod["spec"]["containers"][0])


class Session:
    """The cluster of deploy/kubernetes/session: two JobManagers, two TaskManagers (a third would show nothing more)."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        names = ("jobmanager-0", "jobmanager-1", "taskmanager-0", "taskmanager-1", "client")
        addresses = dict(zip(names, loopback_addresses(len(names)), strict=True))
        jobmanagers = (address for name, address in addresses.items() if "jobmanager" in name)
        secrets = Secrets(directory, security_init(*jobmanagers))
        ensemble = stack.enter_context(
            zookeepers(container_named("session-zookeeper-zookeeper"), directory / "zookeeper", secrets)
        )
        called = (
            {f"zookeeper-{number}.zookeeper-peers:2181": ensemble.host(number) for number in ensemble.servers}
            | {f"{name}.jobmanager-peers.millstream.svc": addresses[name] for name in ("jobmanager-0", "jobmanager-1")}
            | {"jobmanager.millstream.svc": addresses["jobmanager-0"]}
        )
        self.pods = {
            name: Pod(name, address, directory / name, directory / "shared", secrets, called)
            for name, address in addresses.items()
        }
        stack.enter_context(ended(list(self.pods.values())))
        self.client, self._client = self.pods.pop("client"), client_container()
        self.running = {
            name: (pod, container_named("session-{0}-{0}".format(name.partition("-")[0])))
            for name, pod in self.pods.items()
        }
        for pod, container in self.running.values():
            pod.start(container)

    def command(self, *words: str) -> str:
        """In the client's pod: what it prints; it has to end well."""
        done = self.client.run(self._client, "millstream", *words)
        assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *(pod.tail() for pod in self.pods.values())])
        return done.stdout

    def grace(self, name: str) -> int:
        """In seconds."""
        seconds: int = self.running[name][1].pod["terminationGracePeriodSeconds"]
        return seconds


@pytest.fixture
def session(tmp_path: Path) -> Generator[Session]:
    with ExitStack() as stack:
        yield Session(tmp_path, stack)


def test_a_job_passes_through_the_session_cluster(session: Session) -> None:
    wait_until_ready(session.running)

    printed = session.command("run", str(PROGRAM))
    assert set(printed.splitlines()) >= COUNTS
    # Whichever of the two is asked, also the one that doesn't lead.
    for name in ("jobmanager-0", "jobmanager-1"):
        listed = session.command("list", "--all", "-m", f"{session.pods[name].address}:6123")
        assert "words" in listed
        assert "FINISHED" in listed

    for name, (pod, container) in reversed(session.running.items()):
        process = pod.processes[container.spec["name"]]
        process.popen.terminate()
        assert process.popen.wait(session.grace(name)) == 0, pod.tail()


def test_a_program_runs_on_a_cluster_of_its_own_which_ends_with_it(tmp_path: Path) -> None:
    process = container_named("application-application-process")
    program = container_named("application-application-program")
    addresses = loopback_addresses(process.workload["spec"]["completions"])
    secrets = Secrets(tmp_path, security_init(addresses[0]))
    names = {"application-0.application": addresses[0]}
    pods = [
        Pod(f"application-{index}", address, tmp_path / f"pod-{index}", tmp_path / "shared", secrets, names)
        for index, address in enumerate(addresses)
    ]
    with ended(pods):
        for index, pod in enumerate(pods):
            pod.start(process, {"JOB_COMPLETION_INDEX": str(index)})
        wait_until_ready({pod.name: (pod, process) for pod in pods})
        first, *others = (pod.start(program, {"JOB_COMPLETION_INDEX": str(index)}) for index, pod in enumerate(pods))
        code = first.popen.wait(60)
        printed = first.log.read_text(encoding="utf-8")
        assert code == 0, "\n".join([printed, *(pod.tail() for pod in pods)])
        assert set(printed.splitlines()) >= COUNTS
        # The container is started once more, as when its pod was moved: the program isn't.
        again = pods[0].start(program, {"JOB_COMPLETION_INDEX": "0"})
        assert again.popen.wait(60) == 0
        assert "'words': 'FINISHED'" in again.log.read_text(encoding="utf-8")
        # As the Job has succeeded, Kubernetes ends the other pods: first what waits, then the sidecars.
        for waiting in others:
            waiting.popen.terminate()
            assert waiting.popen.wait(10) == 143
        for pod in reversed(pods):
            sidecar = pod.processes["process"]
            sidecar.popen.terminate()
            assert sidecar.popen.wait(process.pod["terminationGracePeriodSeconds"]) == 0, pod.tail()
