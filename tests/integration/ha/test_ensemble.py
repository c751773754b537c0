"""What ZooKeeper and kazoo do when servers die or run out of disk: Millstream's election stands on this.

By day only what other tests use of an ensemble; the faults of ZooKeeper come to real clusters in fault 4.
"""

import subprocess
from pathlib import Path

import pytest
from kazoo.exceptions import ConnectionLoss

from tests.support.cables import Proxy
from tests.support.clusters import alive, free_port, until
from tests.support.zookeeper import Ensemble, kazoo_client, running_ensemble

SOON_S = 20  # on a busy machine; what is said about times below holds where nothing else runs


def test_three_servers_are_one_ensemble(ensemble: Ensemble) -> None:
    assert {ensemble.leader(), *ensemble.followers()} == {1, 2, 3}
    with kazoo_client(ensemble.host(1)) as (one, _), kazoo_client(ensemble.host(2)) as (other, _):
        one.create("/three-servers", b"written at 1")
        other.sync("/three-servers")
        assert other.get("/three-servers")[0] == b"written at 1"
        assert {one.client_id[0], other.client_id[0]} <= ensemble.sessions()


def test_an_expired_session_is_lost_and_the_others_live_on(ensemble: Ensemble) -> None:
    with kazoo_client(ensemble.hosts) as (expired, states), kazoo_client(ensemble.hosts) as (other, others):
        expired.create("/expired", ephemeral=True)
        ensemble.expire(expired.client_id[0])
        until(lambda: "LOST" in states, SOON_S, "the client hears that its session is gone", lambda: str(states))
        assert other.exists("/expired") is None
        assert others == ["CONNECTED"]


def test_all_sessions_expire_at_once(ensemble: Ensemble) -> None:
    """Each client at another server."""
    with (
        kazoo_client(ensemble.host(1)) as (_, first),
        kazoo_client(ensemble.host(2)) as (_, second),
        kazoo_client(ensemble.host(3)) as (_, third),
    ):
        ensemble.expire_all()
        until(lambda: all("LOST" in states for states in (first, second, third)), SOON_S, "all are lost")


def test_a_cut_cable_is_noticed_by_the_clients_own_clock(ensemble: Ensemble) -> None:
    """ZooKeeper ends the session and closes the connection, which doesn't reach the client."""
    here = ("127.0.0.1", free_port())
    proxy = Proxy(here, ("127.0.0.1", ensemble.servers[1].port))
    try:
        with kazoo_client(f"127.0.0.1:{here[1]}", timeout_s=4) as (client, states):
            session = client.client_id[0]
            proxy.cut()
            ensemble.expire(session)
            assert states == ["CONNECTED"]
            until(lambda: states[1:] == ["SUSPENDED"], SOON_S, "the client misses an answer", lambda: str(states))
            proxy.mend()
            until(lambda: "LOST" in states, SOON_S, "the client hears of its session", lambda: str(states))
    finally:
        proxy.close()


@pytest.mark.nightly
def test_the_leader_is_killed_and_another_takes_writes(own_ensemble: Ensemble) -> None:
    """Within 0.5 to 2.5 s; each client is SUSPENDED meanwhile and keeps its session."""
    leader = own_ensemble.leader()
    assert leader is not None
    with kazoo_client(own_ensemble.hosts, timeout_s=10) as (client, states):
        session = client.client_id
        own_ensemble.kill(leader)
        client.retry(client.create, "/after", b"the leader's death")
        assert own_ensemble.leader() not in {leader, None}
        own_ensemble.restart(leader)
        assert leader in own_ensemble.followers()
        assert (client.client_id, "LOST" in states) == (session, False)


@pytest.mark.nightly
def test_without_quorum_a_client_is_suspended_and_keeps_its_session(own_ensemble: Ensemble) -> None:
    """However long that lasts: nobody is there who could expire it, and a new leader begins to count anew."""
    with kazoo_client(own_ensemble.hosts) as (client, states):
        session = client.client_id
        client.create("/before", ephemeral=True)
        own_ensemble.stop_quorum()
        until(lambda: states[-1] == "SUSPENDED", SOON_S, "the client is suspended", lambda: str(states))
        own_ensemble.restore_quorum()
        until(lambda: states[-1] == "CONNECTED", SOON_S, "the client is connected", lambda: str(states))
        assert (client.client_id, "LOST" in states) == (session, False)
        assert client.exists("/before") is not None


@pytest.mark.nightly
def test_a_leader_whose_disk_is_full_is_replaced(own_ensemble: Ensemble) -> None:
    """At its next write it ends (exit code 10), or runs on and serves nobody until there is room."""
    leader = own_ensemble.leader()
    assert leader is not None
    with kazoo_client(own_ensemble.hosts, timeout_s=10) as (client, states):
        own_ensemble.fill_disk(leader)
        client.retry(client.ensure_path, "/written")
        until(lambda: own_ensemble.leader() not in {leader, None}, SOON_S, "another leads", own_ensemble.tail)
        assert own_ensemble.servers[leader].mode() == ""
        own_ensemble.free_disk(leader)
        assert client.retry(client.exists, "/written")
        assert "LOST" not in states


@pytest.mark.nightly
def test_while_all_disks_are_full_nothing_is_written(own_ensemble: Ensemble) -> None:
    """A write ends in ConnectionLoss and clients are SUSPENDED. What was acknowledged before is there afterwards."""
    with kazoo_client(own_ensemble.hosts, timeout_s=10) as (client, states):
        client.create("/acknowledged")
        own_ensemble.fill_disk(1, 2, 3)
        with pytest.raises(ConnectionLoss):
            client.create("/refused")
        until(lambda: own_ensemble.leader() is None, SOON_S, "nobody leads", own_ensemble.tail)
        until(lambda: states[-1] == "SUSPENDED", SOON_S, "the client is suspended", lambda: str(states))
        own_ensemble.free_disk(1, 2, 3)
        assert client.retry(client.exists, "/acknowledged")
        assert "LOST" not in states


def test_a_server_whose_log_lacks_a_proposal_is_emptied_and_takes_what_the_others_have(own_ensemble: Ensemble) -> None:
    """It ends at each start. A server whose disk was full while it led, and which ran on, can have such a log."""
    (refusing, *_) = own_ensemble.followers()
    with kazoo_client(own_ensemble.hosts, timeout_s=10) as (client, _):
        for number in range(5):
            client.create(f"/proposal-{number}")
        own_ensemble.kill(refusing)
        own_ensemble.lose_proposal(refusing)
        server = own_ensemble.servers[refusing]
        for _ in range(2):
            own_ensemble.launch(refusing)
            until(lambda: not own_ensemble.is_running(refusing), SOON_S, "it has ended", own_ensemble.tail)
            assert server.refuses_its_data(), own_ensemble.tail()
        own_ensemble.empty(refusing)
        assert [path.name for path in server.data.iterdir()] == ["myid"]
        own_ensemble.start(refusing)
    with kazoo_client(own_ensemble.host(refusing)) as (client, _):
        assert sorted(client.get_children("/")) == [*(f"proposal-{number}" for number in range(5)), "zookeeper"]


def test_one_server_alone_will_do(tmp_path: Path) -> None:
    with running_ensemble(tmp_path, servers=1) as single, kazoo_client(single.hosts) as (client, _):
        assert single.leader() == 1
        client.create("/alone")
        single.restart(1)
        assert client.retry(client.exists, "/alone")


def test_close_leaves_no_process_behind(tmp_path: Path) -> None:
    """Of a frozen server neither. Descriptors and children are looked after by the leak check."""
    with running_ensemble(tmp_path, servers=1) as single:
        process = single.servers[1].process
        assert process is not None
        single.freeze(1)
    assert not alive(process.pid)
    assert process.popen.returncode == -9


def tls_settings(directory: Path) -> dict[str, object]:
    """A certificate for 127.0.0.1 that vouches for itself, made by OpenSSL's program."""
    certificate, both = directory / "certificate.pem", directory / "both.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(both), "-out", str(certificate)]
    subprocess.run([*command, *files, *subject], check=True, capture_output=True)
    both.write_text(both.read_text(encoding="utf-8") + certificate.read_text(encoding="utf-8"), encoding="utf-8")
    return {
        "ssl.keyStore.location": both,
        "ssl.keyStore.type": "PEM",
        "ssl.trustStore.location": certificate,
        "ssl.trustStore.type": "PEM",
    }


@pytest.mark.nightly
def test_the_secure_port_asks_both_sides_for_a_certificate(tmp_path: Path) -> None:
    settings = tls_settings(tmp_path)
    # kazoo shows no certificate at all, and says nothing, where it isn't given the file of the key as well.
    certificate, key = settings["ssl.trustStore.location"], settings["ssl.keyStore.location"]
    own = {"ca": certificate, "certfile": certificate, "keyfile": key}
    with (
        running_ensemble(tmp_path, servers=1, settings=settings, tls=True) as secure,
        kazoo_client(secure.secure_hosts, tls=own) as (client, states),
    ):
        client.create("/secret")
        secure.expire_all()
        until(lambda: "LOST" in states, SOON_S, "the client hears of its session", lambda: str(states))
