"""`millstream security`: the set that init writes works, and renew keeps it working."""

import errno
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from millstream.cli.exit_codes import ExitCode
from millstream.cli.main import main
from millstream_dataflow.configuration import Listener, check_binding
from millstream_runtime.configuration import read_configuration
from millstream_runtime.security import accepted_tokens, check_member, client_tls, client_token, internal_tls
from tests.support.certificates import WorkingSet, connected, plain_contexts, talks


def security(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["security", *map(str, arguments)])


@pytest.fixture
def written(tmp_path: Path) -> Path:
    directory = tmp_path / "a set" / "it's"
    result = security("init", directory, "--host", "jm-1.example.org", "--host", "10.0.0.7")
    assert result.exit_code == ExitCode.FINISHED, result.stderr
    return directory


def test_a_cluster_that_uses_the_set_may_listen_for_everybody(written: Path) -> None:
    configuration = read_configuration(written / "cluster" / "millstream.yaml")
    for listener in Listener:
        assert check_binding("0.0.0.0", configuration, listener) is None


def test_members_that_use_the_set_know_each_other(written: Path) -> None:
    tls = internal_tls(read_configuration(written / "cluster" / "millstream.yaml"))
    assert tls is not None
    with connected(tls.server_context(), tls.client_context()) as (server, client):
        check_member(server)
        assert talks((server, client))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "jm-1.example.org", "10.0.0.7"])
def test_a_client_that_uses_the_set_is_served(written: Path, host: str) -> None:
    cluster = read_configuration(written / "cluster" / "millstream.yaml")
    client = read_configuration(written / "client" / "millstream.yaml")
    serving, calling = client_tls(cluster, serving=True), client_tls(client)
    assert serving is not None
    assert calling is not None
    known = x509.load_pem_x509_certificate(calling.for_grpc().authorities or b"")
    context = plain_contexts(None, known)[1]
    with connected(serving.server_context(), context, host) as ends:
        assert talks(ends)
    tokens, token = accepted_tokens(cluster), client_token(client)
    assert tokens is not None
    assert token is not None
    assert tokens.accepts(token)


def test_renew_serves_new_connections_and_leaves_open_ones(written: Path) -> None:
    cluster = read_configuration(written / "cluster" / "millstream.yaml")
    internal, rest = internal_tls(cluster), client_tls(cluster, serving=True)
    assert internal is not None
    assert rest is not None
    client = plain_contexts(None, x509.load_pem_x509_certificate((written / "client/rest-ca.crt").read_bytes()))[1]
    with (
        connected(internal.server_context(), internal.client_context()) as members,
        connected(rest.server_context(), client, "jm-1.example.org") as served,
    ):
        former = members[1].getpeercert(), served[1].getpeercert()
        result = security("renew", written, "--days", "10")
        assert result.exit_code == ExitCode.FINISHED, result.stderr
        with (
            connected(internal.server_context(), internal.client_context()) as new_members,
            connected(rest.server_context(), client, "jm-1.example.org") as newly_served,
        ):
            check_member(new_members[0])
            assert talks(new_members)
            assert talks(newly_served)
            new = new_members[1].getpeercert(), newly_served[1].getpeercert()
        assert talks(members)
        assert talks(served)
    for before, after in zip(former, new, strict=True):
        assert before is not None
        assert after is not None
        assert before["serialNumber"] != after["serialNumber"]
        assert before["subjectAltName"] == after["subjectAltName"]


def test_only_their_owner_reads_private_files(written: Path) -> None:
    security("renew", written)
    modes = {
        str(path.relative_to(written)): stat.S_IMODE(path.stat().st_mode)
        for path in sorted(written.rglob("*"))
        if path.is_file()
    }
    private = {name for name, mode in modes.items() if mode == 0o600}
    assert private == {
        "authorities/internal-ca.key",
        "authorities/rest-ca.key",
        "client/token",
        "cluster/internal.pem",
        "cluster/rest.pem",
        "cluster/tokens",
    }
    assert {mode for name, mode in modes.items() if name not in private} == {0o644}
    assert not any(b"PRIVATE KEY" in (written / name).read_bytes() for name in modes.keys() - private)


def test_it_says_what_it_wrote_and_how_to_go_on(tmp_path: Path) -> None:
    result = security("init", tmp_path / "set", "--host", "*.svc", "--host", "fd00::7")
    for path in (tmp_path / "set").rglob("*.*"):
        assert f"wrote {path}" in result.stdout
    assert f"millstream jobmanager --config {tmp_path}/set/cluster/millstream.yaml --host 0.0.0.0" in result.stdout
    assert "-m [fd00::7]:6123" in result.stdout
    assert f"wrote {tmp_path}/set/cluster/rest.pem" in security("renew", tmp_path / "set").stdout


@pytest.mark.parametrize("occupied", ["file", "directory"])
def test_nothing_is_overwritten(tmp_path: Path, occupied: str) -> None:
    place = tmp_path / "set"
    if occupied == "file":
        place.write_text("mine", encoding="utf-8")
    else:
        place.mkdir()
        (place / "mine").touch()
    before = sorted(tmp_path.rglob("*"))
    result = security("init", place)
    assert result.exit_code == ExitCode.USAGE
    assert f"{place} isn't empty, and nothing is overwritten" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert security("init", tmp_path / "set").exit_code == ExitCode.FINISHED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


def test_what_can_t_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = security("init", tmp_path / "file" / "set")
    assert result.exit_code == ExitCode.FAILED
    assert str(tmp_path / "file") in result.stderr


@pytest.mark.parametrize("call", ["mkdir", "rename"])
def test_what_fails_is_said_in_words_and_names_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(path: object, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, call, refuse)
    result = security("init", tmp_path / "set")
    assert result.exit_code == ExitCode.FAILED
    assert result.stderr == f"Error: {tmp_path}/set can't be used: Permission denied\n"
    assert list(tmp_path.iterdir()) == []


def test_a_renewal_that_fails_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = WorkingSet(tmp_path / "set")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = security("renew", found.directory)
    assert result.exit_code == ExitCode.FAILED
    assert result.stderr == f"Error: {found.cluster}/internal.pem can't be used: No space left on device\n"


def test_renew_of_something_else_is_a_wrong_use(tmp_path: Path) -> None:
    result = security("renew", tmp_path)
    assert result.exit_code == ExitCode.USAGE
    assert f"{tmp_path}/authorities/internal-ca.crt is missing" in result.stderr
    found = WorkingSet(tmp_path / "set")
    (found.cluster / "internal.pem").write_text("something else", encoding="utf-8")
    result = security("renew", found.directory)
    assert result.exit_code == ExitCode.USAGE
    assert "holds something else" in result.stderr


@pytest.mark.parametrize("host", ["", " ", "*.", "a b"])
def test_what_is_no_host_is_shown_as_it_was_written(tmp_path: Path, host: str) -> None:
    result = security("init", tmp_path / "set", "--host", host)
    assert result.exit_code == ExitCode.USAGE
    assert f"{host.strip()!r} is no host; accepted is a host name" in result.stderr


def test_blanks_around_a_host_are_not_in_its_certificate(tmp_path: Path) -> None:
    result = security("init", tmp_path / "set", "--host", " jm-1 ")
    assert "-m jm-1:6123" in result.stdout
    pem = (tmp_path / "set" / "cluster" / "rest.pem").read_bytes()
    names = x509.load_pem_x509_certificates(pem)[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert "jm-1" in names.value.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("arguments", [("--host", "a b"), ("--host", "*.*.x"), ("--days", "0"), ("--host", "é.org")])
def test_a_wrong_value_is_a_wrong_use(tmp_path: Path, arguments: tuple[str, str]) -> None:
    assert security("init", tmp_path / "set", *arguments).exit_code == ExitCode.USAGE
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("verb", ["init", "renew"])
def test_help_shows_examples(verb: str) -> None:
    assert f"millstream security {verb} certificates" in security(verb, "--help").stdout
