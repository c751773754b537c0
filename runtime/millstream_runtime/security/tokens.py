"""The tokens of clients: a secret line each, in a file that the JobManager and the client have.

A call carries one in its metadata, as `authorization: Bearer <token>`. Only digests are kept, so that no token can come
into a log; they are compared in a time that tells nothing.
"""

import hashlib
import hmac
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.options import security
from millstream_runtime.security.renewing import Clock, Readings
from millstream_runtime.security.setting_file import SettingFile, UnreadableNowError

AUTHORIZATION: Final = "authorization"
"""The key of the call's metadata."""
SHORTEST: Final = 16
"""Characters; 16 random ones of base64 are 96 bits."""
KEPT_S: Final = 60.0
"""Seconds that tokens stay good while their file can't be read for want of something else: longer than descriptors are
short, where that passes, and not so long that one that was taken out is served for hours.
"""
_MAKE_ONE: Final = "make one: head -c 32 /dev/urandom | base64 -w 0"

_log = logging.getLogger("millstream.security")


def accepted_tokens(configuration: Configuration) -> "AcceptedTokens | None":
    """Of the JobManager, when it starts; None when `security.token-file` names no file.

    ConfigurationError when the file can't be used.
    """
    file = SettingFile.of(configuration, security.TOKEN_FILE)
    return None if file is None else AcceptedTokens(file)


def client_token(configuration: Configuration) -> str | None:
    """What a client shows: the first of its file; None when `security.token-file` names no file.

    ConfigurationError when the file can't be used.
    """
    file = SettingFile.of(configuration, security.TOKEN_FILE)
    return None if file is None else _checked(file)[0]


def authorization(token: str) -> tuple[str, str]:
    """The entry of a call's metadata that shows it."""
    return AUTHORIZATION, f"Bearer {token}"


def shown_token(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The token that a call's metadata show; empty when they show none."""
    for key, value in metadata or ():
        if key == AUTHORIZATION and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            return token.strip() if scheme.lower() == "bearer" else ""
    return ""


class AcceptedTokens:
    """Those of a file, as it is now: a token that is taken out is refused from that moment. A file that is gone, or
    may not be read any more, accepts nobody; one that can't be read at the moment leaves those that were known, for a
    minute.
    """

    def __init__(self, file: SettingFile, clock: Clock = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._readings = Readings([file], clock)
        self._digests = _digests(_checked(file))
        self._good_until: float | None = None
        """Set while the file can't be read at the moment."""
        self._trouble = ""
        """That was said last."""

    def accepts(self, text: str) -> bool:
        """Whether it is one of them."""
        self._read_again()
        shown, known = _digest(text), False
        for digest in self._digests:
            known |= hmac.compare_digest(shown, digest)
        return known

    def _read_again(self) -> None:
        if not self._readings.due():
            return
        try:
            tokens = [token for token in _tokens(self._file) if len(token) >= SHORTEST]
        except UnreadableNowError as error:
            self._keep(str(error))
            return
        except ConfigurationError as error:
            self._lose(str(error))
        else:
            if not tokens:
                self._lose(f"no line of {self._file.path} has {SHORTEST} characters")
            else:
                self._readings.succeeded()
                self._digests, self._trouble = _digests(tokens), ""
                _log.info("the tokens were read anew: clients that show one of %d are served", len(tokens))
        self._good_until = None

    def _keep(self, trouble: str) -> None:
        """Those that were known, for a while."""
        if self._good_until is None:
            self._good_until = self._clock() + KEPT_S
            if self._digests:
                text = "the tokens can't be read; clients that show one of those before are served for %g s more: %s"
                _log.warning(text, KEPT_S, trouble)
        elif self._clock() >= self._good_until:
            self._lose(trouble)

    def _lose(self, trouble: str) -> None:
        """None is good any more."""
        self._digests = []
        if trouble != self._trouble:
            _log.error("no client is served any more, for there are no tokens: %s", trouble)
        self._trouble = trouble


def _checked(file: SettingFile) -> list[str]:
    """At least one, all long enough; with a warning when others may read them."""
    tokens = list(_tokens(file))
    if not tokens:
        raise ConfigurationError(file.problem("there is no token in it", _MAKE_ONE))
    if short := [str(number) for number, token in enumerate(tokens, 1) if len(token) < SHORTEST]:
        reason = f"token {', '.join(short)} of it has under {SHORTEST} characters, and could be guessed"
        raise ConfigurationError(file.problem(reason, _MAKE_ONE))
    found = file.path.stat()
    # Kubernetes gives secrets to a pod's own group, and cannot do otherwise.
    strangers = 0o007 if found.st_gid in {os.getegid(), *os.getgroups()} else 0o077
    if found.st_mode & strangers:
        text = "OTHERS CAN READ THE TOKENS OF %s (mode %04o), and then run code in the cluster; chmod 600 mends it"
        _log.warning(text, file.path, found.st_mode & 0o777)
    return tokens


def _tokens(file: SettingFile) -> Iterator[str]:
    """Each line, without blanks around it, that is not empty and no comment."""
    for line in re.split(r"[\r\n]+", file.read().decode("utf-8", "replace")):
        token = line.strip()
        if token and not token.startswith("#"):
            yield token


def _digests(tokens: Sequence[str]) -> list[bytes]:
    return [_digest(token) for token in tokens]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
