"""What it means that gRPC can't connect: most often the two sides don't agree about TLS, and its words don't say so."""

import contextlib
import socket
from typing import Final

NEVER_CONNECTED: Final = "failed to connect to all addresses"
"""How gRPC begins its words about a connection that was never of use."""
LISTENS_S: Final = 1.0
"""Seconds for a look whether somebody listens; refused by one address, it is near."""

_REFUSED: Final = "Connection refused"
"""A name may have two addresses (localhost: 127.0.0.1 and ::1), and gRPC tells only of the one that it tried last: it
means this when another one is listened on.
"""
_WANTS_OURS: Final = "it closed the connection; does it know our certificate, if it wants one ({tls}.keystore)?"
_WANTS_TLS: Final = "it closed the connection at once; does it want TLS? set {tls}.enabled"
_BY_TLS: Final = {
    "Hostname Verification": "its certificate is for other names; call it by one of those, or sign one with this name",
    "certificate has expired": "its certificate has expired; renew it",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is of no authority in {tls}.truststore",
    "WRONG_VERSION_NUMBER": "it speaks no TLS, but {tls}.enabled is set here",
    "Handshake read failed": "it ended the handshake of TLS; does it speak any? {tls}.enabled is set here",
    "Socket closed": _WANTS_OURS,
    "reset by peer": _WANTS_OURS,
    "Broken pipe": _WANTS_OURS,
    _REFUSED: "no connection by TLS comes about; does it speak any, is its certificate for this name and of an "
    "authority in {tls}.truststore, and does it know ours, if it wants one ({tls}.keystore)?",
}
_IN_THE_CLEAR: Final = {
    "Socket closed": _WANTS_TLS,
    "reset by peer": _WANTS_TLS,
    "Broken pipe": _WANTS_TLS,
    _REFUSED: _WANTS_TLS,
}
"""What parts of those words mean to a person, the first that fits."""


def disagreement(details: str, target: str, kind: str, *, by_tls: bool) -> str:
    """A sentence about the other side at `host:port`, with what probably helps; nothing when `details`, the words of
    gRPC, tell of something else. `kind` is that of the settings: "rest" or "internal".
    """
    if not details.startswith(NEVER_CONNECTED):
        return ""
    for part, words in (_BY_TLS if by_tls else _IN_THE_CLEAR).items():
        if part in details:
            listens = part != _REFUSED or _listens(target)
            return words.format(tls=f"security.ssl.{kind}") if listens else ""
    return ""


def _listens(target: str) -> bool:
    """Whether anybody does, at any of its addresses."""
    host, _, port = target.rpartition(":")
    with contextlib.suppress(OSError, ValueError), socket.create_connection((host.strip("[]"), port), LISTENS_S):
        return True
    return False
