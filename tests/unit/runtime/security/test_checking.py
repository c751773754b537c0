"""Every mistake in the files is told when a process starts, with its key, its value, its source and the mend."""

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from millstream.security.authorities import Pair
from millstream_dataflow.configuration import Configuration, ConfigurationError, Problem
from millstream_runtime.security import check_member, client_tls, internal_tls
from tests.support.certificates import LONG_AGO, WorkingSet, connected


def locked(pair: Pair, password: bytes) -> bytes:
    """Its key, with a password."""
    return pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))


def internal(configuration: Configuration) -> object:
    return internal_tls(configuration)


def rest(configuration: Configuration) -> object:
    return client_tls(configuration, serving=True)


def calling(configuration: Configuration) -> object:
    return client_tls(configuration)


class Side(NamedTuple):
    """Of a connection: the beginning of its keys, and how it reads them."""

    kind: str
    start: Callable[[Configuration], object]

    def issued(self, working_set: WorkingSet, ago: timedelta = timedelta(), days: int = 365) -> Pair:
        names = ("localhost",) if self.kind == "rest" else ()
        return working_set.issued(*names, by=self.kind, ago=ago, days=days)


SIDES = pytest.mark.parametrize(
    "side",
    [Side("internal", internal), Side("rest", rest), Side("rest", calling)],
    ids=["member", "jobmanager", "client"],
)


def mistake(side: Side, working_set: WorkingSet, **settings: str) -> Problem:
    with pytest.raises(ConfigurationError) as caught:
        side.start(working_set.configuration(**settings))
    (problem,) = caught.value.problems
    assert problem.origin is not None
    assert problem.mend
    return problem


@SIDES
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("missing", "the file can't be read: No such file"),
        ("directory", "the file can't be read: Is a directory"),
        ("huge", "the file has over"),
        ("empty", "there is no certificate in it"),
        ("key alone", "there is no certificate in it"),
        ("broken", "there is no certificate in it"),
        ("certificate alone", "there is no private key in it"),
        ("half a key", "its private key can't be read"),
        ("expired", "the certificate in it has expired, on 20"),
        ("early", "is valid from 20"),
    ],
)
def test_a_keystore_that_can_t_be_used(
    working_set: WorkingSet, tmp_path: Path, side: Side, case: str, reason: str
) -> None:
    pair, path = side.issued(working_set), tmp_path / "used.pem"
    contents = {
        "huge": bytes(2 << 20),
        "empty": b"",
        "key alone": pair.key_pem,
        "broken": pair.pem.replace(b"\nMII", b"\n$II"),
        "certificate alone": pair.certificate_pem,
        "half a key": pair.certificate_pem + pair.key_pem[:90],
        "expired": side.issued(working_set, ago=LONG_AGO).pem,
        "early": side.issued(working_set, ago=-timedelta(days=2)).pem,
    }
    if case == "directory":
        path.mkdir()
    elif case in contents:
        path.write_bytes(contents[case])
    problem = mistake(side, working_set, **{f"{side.kind}_keystore": str(path)})
    assert reason in problem.reason
    assert (problem.key, problem.value) == (f"security.ssl.{side.kind}.keystore", str(path))


@SIDES
def test_a_key_of_another_certificate(working_set: WorkingSet, tmp_path: Path, side: Side) -> None:
    path = tmp_path / "other.key"
    path.write_bytes(side.issued(working_set).key_pem)
    problem = mistake(side, working_set, **{f"{side.kind}_key": str(path)})
    assert problem.reason == "the private key in it belongs to another certificate"
    assert (problem.key, problem.value) == (f"security.ssl.{side.kind}.key", str(path))


@SIDES
@pytest.mark.parametrize(("password", "reason"), [(None, "has a password"), ("wrong", "isn't its password")])
def test_a_key_whose_password_isn_t_known(
    working_set: WorkingSet,
    tmp_path: Path,
    side: Side,
    password: str | None,
    reason: str,
) -> None:
    path = tmp_path / "locked.pem"
    pair = side.issued(working_set)
    path.write_bytes(locked(pair, b"right") + pair.certificate_pem)
    given = {} if password is None else {f"{side.kind}_key_password": password}
    problem = mistake(side, working_set, **{f"{side.kind}_keystore": str(path), **given})
    assert reason in problem.reason
    assert f"security.ssl.{side.kind}.key-password" in problem.mend
    assert "wrong" not in str(problem)


def test_a_key_with_its_password_is_used(working_set: WorkingSet, tmp_path: Path) -> None:
    path, pair = tmp_path / "locked.pem", working_set.issued()
    path.write_bytes(locked(pair, b"right") + pair.certificate_pem)
    tls = internal_tls(working_set.configuration(internal_keystore=str(path), internal_key_password="right"))
    assert tls is not None
    tls.grpc_channel_credentials()
    with connected(tls.server_context(), tls.client_context()) as (server, _):
        check_member(server)


def test_a_password_that_a_key_doesn_t_need_is_no_mistake(working_set: WorkingSet) -> None:
    assert internal_tls(working_set.configuration(internal_key_password="unneeded")) is not None


@SIDES
def test_a_truststore_without_a_certificate(working_set: WorkingSet, tmp_path: Path, side: Side) -> None:
    path = tmp_path / "ca.crt"
    path.write_text("nothing", encoding="utf-8")
    problem = mistake(side, working_set, **{f"{side.kind}_truststore": str(path)})
    assert problem.reason == "there is no certificate in it"
    assert (problem.key, problem.value) == (f"security.ssl.{side.kind}.truststore", str(path))


def test_all_mistakes_are_told_at_once(working_set: WorkingSet, tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    with pytest.raises(ConfigurationError) as caught:
        internal_tls(working_set.configuration(internal_keystore=none, internal_truststore=none))
    assert [problem.key for problem in caught.value.problems] == [
        "security.ssl.internal.keystore",
        "security.ssl.internal.truststore",
    ]


@SIDES
@pytest.mark.parametrize(("days", "warnings"), [(29, 1), (31, 0)])
def test_a_certificate_that_expires_soon_is_warned_of(
    working_set: WorkingSet,
    side: Side,
    days: int,
    warnings: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = working_set.stored(side.issued(working_set, days=days))
    assert side.start(working_set.configuration(**{f"{side.kind}_keystore": str(path)})) is not None
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * warnings
    assert caplog.text.count(f"{path} (security.ssl.{side.kind}.keystore) expires on 20") == warnings
