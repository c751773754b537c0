"""A certificate, its key and the authorities that are trusted, as files that the configuration names."""

import ssl
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from millstream_dataflow.configuration import Configuration, ConfigurationError, Option, Problem
from millstream_dataflow.configuration.enums import TlsVersion
from millstream_dataflow.configuration.options import security
from millstream_runtime.security.setting_file import SettingFile

Options = tuple[Option[str | None], Option[str | None], Option[str | None], Option[str | None]]
"""Of the certificate, of its key, of the key's password, of the authorities."""

INTERNAL: Final[Options] = (
    security.INTERNAL_KEYSTORE,
    security.INTERNAL_KEY,
    security.INTERNAL_KEY_PASSWORD,
    security.INTERNAL_TRUSTSTORE,
)
REST: Final[Options] = (
    security.REST_KEYSTORE,
    security.REST_KEY,
    security.REST_KEY_PASSWORD,
    security.REST_TRUSTSTORE,
)

_VERSIONS: Final = {TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3}
HTTP_2: Final = "h2"
"""What gRPC wants to hear from a server that speaks TLS (ALPN, RFC 7301)."""


class GrpcFiles(NamedTuple):
    """What `grpc.ssl_channel_credentials` takes, in its order."""

    authorities: bytes | None
    key: bytes | None = None
    certificates: bytes | None = None


@dataclass(frozen=True, slots=True)
class PemFiles:
    """What one side of a connection shows and trusts; each part may be missing."""

    keystore: SettingFile | None
    key: SettingFile | None
    password: str | None = field(repr=False)
    password_key: str
    truststore: SettingFile | None
    oldest: ssl.TLSVersion

    @classmethod
    def of(cls, configuration: Configuration, options: Options) -> "PemFiles":
        """Those of the internal connections, or those of clients."""
        keystore, key, password, truststore = options
        return cls(
            SettingFile.of(configuration, keystore),
            SettingFile.of(configuration, key),
            configuration.get(password),
            password.key,
            SettingFile.of(configuration, truststore),
            _VERSIONS[configuration.get(security.PROTOCOL)],
        )

    @property
    def all(self) -> list[SettingFile]:
        """Those that are there."""
        return [file for file in (self.keystore, self.key, self.truststore) if file is not None]

    @property
    def key_file(self) -> SettingFile | None:
        """The file of the private key."""
        return self.key or self.keystore

    def context(self, *, serving: bool) -> ssl.SSLContext:
        """One that shows the certificate and trusts the authorities. ConfigurationError when the files can't be used.

        No session is ever resumed: every connection proves anew who it is, to the authorities as they are now.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if serving else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = self.oldest
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        if serving:
            context.num_tickets = 0
            context.set_alpn_protocols([HTTP_2])
        if self.keystore is not None and self.key_file is not None:
            for file in (self.keystore, self.key_file):
                file.read()  # its error says more
            try:
                context.load_cert_chain(self.keystore.path, self.key_file.path, lambda: self.password or "")
            except (OSError, ValueError) as error:
                mend = "give a certificate in PEM, with the private key that belongs to it, and the key's password"
                raise ConfigurationError(self.keystore.problem(f"it can't be used: {error}", mend)) from error
        if self.truststore is not None:
            authorities = self.truststore.read().decode("ascii", "replace")
            try:
                context.load_verify_locations(cadata=authorities)
            except (ssl.SSLError, ValueError) as error:
                raise ConfigurationError(no_certificate(self.truststore)) from error
        return context

    def for_grpc(self) -> GrpcFiles:
        """The bytes, for the client of gRPC, which takes no context. ConfigurationError as above."""
        authorities = None if self.truststore is None else self.truststore.read()
        if self.keystore is None or self.key_file is None:
            return GrpcFiles(authorities)
        key = self.key_file.read()
        if b"ENCRYPTED" in key:
            from millstream_runtime.security.private_keys import decrypted  # noqa: PLC0415  # only a password needs it

            key = decrypted(self.key_file, self.password, self.password_key)
        return GrpcFiles(authorities, key, self.keystore.read())


def no_certificate(file: SettingFile) -> Problem:
    """The file is something else."""
    return file.problem("there is no certificate in it", "give one in PEM, which begins with BEGIN CERTIFICATE")
