"""What is wrong with a certificate, its key and the authorities, in words, when a process starts.

OpenSSL's own errors don't tell a wrong password from a key that isn't there; so this part reads the files by itself.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from millstream_dataflow.configuration import ConfigurationError, Problem
from millstream_runtime.security.pem_files import PemFiles, no_certificate
from millstream_runtime.security.private_keys import private_key
from millstream_runtime.security.setting_file import SettingFile

SOON: Final = timedelta(days=30)
"""The rest of a certificate's life in which a start warns of its end."""

_RENEW: Final = "renew it"
_log = logging.getLogger("millstream.security")


def check(files: PemFiles) -> None:
    """ConfigurationError with everything that is wrong; a warning of a certificate that expires soon."""
    problems = list(_problems(files, datetime.now(UTC)))
    if problems:
        raise ConfigurationError(problems)


def _problems(files: PemFiles, now: datetime) -> Iterator[Problem]:
    try:
        if files.keystore is not None:
            yield from _own(files, files.keystore, now)
    except ConfigurationError as error:
        yield from error.problems
    try:
        if files.truststore is not None:
            _certificates(files.truststore)
    except ConfigurationError as error:
        yield from error.problems


def _own(files: PemFiles, keystore: SettingFile, now: datetime) -> Iterator[Problem]:
    own = _certificates(keystore)[0]
    yield from _validity(keystore, own, now)
    key_file = files.key_file
    assert key_file is not None, "it is the keystore, or another"
    key = private_key(key_file, files.password, files.password_key)
    if _public(key.public_key()) != _public(own.public_key()):
        mend = f"give the key that belongs to the first certificate of {keystore.path}"
        yield key_file.problem("the private key in it belongs to another certificate", mend)


def _validity(file: SettingFile, own: x509.Certificate, now: datetime) -> Iterator[Problem]:
    begin, end = own.not_valid_before_utc, own.not_valid_after_utc
    if end <= now:
        yield file.problem(f"the certificate in it has expired, on {end:%Y-%m-%d %H:%M} UTC", _RENEW)
    elif begin > now:
        mend = "is the clock of this host right?"
        yield file.problem(f"the certificate in it is valid from {begin:%Y-%m-%d %H:%M} UTC on only", mend)
    elif end - now < SOON:
        text = "the certificate in %s (%s) expires on %s UTC, in %d days; renew it"
        _log.warning(text, file.path, file.key, f"{end:%Y-%m-%d %H:%M}", (end - now).days)


def _certificates(file: SettingFile) -> list[x509.Certificate]:
    content = file.read()
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise ConfigurationError(no_certificate(file)) from error


def _public(key: object) -> bytes:
    encoding, kind = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(encoding, kind)  # type: ignore[attr-defined, no-any-return]  # all kinds in use have it
