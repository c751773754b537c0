"""Private keys in PEM, with or without a password. Apart, for `cryptography` takes 60 ms, and few keys have one."""

from contextlib import suppress
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization

from millstream_dataflow.configuration import ConfigurationError
from millstream_runtime.security.setting_file import SettingFile

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def decrypted(file: SettingFile, password: str | None, password_key: str) -> bytes:
    """The private key without its password, in PEM. ConfigurationError when it has another one."""
    return private_key(file, password, password_key).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def private_key(file: SettingFile, password: str | None, password_key: str) -> "PrivateKeyTypes":
    """The one in the file, which may hold certificates as well. A password that it doesn't need is no mistake.

    `password_key` is the key of the configuration that says the password. ConfigurationError for what can't be read.
    """
    content = file.read()
    if b"PRIVATE KEY-----" not in content:
        mend = "give one in PEM, which begins with BEGIN PRIVATE KEY"
        raise ConfigurationError(file.problem("there is no private key in it", mend))
    block, secret = _key_block(content), None if password is None else password.encode()
    try:
        with suppress(TypeError):  # it has none
            return serialization.load_pem_private_key(block, secret)
        return serialization.load_pem_private_key(block, None)
    except TypeError as error:
        raise ConfigurationError(file.problem("its private key has a password", f"set {password_key}")) from error
    except ValueError as error:
        encrypted = b"ENCRYPTED" in content
        why = f"{password_key} isn't its password" if encrypted else str(error)
        mend = f"set the right {password_key}" if encrypted else "give a whole one in PEM"
        raise ConfigurationError(file.problem(f"its private key can't be read: {why}", mend)) from error


def _key_block(content: bytes) -> bytes:
    """From the key's beginning on."""
    found = content.index(b"PRIVATE KEY-----")
    return content[content.rindex(b"-----BEGIN", 0, found) :]
