"""A cluster that listens for every host, as a person sets it up: what it does for those it knows, and for others."""

import re
import socket
import ssl
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

import pytest
from cryptography import x509

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId, TaskManagerId, worker_id
from millstream_runtime.configuration import read_configuration
from millstream_runtime.security import INTERNAL_NAME, InternalTls
from millstream_runtime.states import JobState
from millstream_taskmanager.exchange.preface import encode_preface
from millstream_taskmanager.service.pings import PROOF_SIZE, PingSender, encode_ping_preface
from tests.integration.programs import WINDOW, windows
from tests.integration.test_health import health_port, listening
from tests.support.jobs import PacedEvents, truth, window_rows
from tests.support.safe_clusters import SafeCluster, millstream, working_set
from tests.unit.runtime.security.test_hello import HELLO

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

COUNT, KEYS = 20_000, 10
UNREACHABLE, REFUSED = 3, 4
"""Exit codes."""


@contextmanager
def job_meanwhile(cluster: SafeCluster, directory: Path) -> Generator[JobId]:
    """One that runs, exchanges records between the hosts and takes checkpoints; to its end, in its first attempt."""
    (directory / "held").touch()
    env = cluster.environment(**{"execution.checkpointing.interval": "100 ms", "parallelism.default": 2})
    windows(env, PacedEvents(COUNT, splits=2, rate=4_000, keys=KEYS, held=str(directory / "held")), directory / "out")
    job = env.execute_async("safe").get_job_id()
    cluster.wait_for_state(job, JobState.RUNNING)
    yield job
    (directory / "held").unlink()
    details = cluster.wait_for_state(job, JobState.FINISHED)
    assert {task.attempt for task in details.tasks} == {1}
    assert window_rows(directory / "out") == truth(COUNT, KEYS, WINDOW)


def test_a_job_runs_through_and_its_client_sees_it(cluster: SafeCluster, tmp_path: Path) -> None:
    """Nobody has allowed anything insecure, and nobody warns of it."""
    with job_meanwhile(cluster, tmp_path) as job:
        listed = cluster.asks("list", "--all")
        assert listed.returncode == 0, listed.stderr
        assert job in listed.stdout
    logs = "".join(process.log.read_text(encoding="utf-8") for process in cluster.processes())
    assert "LISTENING" not in logs
    assert cluster.jobmanager is not None
    table = Path(f"/proc/{cluster.jobmanager.pid}/net/tcp").read_text(encoding="utf-8")
    assert f"00000000:{cluster.port:04X}" in table


def test_whoever_it_doesn_t_know_is_refused_in_words(cluster: SafeCluster, tmp_path: Path) -> None:
    """What the JobManager says itself isn't asked for again."""
    (tmp_path / "wrong").write_text("w" * 43, encoding="utf-8")
    (tmp_path / "wrong").chmod(0o600)
    token = cluster.asks("list", "-D", f"security.token-file={tmp_path}/wrong", "-D", "client.timeout=1 h")
    assert token.returncode == REFUSED
    assert "show a token it knows; set security.token-file" in token.stderr
    plain = millstream("list", "-m", f"localhost:{cluster.port}", "-D", "client.timeout=500 ms", cwd=tmp_path)
    assert plain.returncode == UNREACHABLE
    assert "does it want TLS? set security.ssl.rest.enabled" in plain.stderr


def test_a_taskmanager_of_another_cluster_doesn_t_come_in(cluster: SafeCluster, tmp_path: Path) -> None:
    assert cluster.jobmanager is not None
    log, others = cluster.jobmanager.log, working_set(tmp_path) / "cluster"
    own = {f"security.ssl.internal.{key}": f"{others}/{file}" for key, file in FILES.items()}
    stranger = cluster.start_taskmanager(7, 1, own)
    words = "its certificate isn't accepted: "
    cluster.until(lambda: words in log.read_text(encoding="utf-8") or HUNG_UP in stranger.tail(), 20, "it is refused")
    assert cluster.slots() == 2
    stranger.stop()
    del cluster.taskmanagers[7]


FILES = {"keystore": "internal.pem", "truststore": "internal-ca.crt"}
HUNG_UP = "can't be reached"
"""It doesn't know the JobManager either, and whoever is first hangs up."""


def test_slow_peers_on_every_port_hold_up_nobody(cluster: SafeCluster, tmp_path: Path) -> None:
    """They are silent, or stop in the middle of a ClientHello or behind it; a job goes on, and a TaskManager comes. The
    data ports give them half a second; the others' ten are too long for a test of processes.
    """
    with ExitStack() as peers, job_meanwhile(cluster, tmp_path):
        ports = {port for process in cluster.processes() for port in listening(process.pid)}
        data = ports - {cluster.port, *map(health_port, cluster.processes())}
        assert len(ports) == 1 + 3 + 2
        assert len(data) == 2
        slow: dict[int, list[socket.socket]] = {port: [] for port in ports}
        for port, said in product(ports, (b"", HELLO[:1], HELLO[:-1], HELLO)):
            for _ in range(40):
                slow[port].append(peers.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)))
                slow[port][-1].sendall(said)
        one = cluster.start_taskmanager(8, 1)
        cluster.wait_for_slots(3)
        assert cluster.asks("list").returncode == 0
        one.stop()
        del cluster.taskmanagers[8]
        for peer in (peer for port in data for peer in slow[port]):
            ends(peer)


def ends(peer: socket.socket) -> bytes:
    """What the other side says until it has closed."""
    said = b""
    try:
        while more := peer.recv(1 << 16):
            said += more
    except ConnectionResetError:
        pass
    return said


def test_strangers_at_the_data_port_are_not_heard_by_workers_of_one_machine(
    cluster: SafeCluster, tmp_path: Path
) -> None:
    """These have no TLS, since none of their peers comes that way, and would say so to whoever begins it."""
    with job_meanwhile(cluster, tmp_path) as job:
        workers = [worker_id(RegionAttempt(job, RegionId(0), 1), ordinal) for ordinal in range(2)]
        for process, worker in product(cluster.taskmanagers.values(), workers):
            said = encode_preface(worker) + HELLO
            [port] = re.findall(r"listens for data on port (\d+)", process.log.read_text(encoding="utf-8"))
            with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as stranger:
                stranger.sendall(said)
                assert ends(stranger) == b""


def shown(port: int, context: ssl.SSLContext, name: str, preface: bytes = b"") -> int:
    """The serial number of the certificate that is shown to whoever asks for this name."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(preface)
        with context.wrap_socket(sock, server_hostname=name) as connection:
            certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate).serial_number


def serials(cluster: SafeCluster) -> Sequence[int]:
    """Of the certificates that the JobManager's port shows members and clients, and each data port a TaskManager."""
    member = InternalTls(read_configuration(cluster.set / "cluster" / "millstream.yaml")).client_context()
    client = ssl.create_default_context(cafile=cluster.set / "client" / "rest-ca.crt")
    ping = encode_ping_preface(PingSender(TaskManagerId("asks"), bytes(PROOF_SIZE), tls=True))
    data = [
        port
        for process in cluster.taskmanagers.values()
        for port in listening(process.pid)
        if port != health_port(process)
    ]
    assert len(data) == 2
    to_jobmanager = (shown(cluster.port, member, INTERNAL_NAME), shown(cluster.port, client, "localhost"))
    return (*to_jobmanager, *(shown(port, member, INTERNAL_NAME, ping) for port in data))


def written(cluster: SafeCluster) -> Sequence[int]:
    """The same as the files have them."""
    internal, rest = (
        x509.load_pem_x509_certificate((cluster.set / "cluster" / name).read_bytes()).serial_number
        for name in ("internal.pem", "rest.pem")
    )
    return (internal, rest, internal, internal)


def test_what_is_renewed_serves_the_next_connections_and_stops_nothing(cluster: SafeCluster, tmp_path: Path) -> None:
    """Processes that run show the new certificates, though the old ones would be good for long; and a JobManager that
    starts afterwards is joined by TaskManagers that didn't.
    """
    with job_meanwhile(cluster, tmp_path) as job:
        before, workers = written(cluster), cluster.all_workers()
        assert serials(cluster) == before
        renewed = millstream("security", "renew", str(cluster.set), cwd=tmp_path)
        assert renewed.returncode == 0, renewed.stderr
        assert not set(written(cluster)) & set(before)
        assert serials(cluster) == written(cluster)
        cluster.kill_jobmanager()
        cluster.start_jobmanager()
        cluster.wait_for_slots(2)
        cluster.wait_for_state(job, JobState.RUNNING)
        assert cluster.all_workers() == workers
        assert cluster.asks("list").returncode == 0
