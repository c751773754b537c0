"""Mutual TLS between members: who isn't one is refused by real handshakes."""

import logging
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from millstream.security.authorities import SERVERS_ONLY, Pair
from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_runtime.security import INTERNAL_NAME, InternalTls, NotAMemberError, check_member, internal_tls
from tests.support.certificates import LONG_AGO, WorkingSet, connected, plain_contexts, talks


@pytest.fixture
def tls(working_set: WorkingSet) -> InternalTls:
    found = internal_tls(working_set.configuration())
    assert found is not None
    return found


def test_without_the_key_there_is_no_tls() -> None:
    assert internal_tls(Configuration()) is None


def test_members_know_each_other(tls: InternalTls) -> None:
    with connected(tls.server_context(), tls.client_context()) as (server, client):
        check_member(server)
        assert client.version() == "TLSv1.3"
        assert talks((server, client))


# ------------------------------------------------------------------------------------------ strangers who connect


def test_a_client_without_a_certificate_is_refused(tls: InternalTls, working_set: WorkingSet) -> None:
    _, nobody = plain_contexts(None, working_set.trusted())
    with (
        pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        connected(tls.server_context(), nobody),
    ):
        pass


def test_a_client_of_another_authority_is_refused(
    tls: InternalTls, working_set: WorkingSet, strangers: WorkingSet
) -> None:
    _, stranger = plain_contexts(strangers.issued(), working_set.trusted())
    with pytest.raises(ssl.SSLError, match="unable to get local issuer"), connected(tls.server_context(), stranger):
        pass


def test_a_client_whose_certificate_has_expired_is_refused(tls: InternalTls, working_set: WorkingSet) -> None:
    _, expired = plain_contexts(working_set.issued(ago=LONG_AGO), working_set.trusted())
    with pytest.raises(ssl.SSLError, match="certificate has expired"), connected(tls.server_context(), expired):
        pass


def test_a_client_whose_certificate_lacks_the_name_is_no_member(tls: InternalTls, working_set: WorkingSet) -> None:
    _, other = plain_contexts(working_set.issued("jobmanager.example.org"), working_set.trusted())
    with (
        connected(tls.server_context(), other) as (server, _),
        pytest.raises(NotAMemberError, match=f"its certificate lacks the name {INTERNAL_NAME}"),
    ):
        check_member(server)


def test_who_has_shown_no_certificate_is_no_member(tls: InternalTls, working_set: WorkingSet) -> None:
    serving, _ = plain_contexts(working_set.issued(), working_set.trusted())
    with connected(serving, tls.client_context()) as (server, _), pytest.raises(NotAMemberError, match="shown no cert"):
        check_member(server)


def test_a_client_of_an_older_tls_is_refused(tls: InternalTls, working_set: WorkingSet) -> None:
    _, old = plain_contexts(working_set.issued(), working_set.trusted())
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"), connected(tls.server_context(), old):
        pass


def test_tls_1_2_is_spoken_where_it_may_be(working_set: WorkingSet) -> None:
    tls = internal_tls(working_set.configuration(protocol="TLSv1.2"))
    assert tls is not None
    _, old = plain_contexts(working_set.issued(), working_set.trusted())
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with connected(tls.server_context(), old) as (server, client):
        check_member(server)
        assert client.version() == "TLSv1.2"


# -------------------------------------------------------------------------------------------- strangers who serve


def test_a_server_of_another_authority_is_refused(tls: InternalTls, strangers: WorkingSet) -> None:
    serving, _ = plain_contexts(strangers.issued(), strangers.trusted())
    with pytest.raises(ssl.SSLError, match="VERIFY_FAILED"), connected(serving, tls.client_context()):
        pass


def test_a_server_whose_certificate_lacks_the_name_is_refused(tls: InternalTls, working_set: WorkingSet) -> None:
    serving, _ = plain_contexts(working_set.issued("localhost"), working_set.trusted())
    with pytest.raises(ssl.SSLError, match="Hostname mismatch"), connected(serving, tls.client_context()):
        pass


def test_what_the_authority_of_clients_signs_is_no_member(tls: InternalTls, working_set: WorkingSet) -> None:
    serving, _ = plain_contexts(working_set.issued(by="rest"), working_set.trusted())
    with pytest.raises(ssl.SSLError, match="VERIFY_FAILED"), connected(serving, tls.client_context()):
        pass


# -------------------------------------------------------------------------------------------------------- renewal


def serial(connection: ssl.SSLSocket) -> int:
    shown = connection.getpeercert()
    assert shown is not None
    return int(str(shown["serialNumber"]), 16)


def test_a_renewed_certificate_serves_the_next_connection_and_disturbs_no_open_one(
    tls: InternalTls, working_set: WorkingSet
) -> None:
    with connected(tls.server_context(), tls.client_context()) as before:
        new = working_set.issued()
        working_set.stored(new).replace(working_set.cluster / "internal.pem")
        with connected(tls.server_context(), tls.client_context()) as after:
            check_member(after[0])
            assert serial(after[0]) == serial(after[1]) == new.certificate.serial_number != serial(before[0])
            assert talks(after)
        assert talks(before)


def test_a_session_is_never_resumed(tls: InternalTls) -> None:
    context = tls.client_context()
    with connected(tls.server_context(), context) as ends:
        assert talks(ends)
        assert ends[1].session is None or not ends[1].session.has_ticket


@pytest.fixture
def apart(working_set: WorkingSet) -> Path:
    """The certificate in one file, its key in another, as other tools write them."""
    pair = working_set.issued()
    _store(working_set.directory, pair)
    return working_set.directory


def _store(directory: Path, pair: Pair) -> None:
    (directory / "a.crt").write_bytes(pair.certificate_pem)
    (directory / "a.key").write_bytes(pair.key_pem)


def test_while_a_renewal_is_half_written_the_former_certificate_stays_in_use(
    working_set: WorkingSet, apart: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = internal_tls(
        working_set.configuration(internal_keystore=str(apart / "a.crt"), internal_key=str(apart / "a.key"))
    )
    assert tls is not None
    former, new = tls.server_context(), working_set.issued()
    (apart / "a.crt").write_bytes(new.certificate_pem)
    assert tls.server_context() is former
    (apart / "a.key").write_bytes(b"")
    assert tls.server_context() is former
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "what they held before stays in use" in caplog.text
    (apart / "a.key").write_bytes(new.key_pem)
    with connected(tls.server_context(), tls.client_context()) as (server, _):
        assert serial(server) == new.certificate.serial_number


@pytest.mark.parametrize("case", ["stranger", "expired", "nameless"])
def test_a_renewed_certificate_that_no_member_would_accept_is_not_taken(
    tls: InternalTls, working_set: WorkingSet, strangers: WorkingSet, case: str
) -> None:
    wrong = {
        "stranger": strangers.issued(),
        "expired": working_set.issued(ago=LONG_AGO),
        "nameless": working_set.issued("localhost"),
    }[case]
    former = tls.server_context()
    working_set.stored(wrong).replace(working_set.cluster / "internal.pem")
    assert tls.server_context() is former


@pytest.mark.parametrize(
    ("names", "days", "reason"),
    [
        (("localhost",), 365, "Hostname mismatch"),
        (("Internal.Millstream",), 365, f"lacks the name {INTERNAL_NAME}"),  # who connects would take it
        ((INTERNAL_NAME,), 1, "has expired"),
    ],
)
def test_at_start_a_certificate_that_no_member_would_accept_is_a_mistake(
    working_set: WorkingSet, names: tuple[str, ...], days: int, reason: str
) -> None:
    path = working_set.stored(working_set.issued(*names, ago=timedelta(days=2), days=days))
    with pytest.raises(ConfigurationError, match=reason) as caught:
        internal_tls(working_set.configuration(internal_keystore=str(path)))
    (problem,) = caught.value.problems
    assert (problem.key, problem.value) == ("security.ssl.internal.keystore", str(path))
    assert problem.mend


def test_at_start_a_certificate_that_can_t_connect_is_a_mistake(working_set: WorkingSet) -> None:
    path = working_set.stored(working_set.issued(usages=SERVERS_ONLY))
    with pytest.raises(ConfigurationError, match="unsuitable certificate purpose"):
        internal_tls(working_set.configuration(internal_keystore=str(path)))


def test_at_start_a_certificate_of_another_authority_is_a_mistake(
    working_set: WorkingSet, strangers: WorkingSet
) -> None:
    path = working_set.stored(strangers.issued())
    with pytest.raises(ConfigurationError, match=r"unable to get local issuer.*security\.ssl\.internal\.truststore"):
        internal_tls(working_set.configuration(internal_keystore=str(path)))
