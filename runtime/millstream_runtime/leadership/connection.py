"""From the configuration to a session with ZooKeeper: servers, timeouts, names and passwords, TLS."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.retry import KazooRetry
from kazoo.security import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE

from millstream_dataflow.configuration import Configuration, ConfigurationError, Option, Problem
from millstream_dataflow.configuration.enums import ZooKeeperAcl
from millstream_dataflow.configuration.options import high_availability as ha
from millstream_runtime.leadership.nodes import ClusterNodes
from millstream_runtime.leadership.zookeeper import ZooKeeper

LONGEST_PAUSE_S = 1.0
"""Between two tries to connect."""

# kazoo tells of each try; what matters is told by whoever listens to the session.
_quiet = logging.getLogger("millstream.zookeeper.client")
_quiet.setLevel(logging.ERROR)


def cluster_nodes(configuration: Configuration) -> ClusterNodes:
    """Where the cluster's nodes lie."""
    root = configuration.get(ha.PATH_ROOT).strip("/")
    cluster = configuration.get(ha.CLUSTER_ID).strip("/")
    return ClusterNodes("/" + "/".join(part for part in (root, cluster) if part))


def zookeeper(configuration: Configuration) -> ZooKeeper:
    """Not started yet. ConfigurationError for what can't be used."""
    hosts = configuration.get(ha.QUORUM)
    if hosts is None:
        raise _problem(configuration, ha.QUORUM, "no server of ZooKeeper is named", "write host:port,host:port,...")
    client = KazooClient(
        hosts=hosts,
        timeout=configuration.get(ha.SESSION_TIMEOUT).total_seconds(),
        connection_retry=KazooRetry(max_tries=-1, delay=0.1, max_delay=LONGEST_PAUSE_S),
        default_acl=_acl(configuration),
        auth_data=list(_proofs(configuration)) or None,
        sasl_options=_sasl(configuration),
        logger=_quiet,
        **_tls(configuration),
    )
    return ZooKeeper(client, hosts, configuration.get(ha.CONNECTION_TIMEOUT).total_seconds())


def _acl(configuration: Configuration) -> Any:  # noqa: ANN401  # kazoo has no types
    if configuration.get(ha.ACL) is ZooKeeperAcl.OPEN:
        return OPEN_ACL_UNSAFE
    if not configuration.get(ha.AUTHORIZATION) and configuration.get(ha.SASL_USER) is None:
        reason = "nobody could use the nodes that are made, for this process proves nothing to ZooKeeper"
        mend = f"set {ha.AUTHORIZATION.key} or {ha.SASL_USER.key}"
        raise _problem(configuration, ha.ACL, reason, mend)
    return CREATOR_ALL_ACL


def _proofs(configuration: Configuration) -> list[tuple[str, str]]:
    return list(configuration.get(ha.AUTHORIZATION).items())


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
    if not lines or not lines[0]:
        raise _problem(configuration, option, "its first line is empty", "write the password there")
    return lines[0]


def _tls(configuration: Configuration) -> dict[str, Any]:
    if not configuration.get(ha.SSL_ENABLED):
        return {}
    for option in (ha.SSL_TRUSTSTORE, ha.SSL_KEYSTORE, ha.SSL_KEY):
        path = configuration.get(option)
        if path is not None and not Path(path).is_file():
            raise _problem(configuration, option, "there is no such file", "name a PEM file")
    keystore = configuration.get(ha.SSL_KEYSTORE)
    return {
        "use_ssl": True,
        "verify_certs": True,
        "check_hostname": True,
        "ca": configuration.get(ha.SSL_TRUSTSTORE),
        "certfile": keystore,
        "keyfile": configuration.get(ha.SSL_KEY) or keystore,
    }


def _problem(configuration: Configuration, option: Option[Any], reason: str, mend: str) -> ConfigurationError:
    return ConfigurationError(
        Problem(reason, mend, option.key, configuration.text(option), configuration.origin(option))
    )
