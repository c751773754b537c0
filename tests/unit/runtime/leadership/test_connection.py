"""Every mistake in what the configuration says about ZooKeeper is found before anything is started, and named."""

from pathlib import Path

import pytest

from millstream_dataflow.configuration import DEFAULT, Configuration, ConfigurationError, Origin, Text
from millstream_runtime.leadership.connection import cluster_nodes, zookeeper
from tests.support.certificates import WorkingSet

CLIENT = "high-availability.zookeeper.client."
HERE = Origin.command_line("-D")
QUORUM = {"high-availability.zookeeper.quorum": "127.0.0.1:1,127.0.0.2"}


def configured(settings: dict[str, str]) -> Configuration:
    return Configuration.read([Text(key, value, HERE) for key, value in settings.items()])


def mistake(settings: dict[str, str], key: str, value: str | None = None) -> str:
    """The sentence; its key, value and origin are those that were written."""
    with pytest.raises(ConfigurationError) as caught:
        zookeeper(configured({**QUORUM, **settings}))
    (problem,) = caught.value.problems
    assert problem.key == key
    assert problem.origin == (HERE if key in settings or key in QUORUM else DEFAULT)
    assert problem.value == (settings.get(key) if value is None else value)
    assert problem.mend
    return str(problem)


def test_without_a_quorum_there_is_nobody_to_ask() -> None:
    with pytest.raises(ConfigurationError, match="no server of ZooKeeper is named"):
        zookeeper(Configuration())


@pytest.mark.parametrize("quorum", [",", "zk:port", "zk:1,", "zk:99999999", "a..b:2181", "x" * 70 + ":1"])
def test_a_quorum_that_names_no_servers(quorum: str) -> None:
    key = "high-availability.zookeeper.quorum"
    assert "it names no servers" in mistake({key: quorum}, key)


def test_a_root_belongs_into_its_own_key() -> None:
    key = "high-availability.zookeeper.quorum"
    assert "high-availability.zookeeper.path.root" in mistake({key: "zk:2181/elsewhere"}, key)


@pytest.mark.parametrize("root", ["/a//b", "/a/../b", "/a b", "/a/.hidden", "/ä"])
def test_a_root_that_is_no_path(root: str) -> None:
    settings = {"high-availability.zookeeper.path.root": root}
    with pytest.raises(ConfigurationError, match="it is no path of ZooKeeper"):
        cluster_nodes(configured(settings))


@pytest.mark.parametrize("name", ["/", "..", "a/b", "../other", "a b"])
def test_a_cluster_that_can_be_no_directory(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cluster-id = .* is no name of a directory"):
        cluster_nodes(configured({"high-availability.cluster-id": name}))


@pytest.mark.parametrize(
    ("root", "cluster", "path"),
    [
        ("/millstream", "default", "/millstream/default"),
        ("/", "one", "/one"),
        ("a/b/", "/two", "/a/b/two"),
    ],
)
def test_where_the_nodes_of_a_cluster_lie(root: str, cluster: str, path: str) -> None:
    settings = {"high-availability.zookeeper.path.root": root, "high-availability.cluster-id": cluster}
    assert cluster_nodes(configured(settings)).root == path


# ------------------------------------------------------------ who this process is


def test_nodes_that_nobody_could_use() -> None:
    told = mistake({f"{CLIENT}acl": "creator"}, f"{CLIENT}acl", "creator")
    assert f"set {CLIENT}authorization or {CLIENT}sasl.username" in told


@pytest.mark.parametrize("proof", ["sasl:name:word", "ip:127.0.0.1", "digest:nobody", "digest:name:", "digest::word"])
def test_a_proof_that_zookeeper_would_not_take(proof: str) -> None:
    told = mistake({f"{CLIENT}authorization": proof}, f"{CLIENT}authorization", proof.partition(":")[0])
    assert "digest:NAME:PASSWORD" in told
    assert "word" not in told.lower().replace("password", ""), "a password is told to nobody"


def test_a_name_without_a_password() -> None:
    told = mistake({f"{CLIENT}sasl.username": "jm"}, f"{CLIENT}sasl.password-file", "none")
    assert "jm has no password" in told


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("", "empty"), ("\nsecret", "empty")])
def test_a_password_file_without_a_password(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    settings = {f"{CLIENT}sasl.username": "jm", f"{CLIENT}sasl.password-file": str(path)}
    assert reason in mistake(settings, f"{CLIENT}sasl.password-file")


def test_a_password_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b"\xff\xfe")
    settings = {f"{CLIENT}sasl.username": "jm", f"{CLIENT}sasl.password-file": str(path)}
    assert "no text" in mistake(settings, f"{CLIENT}sasl.password-file")


# ------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> WorkingSet:
    return WorkingSet(tmp_path_factory.mktemp("certificates"))


def secured(**files: object) -> dict[str, str]:
    return {f"{CLIENT}ssl.enabled": "true", **{f"{CLIENT}ssl.{name}": str(path) for name, path in files.items()}}


@pytest.mark.parametrize("name", ["truststore", "keystore"])
@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("garbage", "can't be used")])
def test_a_file_of_tls_that_is_none(tmp_path: Path, name: str, content: str | None, reason: str) -> None:
    path = tmp_path / "some.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert reason in mistake(secured(**{name: path}), f"{CLIENT}ssl.{name}")


def test_a_key_that_is_none(tmp_path: Path, certificates: WorkingSet) -> None:
    keystore = certificates.stored(certificates.issued("zk"))
    assert "can't be used" in mistake(secured(keystore=keystore, key=tmp_path / "none"), f"{CLIENT}ssl.key")


def test_a_key_of_another_certificate(certificates: WorkingSet) -> None:
    keystore = certificates.stored(certificates.issued("zk"))
    key = certificates.stored(certificates.issued("zk"), "other.pem")
    assert "can't be used" in mistake(secured(keystore=keystore, key=key), f"{CLIENT}ssl.key")


def test_a_key_without_a_certificate_shows_nothing(certificates: WorkingSet) -> None:
    key = certificates.stored(certificates.issued("zk"))
    assert f"set {CLIENT}ssl.keystore" in mistake(secured(key=key), f"{CLIENT}ssl.key")


def test_a_right_set_is_taken(certificates: WorkingSet, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\nmore\n", encoding="utf-8")
    made = zookeeper(
        configured(
            {
                **QUORUM,
                **secured(keystore=certificates.stored(certificates.issued("zk"))),
                f"{CLIENT}acl": "creator",
                f"{CLIENT}sasl.username": "jm",
                f"{CLIENT}sasl.password-file": str(password),
                f"{CLIENT}connection-timeout": "250 ms",
            }
        )
    )
    assert (made.hosts, made.timeout, made.session, made.session_timeout) == (QUORUM[next(iter(QUORUM))], 0.25, 0, 0)
