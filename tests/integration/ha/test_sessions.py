"""Sessions with ZooKeeper begin, are proved by names and certificates, and end in time with nothing left."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from millstream_runtime.leadership.connection import zookeeper
from millstream_runtime.leadership.discovery import find_leader
from millstream_runtime.leadership.errors import UnansweredError, ZooKeeperDeniedError
from millstream_runtime.leadership.nodes import ClusterNodes
from millstream_runtime.leadership.zookeeper import Create, SetData, ZooKeeper
from tests.integration.ha.camps import camps, eventually
from tests.integration.ha.offices import configured, connected, named, session
from tests.support.cables import Proxy
from tests.support.certificates import WorkingSet
from tests.support.clusters import free_port, until
from tests.support.zookeeper import Ensemble, running_ensemble

FEW_S = 5.0
NODES = ClusterNodes("/sessions")


def stopped(connection: ZooKeeper) -> float:
    """How long it takes."""
    begun = time.monotonic()
    connection.stop()
    return time.monotonic() - begun


@contextmanager
def no_thread_left() -> Generator[None]:
    """Of kazoo: its threads are daemons, which the leak check leaves alone; descriptors it looks after itself."""
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    assert left == set()


# ------------------------------------------------------------ the end


def test_a_session_that_ends_leaves_no_thread(ensemble: Ensemble) -> None:
    with no_thread_left():
        opened = zookeeper(configured(ensemble.hosts))
        opened.start()
        ended = connected(opened)
        assert stopped(opened) < 1
    assert ended not in ensemble.sessions()


def test_one_that_never_reached_anybody_ends_at_once() -> None:
    with no_thread_left():
        opened = zookeeper(configured(f"127.0.0.1:{free_port()}", session_timeout="60 s"))
        opened.start()
        with pytest.raises(UnansweredError, match="refused"):
            opened.ask(opened.read("/"), 0.5)
        assert stopped(opened) < 1.5


def test_one_that_was_never_answered_ends_in_time() -> None:
    """The host takes connections and is silent."""
    with no_thread_left(), closing(socket.create_server(("127.0.0.1", 0))) as silent:
        opened = zookeeper(configured(f"127.0.0.1:{silent.getsockname()[1]}", session_timeout="60 s"))
        opened.start()
        silent.accept()[0].close()
        accepted, _ = silent.accept()
        with accepted:
            assert stopped(opened) < FEW_S


@pytest.mark.nightly
def test_one_whose_host_is_gone_ends_in_time() -> None:
    """Nothing comes back from there: whoever listens has more to do than it takes, so further connections wait."""
    with (
        no_thread_left(),
        closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as full,
        closing(socket.create_connection(full.getsockname())),
    ):
        opened = zookeeper(configured(f"127.0.0.1:{full.getsockname()[1]}", session_timeout="60 s"))
        opened.start()
        with pytest.raises(UnansweredError, match="timed out"):
            opened.ask(opened.read("/"), 4)
        assert stopped(opened) < FEW_S


@pytest.mark.nightly
def test_one_whose_zookeeper_was_cut_off_or_killed_ends_in_time(own_ensemble: Ensemble) -> None:
    here = free_port()
    cable = Proxy(("127.0.0.1", here), ("127.0.0.1", own_ensemble.servers[1].port))
    try:
        with no_thread_left():
            cut_off = zookeeper(configured(f"127.0.0.1:{here}", session_timeout="60 s"))
            killed = zookeeper(configured(own_ensemble.hosts, session_timeout="60 s"))
            for opened in (cut_off, killed):
                opened.start()
                connected(opened)
            cable.cut()
            assert stopped(cut_off) < FEW_S
            own_ensemble.kill(1, 2, 3)
            assert stopped(killed) < FEW_S
    finally:
        cable.close()


@pytest.mark.nightly
async def test_candidates_end_in_time_when_zookeeper_is_frozen(own_ensemble: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, own_ensemble.hosts, 2) as election:
        await election.leader()
        own_ensemble.freeze(1, 2, 3)
        begun = time.monotonic()
        await asyncio.gather(*(camp.candidate.close() for camp in election.all))
        assert time.monotonic() - begun < FEW_S
        own_ensemble.thaw(1, 2, 3)


# ------------------------------------------------------------ answers


def test_who_is_not_answered_is_told_after_its_time(own_ensemble: Ensemble) -> None:
    with session(own_ensemble.hosts, connection_timeout="300 ms") as opened:
        connected(opened)
        own_ensemble.freeze(1, 2, 3)
        begun = time.monotonic()
        with pytest.raises(UnansweredError, match=r"has not answered for 0\.3 s"):
            opened.ask(opened.read("/"))
        assert 0.2 < time.monotonic() - begun < 1
        own_ensemble.thaw(1, 2, 3)


# ------------------------------------------------------------ SASL


JAAS = 'Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_jm="secret"; };\n'


@contextmanager
def knowing_jm(directory: Path) -> Generator[Ensemble]:
    """A server that knows `jm`, and lets others in as nobody."""
    jaas = directory / "jaas.conf"
    jaas.write_text(JAAS, encoding="utf-8")
    settings = {"authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}
    java = [f"-Djava.security.auth.login.config={jaas}"]
    with running_ensemble(directory, 1, settings, java) as single:
        yield single


@pytest.fixture(scope="module")
def sasl(tmp_path_factory: pytest.TempPathFactory) -> Generator[Ensemble]:
    with knowing_jm(tmp_path_factory.mktemp("sasl")) as single:
        yield single


def sasl_settings(tmp_path: Path, password: str) -> dict[str, object]:
    path = tmp_path / f"password-{password}"
    path.write_text(f"{password}\n", encoding="utf-8")
    return {"sasl__username": "jm", "sasl__password_file": path}


def test_a_name_that_was_proved_owns_its_nodes(sasl: Ensemble, tmp_path: Path) -> None:
    node = f"/{tmp_path.name}"
    own = sasl_settings(tmp_path, "secret")
    with session(sasl.hosts, acl="creator", **own) as jobmanager, session(sasl.hosts) as stranger:
        assert jobmanager.ask(jobmanager.commit([Create(node, b"mine")])) is None
        with pytest.raises(ZooKeeperDeniedError, match=node):
            stranger.ask(stranger.read(node))
        with pytest.raises(ZooKeeperDeniedError, match=node):
            stranger.ask(stranger.commit([SetData(node, b"yours", 0)]))
    with session(sasl.hosts, **own) as again:
        found = again.ask(again.read(node))
        assert found is not None
        assert found.data == b"mine"


async def test_a_wrong_password_is_denied_soon_and_in_words(sasl: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, sasl.hosts, 1, sasl_settings(tmp_path, "guessed")) as election:
        failure = await eventually(lambda: election.all[0].failure, "it gives up", 8)
        assert isinstance(failure, ZooKeeperDeniedError)
        assert f"ZooKeeper at {sasl.hosts} refuses the name or password of this process" in str(failure)


def test_a_client_with_a_wrong_password_is_told(sasl: Ensemble, tmp_path: Path) -> None:
    with (
        session(sasl.hosts, **sasl_settings(tmp_path, "guessed")) as opened,
        pytest.raises(ZooKeeperDeniedError, match="refuses the name or password"),
    ):
        find_leader(opened, NODES, 2)


@pytest.mark.nightly
def test_who_was_denied_goes_on_trying(tmp_path: Path) -> None:
    """A server may be mended, and processes that look for a leader don't end for that."""
    with (
        knowing_jm(tmp_path) as own,
        session(own.hosts, **sasl_settings(tmp_path, "guessed")) as opened,
    ):
        until(lambda: opened.denied, 5, "it is denied")
        (tmp_path / "jaas.conf").write_text(JAAS.replace("secret", "guessed"), encoding="utf-8")
        own.restart(1)
        assert until(lambda: not opened.denied and opened.session, 15, "it is let in")
        assert opened.ask(opened.read("/nothing")) is None


# ------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> WorkingSet:
    return WorkingSet(tmp_path_factory.mktemp("certificates"))


def authority(certificates: WorkingSet, name: str) -> Path:
    return certificates.directory / "authorities" / f"{name}-ca.crt"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, certificates: WorkingSet) -> Generator[Ensemble]:
    """It shows a certificate for 127.0.0.1 and demands one of the internal authority."""
    store = certificates.stored(certificates.issued("127.0.0.1"), "zookeeper.pem")
    settings = {
        "ssl.keyStore.location": store,
        "ssl.keyStore.type": "PEM",
        "ssl.trustStore.location": authority(certificates, "internal"),
        "ssl.trustStore.type": "PEM",
    }
    with running_ensemble(tmp_path_factory.mktemp("secured"), 1, settings, tls=True) as single:
        yield single


def tls_settings(certificates: WorkingSet, trusted: str = "internal") -> dict[str, object]:
    member = certificates.stored(certificates.issued("jm"), "member.pem")
    return {
        "ssl__enabled": "true",
        "ssl__truststore": authority(certificates, trusted),
        "ssl__keystore": member,
    }


async def test_an_election_over_tls(secured: Ensemble, tmp_path: Path, certificates: WorkingSet) -> None:
    async with camps(tmp_path, secured.secure_hosts, 2, tls_settings(certificates)) as election:
        leader = await election.leader()
        await election.leave(leader)
        successor = await election.leader()
        assert (leader.epoch, successor.epoch) == (1, 2)


def test_a_server_of_an_unknown_authority_is_not_believed(secured: Ensemble, certificates: WorkingSet) -> None:
    with session(secured.secure_hosts, **tls_settings(certificates, "rest")) as opened:
        with pytest.raises(UnansweredError, match="certificate verify failed"):
            find_leader(opened, NODES, 1)
        assert not opened.denied


def test_a_server_with_a_certificate_for_another_host_is_not_believed(
    tmp_path: Path, certificates: WorkingSet, secured: Ensemble
) -> None:
    hosts = secured.secure_hosts.replace("127.0.0.1", "localhost")
    with (
        session(hosts, **tls_settings(certificates)) as opened,
        pytest.raises(UnansweredError, match="certificate verify failed"),
    ):
        find_leader(opened, named(tmp_path), 1)


def test_who_shows_no_certificate_is_not_let_in(secured: Ensemble, certificates: WorkingSet) -> None:
    settings = tls_settings(certificates)
    del settings["ssl__keystore"]
    with session(secured.secure_hosts, **settings) as opened, pytest.raises(UnansweredError, match="connection failed"):
        find_leader(opened, NODES, 2)


def test_who_speaks_plainly_to_a_secure_port_is_not_answered(secured: Ensemble) -> None:
    with session(secured.secure_hosts) as opened, pytest.raises(UnansweredError, match="connection"):
        find_leader(opened, NODES, 1)
