"""Workers of two hosts with mutual TLS between them: members meet, nobody else gets in, and nobody else is heard."""

import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from millstream_dataflow.records import ColumnBatch, End, RowBatch, Watermark
from millstream_taskmanager.exchange.frames import NO_CHANNEL, Kind, pack_header
from millstream_taskmanager.exchange.handshake import NONCE_SIZE, Connector, Party
from millstream_taskmanager.exchange.peers import PeerSettings
from millstream_taskmanager.exchange.preface import encode_preface
from millstream_taskmanager.exchange.tls import TlsError, TlsWires, wires_between_hosts
from millstream_taskmanager.exchange.wire import ON_BOTH, PlainWires, Wires, begins_tls
from tests.support.certificates import WorkingSet, plain_contexts
from tests.support.wire import ATTEMPT, SECRET, DataPort, WireLoop, WireWorker, deployment, impatient, worker
from tests.unit.taskmanager.exchange.hosts import Hosts, Stranger, wires
from tests.unit.taskmanager.exchange.wires import SteppedLoop, begin, collect, send

HELLO = Connector(Party(worker(0), ATTEMPT, SECRET), worker(1), bytes(NONCE_SIZE)).hello()
PLAIN_HELLO = pack_header(Kind.HELLO, 0, NO_CHANNEL, 0, len(HELLO)) + HELLO


class Clusters(NamedTuple):
    """Two, of which each knows its own members."""

    members: WorkingSet
    others: WorkingSet


Meet = Callable[..., Hosts]


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Clusters:
    directory = tmp_path_factory.mktemp("clusters")
    return Clusters(WorkingSet(directory / "members"), WorkingSet(directory / "others"))


@pytest.fixture
def members(clusters: Clusters) -> WorkingSet:
    return clusters.members


@pytest.fixture
def others(clusters: Clusters) -> WorkingSet:
    return clusters.others


@pytest.fixture
def loop() -> Iterator[SteppedLoop]:
    loop = SteppedLoop()
    yield loop
    loop.close()


@pytest.fixture
def meet(loop: WireLoop, tmp_path: Path) -> Iterator[Meet]:
    """Makes two hosts."""
    with ExitStack() as ends:

        def meet(one: Wires, other: Wires, settings: PeerSettings | None = None, **more: tuple[bytes, bytes]) -> Hosts:
            hosts = Hosts(loop, tmp_path, (one, other), settings, **more)
            ends.callback(hosts.port.close)
            return hosts

        yield meet


@pytest.fixture
def hosts(meet: Meet, members: WorkingSet) -> Hosts:
    return meet(wires(members), wires(members))


def test_what_is_sent_arrives(loop: WireLoop, hosts: Hosts) -> None:
    out, gate = hosts.connected()
    batch = ColumnBatch(pa.record_batch({"n": np.arange(100_000)}), np.arange(100_000))
    send(out, RowBatch(["first"]), batch, Watermark(1), RowBatch(["last"]), End())
    found = collect(loop, gate, lambda found: End() in found)
    assert [found[0], *found[2:]] == [RowBatch(["first"]), Watermark(1), RowBatch(["last"]), End()]
    assert isinstance(found[1], ColumnBatch)
    assert found[1].columns.equals(batch.columns)
    assert hosts.losses() == []


def test_nothing_but_the_preface_goes_in_clear(loop: WireLoop, tmp_path: Path, members: WorkingSet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        region = deployment(tmp_path, machines=["a", "b"], ports=[0, server.getsockname()[1]])
        one = WireWorker(loop, region, 0, replace(PeerSettings(), wires=wires(members)))
        one.writer(worker(1))
        one.begin()
        for _ in range(3):
            loop.turn()
        far, _ = server.accept()
        with far:
            said = far.recv(10_000)
    preface = encode_preface(worker(1))
    assert said.startswith(preface)
    assert begins_tls(said[len(preface) :])
    assert str(ATTEMPT.job).encode() not in said[len(preface) :]


def test_workers_of_one_machine_need_none(loop: WireLoop, tmp_path: Path, others: WorkingSet) -> None:
    """Their sockets are in a private directory."""
    region = deployment(tmp_path)
    one = WireWorker(loop, region, 0, replace(PeerSettings(), wires=wires(others)))
    other = WireWorker(loop, region, 1)
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    begin(one, other)
    send(out, RowBatch([1]))
    assert collect(loop, gate, len) == [RowBatch([1])]


def test_where_all_are_on_one_machine_nobody_is_heard_who_comes_through_the_data_port(
    loop: WireLoop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even one who would know the secret: the worker has no TLS then, whatever the cluster has."""
    region, port = deployment(tmp_path), DataPort(loop)
    one, other = (WireWorker(loop, region, ordinal) for ordinal in range(2))
    port.workers[worker(1)] = other.peers
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    other.begin()
    with socket.create_connection(("127.0.0.1", port.port)) as stranger:
        stranger.sendall(encode_preface(worker(1)))
        loop.until(lambda: caplog.messages)
        with suppress(ConnectionError):  # it may be closed before that
            stranger.sendall(PLAIN_HELLO)
        with suppress(ConnectionError):
            assert stranger.recv(1_000) == b""
    [line] = caplog.messages
    assert line.endswith("closed a connection: it came through the data port, and the whole region is on this machine")
    one.begin()
    send(out, RowBatch([1]))
    assert collect(loop, gate, len) == [RowBatch([1])]
    port.close()


def _without_certificate(clusters: Clusters, stranger: Stranger) -> Callable[[], bool]:
    return stranger.begin_tls(plain_contexts(None, clusters.members.trusted())[1])


def _of_another_cluster(clusters: Clusters, stranger: Stranger) -> Callable[[], bool]:
    return stranger.begin_tls(plain_contexts(clusters.others.issued(), clusters.members.trusted())[1])


def _expired(clusters: Clusters, stranger: Stranger) -> Callable[[], bool]:
    members = clusters.members
    return stranger.begin_tls(plain_contexts(members.issued(ago=timedelta(days=9), days=1), members.trusted())[1])


def _without_the_name(clusters: Clusters, stranger: Stranger) -> Callable[[], bool]:
    members = clusters.members
    return stranger.begin_tls(plain_contexts(members.issued("somebody"), members.trusted())[1])


def _in_clear(_: Clusters, stranger: Stranger) -> Callable[[], bool]:
    stranger.say(PLAIN_HELLO)
    return stranger.closed


def _garbage(_: Clusters, stranger: Stranger) -> Callable[[], bool]:
    stranger.say(b"GET / HTTP/1.1\r\n\r\n" * 10_000)
    return stranger.closed


def _garbage_like_tls(_: Clusters, stranger: Stranger) -> Callable[[], bool]:
    stranger.say(b"\x16\x03\x01\x01\x00" + b"\x07" * 100_000)
    return stranger.closed


Arrive = Callable[[Clusters, Stranger], Callable[[], bool]]
STRANGERS: Mapping[Arrive, str] = {
    _without_certificate: "it is no member of this cluster: it has shown no certificate",
    _of_another_cluster: "no member of this cluster: its certificate is of no authority in security.ssl.internal.",
    _expired: "it is no member of this cluster: certificate has expired",
    _without_the_name: "no member of this cluster: its certificate lacks the name internal.millstream",
    _in_clear: f"it doesn't speak TLS: {ON_BOTH}",
    _garbage: f"it doesn't speak TLS: {ON_BOTH}",
    _garbage_like_tls: "TLS failed: ",
}


@pytest.mark.parametrize("arrive", STRANGERS)
def test_a_stranger_is_refused_with_one_line_and_harms_nobody(
    arrive: Arrive,
    loop: WireLoop,
    hosts: Hosts,
    clusters: Clusters,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out, gate = hosts.connected()
    send(out, RowBatch([1]))
    collect(loop, gate, len)
    stranger = Stranger(hosts)
    loop.until(arrive(clusters, stranger))
    [line] = caplog.messages
    assert line.startswith(f"{worker(1)} closed a connection: ")
    assert STRANGERS[arrive] in line
    send(out, RowBatch([2]))
    assert collect(loop, gate, len) == [RowBatch([2])]
    assert hosts.losses() == []
    stranger.close()


def test_who_says_nothing_or_stops_in_the_middle_is_closed_in_time_while_others_go_on(
    loop: WireLoop, meet: Meet, members: WorkingSet, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(impatient(), deploy_timeout=10_000)
    hosts = meet(wires(members), wires(members), settings)
    silent, half = Stranger(hosts), Stranger(hosts)
    half.say(b"\x16\x03\x01\x02\x00" + b"\x01")
    loop.until(lambda: len(hosts.other.peers._greetings) == 2)
    out, gate = hosts.connected()
    send(out, RowBatch([1]))
    assert collect(loop, gate, len) == [RowBatch([1])]
    assert caplog.messages == []
    loop.until(lambda: caplog.text.count("no handshake within 200 ms") == 2)
    loop.until(lambda: silent.closed() and half.closed())
    assert hosts.losses() == []
    silent.close()
    half.close()


def test_a_member_who_does_not_know_the_secret_is_refused(loop: WireLoop, meet: Meet, members: WorkingSet) -> None:
    hosts = meet(wires(members), wires(members), impatient(), secrets=(b"a", b"b"))
    hosts.connected()
    loop.until(lambda: hosts.one.losses)
    assert "doesn't know the secret" in hosts.losses()[0]


@pytest.mark.parametrize("with_tls", [0, 1])
def test_hosts_with_and_without_tls_can_not_talk_and_say_why(
    with_tls: int, loop: WireLoop, meet: Meet, members: WorkingSet, caplog: pytest.LogCaptureFixture
) -> None:
    """Both of them."""
    between = (wires(members), PlainWires()) if with_tls == 0 else (PlainWires(), wires(members))
    hosts = meet(*between, impatient())
    hosts.connected()
    loop.until(lambda: hosts.one.losses)
    words = [f"it doesn't speak TLS: {ON_BOTH}", f"it speaks TLS, and we don't: {ON_BOTH}"]
    assert hosts.losses()[0].endswith(words[with_tls])
    assert words[1 - with_tls] in caplog.text


def test_both_ends_say_that_a_member_of_another_cluster_is_none(
    loop: WireLoop, meet: Meet, clusters: Clusters, caplog: pytest.LogCaptureFixture
) -> None:
    hosts = meet(wires(clusters.members), wires(clusters.others), impatient())
    hosts.connected()
    loop.until(lambda: hosts.one.losses)
    assert "its certificate is of no authority in security.ssl.internal.truststore" in hosts.losses()[0]
    assert "it ended TLS with us: unknown ca" in caplog.text


def test_who_is_refused_hears_it(
    loop: WireLoop, meet: Meet, clusters: Clusters, caplog: pytest.LogCaptureFixture
) -> None:
    """With TLS 1.3 it comes behind its own handshake."""
    members, others = clusters
    stored = str(others.stored(others.issued()))
    both = str(_bundle(members, others))
    trusting = wires(members, internal_keystore=stored, internal_key=stored, internal_truststore=both)
    hosts = meet(trusting, wires(members), impatient())
    hosts.connected()
    loop.until(lambda: hosts.one.losses)
    assert hosts.losses()[0].endswith("the last one: it ended TLS with us: unknown ca")
    assert "no member of this cluster: its certificate is of no authority in security.ssl" in caplog.text


def _bundle(*sets: WorkingSet) -> Path:
    """Who trusts both."""
    path = sets[0].directory / "both.pem"
    path.write_bytes(b"".join((each.directory / "authorities/internal-ca.crt").read_bytes() for each in sets))
    return path


def test_a_connection_uses_the_certificates_as_they_are_by_then(
    loop: WireLoop, meet: Meet, tmp_path: Path, others: WorkingSet
) -> None:
    renewed = WorkingSet(tmp_path / "set")
    hosts = meet(wires(renewed), wires(others))
    for file in others.cluster.iterdir():
        if file.suffix != ".yaml":
            shutil.copy(file, renewed.cluster)
    out, gate = hosts.connected()
    send(out, RowBatch([1]))
    assert collect(loop, gate, len) == [RowBatch([1])]


def test_a_host_that_is_dropped_as_silent_is_told_with_what_kept_it_away(
    loop: WireLoop, meet: Meet, members: WorkingSet
) -> None:
    hosts = meet(wires(members), PlainWires())
    hosts.connected()
    [dialler] = hosts.one.peers._diallers.values()
    loop.until(lambda: "TLS" in str(dialler))
    hosts.one.peers.drop(hosts.other.placement.taskmanager, "it has been silent for 15 s")
    hosts.other.peers.drop(hosts.one.placement.taskmanager, "it has been silent for 15 s")
    one, other = hosts.losses()
    assert one.startswith("it has been silent for 15 s; no connection by ")
    assert one.endswith(f"it doesn't speak TLS: {ON_BOTH}")
    assert other.startswith("it has been silent for 15 s; the last connection that came was closed: it speaks TLS")


def test_the_cluster_s_configuration_says_whether_there_is_tls(members: WorkingSet) -> None:
    assert isinstance(wires_between_hosts(members.configuration()), TlsWires)
    assert isinstance(wires_between_hosts(members.configuration(internal_enabled="false")), PlainWires)


def test_files_that_can_not_be_used_are_no_mistake_of_the_user(members: WorkingSet) -> None:
    """His job is to be restarted."""
    broken = members.configuration(internal_keystore=str(members.directory / "nowhere.pem"))
    with pytest.raises(TlsError, match=r"no connection with workers of other hosts can be made: .*nowhere\.pem"):
        wires_between_hosts(broken)
