"""What is wrong with a certificate, its key and the authorities, in words, when a process starts.

OpenSSL's own errors don't tell a wrong password from a key that isn't there; so this part reads the files by itself.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from millstream_dataflow.configuration import ConfigurationError, Problem
from millstream_runtime.security.pem_files import PemFiles, no_certificate
from millstream_runtime.security.setting_file import SettingFile

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

SOON: Final = timedelta(days=30)
"""The rest of a certificate's life in which a start warns of its end."""

_RENEW: Final = "renew it"
_log = logging.getLogger("millstream.security")


def check(files: PemFiles) -> None:
    """ConfigurationError with everything that is wrong; a warning of a certificate that expires soon."""
    problems = list(_problems(files, datetime.now(UTC)))
    if problems:
        raise ConfigurationError(problems)


def decrypted(files: PemFiles, key: bytes) -> bytes:
    """The private key without its password, in PEM. ConfigurationError when it has another one."""
    return _loaded(files, key).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


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
    key = _loaded(files, key_file.read())
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


def _loaded(files: PemFiles, content: bytes) -> "PrivateKeyTypes":
    """The private key. A password that it doesn't need is no mistake."""
    key_file = files.key_file
    assert key_file is not None, "its content was read"
    if b"PRIVATE KEY-----" not in content:
        mend = "give one in PEM, which begins with BEGIN PRIVATE KEY"
        raise ConfigurationError(key_file.problem("there is no private key in it", mend))
    password = None if files.password is None else files.password.encode()
    try:
        with suppress(TypeError):  # it has none
            return serialization.load_pem_private_key(_key_block(content), password)
        return serialization.load_pem_private_key(_key_block(content), None)
    except TypeError as error:
        raise ConfigurationError(
            key_file.problem("its private key has a password", f"set {files.password_key}")
        ) from error
    except ValueError as error:
        encrypted = b"ENCRYPTED" in content
        why = f"{files.password_key} isn't its password" if encrypted else str(error)
        mend = f"set the right {files.password_key}" if encrypted else "give a whole one in PEM"
        raise ConfigurationError(key_file.problem(f"its private key can't be read: {why}", mend)) from error


def _key_block(content: bytes) -> bytes:
    """From the key's beginning on: its file may hold certificates as well."""
    found = content.index(b"PRIVATE KEY-----")
    return content[content.rindex(b"-----BEGIN", 0, found) :]


def _public(key: object) -> bytes:
    encoding, kind = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(encoding, kind)  # type: ignore[attr-defined, no-any-return]  # all kinds in use have it
