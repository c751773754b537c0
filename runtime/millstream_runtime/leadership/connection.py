"""From the configuration to a session with ZooKeeper: servers, timeouts, names and passwords, TLS."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.hosts import collect_hosts
from kazoo.retry import KazooRetry
from kazoo.security import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE

from millstream_dataflow.configuration import Configuration, ConfigurationError, Option, Problem
from millstream_dataflow.configuration.enums import ZooKeeperAcl
from millstream_dataflow.configuration.options import high_availability as ha
from millstream_runtime.file_systems import is_plain_name
from millstream_runtime.leadership.nodes import ClusterNodes
from millstream_runtime.leadership.session import Context, Sockets
from millstream_runtime.leadership.zookeeper import ZooKeeper

LONGEST_PAUSE_S = 1.0
"""Between two tries to connect."""

# kazoo tells of each try; what matters is told by whoever listens to the session.
_quiet = logging.getLogger("millstream.zookeeper.client")
_quiet.setLevel(logging.ERROR)


def cluster_id(configuration: Configuration) -> str:
    """The name of the cluster's directory in ZooKeeper and in the storage. ConfigurationError for what can't be one."""
    name = configuration.get(ha.CLUSTER_ID).strip("/")
    if not is_plain_name(name):
        mend = "write letters, digits and -, _ or ."
        raise _problem(configuration, ha.CLUSTER_ID, "it is no name of a directory", mend)
    return name


def cluster_nodes(configuration: Configuration) -> ClusterNodes:
    """Where the cluster's nodes lie. ConfigurationError for what can't be a path."""
    root = configuration.get(ha.PATH_ROOT).strip("/")
    parts = root.split("/") if root else []
    if not all(map(is_plain_name, parts)):
        mend = "write a path as /millstream, of letters, digits and -, _ or ."
        raise _problem(configuration, ha.PATH_ROOT, "it is no path of ZooKeeper", mend)
    return ClusterNodes("/" + "/".join([*parts, cluster_id(configuration)]))


def zookeeper(configuration: Configuration) -> ZooKeeper:
    """Not started yet. ConfigurationError for what can't be used."""
    hosts = configuration.get(ha.QUORUM)
    if hosts is None:
        raise _problem(configuration, ha.QUORUM, "no server of ZooKeeper is named", "write host:port,host:port,...")
    sockets = Sockets(_tls(configuration))
    _check_servers(configuration, hosts)
    client = KazooClient(
        hosts=hosts,
        timeout=configuration.get(ha.SESSION_TIMEOUT).total_seconds(),
        handler=sockets,
        connection_retry=KazooRetry(max_tries=-1, delay=0.1, max_delay=LONGEST_PAUSE_S),
        default_acl=_acl(configuration),
        auth_data=_proofs(configuration) or None,
        sasl_options=_sasl(configuration),
        logger=_quiet,
    )
    return ZooKeeper(client, sockets, hosts, configuration.get(ha.CONNECTION_TIMEOUT).total_seconds())


def _check_servers(configuration: Configuration, hosts: str) -> None:
    try:
        servers, root = collect_hosts(hosts)
        for host, _ in servers:
            host.encode("idna")  # a resolver would end kazoo's thread with what it says otherwise
    except ValueError as error:
        raise _problem(configuration, ha.QUORUM, f"it names no servers ({error})", "write host:port,...") from error
    if root is not None:
        raise _problem(configuration, ha.QUORUM, f"{root} is no part of a server", f"set {ha.PATH_ROOT.key}")


def _acl(configuration: Configuration) -> Any:  # noqa: ANN401  # kazoo has no types
    if configuration.get(ha.ACL) is ZooKeeperAcl.OPEN:
        return OPEN_ACL_UNSAFE
    if not configuration.get(ha.AUTHORIZATION) and configuration.get(ha.SASL_USER) is None:
        reason = "nobody could use the nodes that are made, for this process proves nothing to ZooKeeper"
        mend = f"set {ha.AUTHORIZATION.key} or {ha.SASL_USER.key}"
        raise _problem(configuration, ha.ACL, reason, mend)
    return CREATOR_ALL_ACL


def _proofs(configuration: Configuration) -> list[tuple[str, str]]:
    given = configuration.get(ha.AUTHORIZATION)
    for scheme, proof in given.items():
        if scheme != "digest" or not all(proof.partition(":")):
            mend = f"write digest:NAME:PASSWORD; for SASL set {ha.SASL_USER.key}"
            # Not by its text, in which a password may stand.
            origin = configuration.origin(ha.AUTHORIZATION)
            raise ConfigurationError(
                Problem("it can't be shown to ZooKeeper", mend, ha.AUTHORIZATION.key, scheme, origin)
            )
    return list(given.items())


def _sasl(configuration: Configuration) -> dict[str, str] | None:
    name, option = configuration.get(ha.SASL_USER), ha.SASL_PASSWORD_FILE
    if name is None:
        return None
    path = configuration.get(option)
    if path is None:
        raise _problem(configuration, option, f"{name} has no password", "name the file that holds it")
    return {"mechanism": "DIGEST-MD5", "username": name, "password": _first_line(configuration, option, path)}


def _first_line(configuration: Configuration, option: Option[Any], path: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        text = f"it can't be read ({error.strerror})"
        raise _problem(configuration, option, text, "name a file that this user may read") from error
    except UnicodeDecodeError as error:
        raise _problem(configuration, option, "it is no text in UTF-8", "write the password there") from error
    if not lines or not lines[0]:
        raise _problem(configuration, option, "its first line is empty", "write the password there")
    return lines[0]


def _tls(configuration: Configuration) -> Context | None:
    """Tried once, so that a wrong file is a mistake of the configuration."""
    if not configuration.get(ha.SSL_ENABLED):
        return None
    truststore, keystore, key = (configuration.get(one) for one in (ha.SSL_TRUSTSTORE, ha.SSL_KEYSTORE, ha.SSL_KEY))
    if key is not None and keystore is None:
        reason = "a key without its certificate can't be shown"
        raise _problem(configuration, ha.SSL_KEY, reason, f"set {ha.SSL_KEYSTORE.key}")
    if truststore is not None:
        _usable(configuration, ha.SSL_TRUSTSTORE, lambda: _context(truststore, None, None))
    if keystore is not None:
        option = ha.SSL_KEYSTORE if key is None or not Path(keystore).is_file() else ha.SSL_KEY
        _usable(configuration, option, lambda: _context(truststore, keystore, key))
    return lambda: _context(truststore, keystore, key)


def _context(truststore: str | None, keystore: str | None, key: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=truststore)
    if keystore is not None:
        context.load_cert_chain(keystore, key, password="")  # without one OpenSSL would ask at the terminal
    return context


def _usable(configuration: Configuration, option: Option[Any], use: Context) -> None:
    try:
        use()
    except OSError as error:
        reason = f"it can't be used ({error.strerror or error})"
        raise _problem(configuration, option, reason, "name a PEM file that this user may read") from error


def _problem(configuration: Configuration, option: Option[Any], reason: str, mend: str) -> ConfigurationError:
    return ConfigurationError(
        Problem(reason, mend, option.key, configuration.text(option), configuration.origin(option))
    )
