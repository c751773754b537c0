"""Law 9.3: workers of two hosts talk in mutual TLS, and a host with certificates of others doesn't take part."""

from collections.abc import Generator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId
from millstream_runtime.states import JobState
from tests.integration.programs import WINDOW, windows
from tests.integration.test_cut_cable import OPTIONS
from tests.support.cables import Proxy
from tests.support.certificates import WorkingSet
from tests.support.clusters import Cluster, free_port
from tests.support.jobs import PacedEvents, truth, window_rows
from tests.support.machines import another_machine

COUNT = 4_000
KEYS = 10


class TwoHosts:
    """Each with a TaskManager, which the other reaches through a proxy that keeps what it carries."""

    def __init__(self, directory: Path, ends: ExitStack) -> None:
        self.directory = directory
        self.members = WorkingSet(directory / "members")
        self.others = WorkingSet(directory / "others")
        self.cluster = Cluster(directory)
        self.proxies: list[Proxy] = []
        self._ends = ends
        ends.callback(self._end)

    def begin(self, jobmanager: Mapping[str, str], *options: Mapping[str, str]) -> JobId:
        """The options of all processes, those that the TaskManagers have in their place, and the job that they run."""
        self.cluster.options = jobmanager
        self.cluster.start_jobmanager()
        for number, more in enumerate(options):
            own, port = f"127.0.1.{number + 1}", free_port()
            reached = f"127.0.2.{number + 1}"
            self.proxies.append(Proxy((reached, port), (own, port)))
            places = {
                "taskmanager.bind-host": own,
                "taskmanager.host": reached,
                "taskmanager.data.port": str(port),
            }
            command = another_machine(f"machine-{number}")
            self.cluster.start_taskmanager(number, 1, {**places, **more}, command)
        self.cluster.wait_for_slots(len(options))
        env = self.cluster.environment(**{"parallelism.default": 2, "restart-strategy.type": "none"})
        windows(env, PacedEvents(COUNT, 2, rate=4_000, keys=KEYS), self.directory / "out")
        return env.execute_async("two hosts").get_job_id()

    def options(self, **settings: str) -> dict[str, str]:
        """Of a process that is a member."""
        found = self.members.configuration(**settings)
        return {key: value for key, value in found.to_strings().items() if key.startswith("security.ssl.internal")}

    def _end(self) -> None:
        self.cluster.close()
        for proxy in self.proxies:
            proxy.close()


@pytest.fixture
def hosts(tmp_path: Path) -> Generator[TwoHosts]:
    with ExitStack() as ends:
        yield TwoHosts(tmp_path, ends)


def test_a_keyed_job_passes_from_host_to_host(hosts: TwoHosts) -> None:
    member = hosts.options()
    job = hosts.begin(member, member, member)
    hosts.cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert window_rows(hosts.directory / "out") == truth(COUNT, KEYS, WINDOW)
    assert sum(proxy.carried for proxy in hosts.proxies) > 10_000, "the records go through a proxy"
    logs = [process.log.read_text(encoding="utf-8") for process in hosts.cluster.taskmanagers.values()]
    assert not any("a ping connection" in log for log in logs)


def test_a_host_with_a_certificate_of_others_gets_no_records(hosts: TwoHosts) -> None:
    """The JobManager trusts both authorities; the first TaskManager doesn't. Whichever is heard first says why."""
    trusted = hosts.directory / "both.pem"
    authorities = [each.directory / "authorities/internal-ca.crt" for each in (hosts.members, hosts.others)]
    trusted.write_bytes(b"".join(path.read_bytes() for path in authorities))
    own = str(hosts.others.stored(hosts.others.issued()))
    both = hosts.options(internal_truststore=str(trusted))
    stranger = hosts.options(internal_keystore=own, internal_key=own, internal_truststore=str(trusted))
    job = hosts.begin({**OPTIONS, **both, "taskmanager.network.peer-timeout": "2 s"}, hosts.options(), stranger)
    failed = hosts.cluster.wait_for_state(job, JobState.FAILED, 40)
    said = str(failed.status.failure)
    assert "is no member of this cluster" in said or "it ended TLS with us: unknown ca" in said, said
