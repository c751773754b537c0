"""Authorities, and the certificates that they sign: ECDSA P-256, X.509 as in RFC 5280.

The time is an argument, so that a test can have a certificate that has expired.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCKS: Final = timedelta(hours=1)
"""By which the clock of a host that must accept a new certificate may be behind."""
BOTH_SIDES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
SERVERS_ONLY: Final = (ExtendedKeyUsageOID.SERVER_AUTH,)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes

    @property
    def certificate_pem(self) -> bytes:
        """What everybody may have."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """What nobody else may have."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def pem(self) -> bytes:
        """Both, for one file: so a renewal replaces them at once."""
        return self.key_pem + self.certificate_pem

    @classmethod
    def of(cls, certificate: bytes, key: bytes) -> "Pair":
        """From PEM; ValueError when it is something else."""
        loaded = cast("CertificateIssuerPrivateKeyTypes", load_pem_private_key(key, None))
        return cls(x509.load_pem_x509_certificate(certificate), loaded)


def make_authority(name: str, now: datetime, days: int) -> Pair:
    """One that signs certificates of others, and no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _builder(name, key, now, now + timedelta(days=days))
        .issuer_name(_named(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue(
    authority: Pair,
    names: Sequence[str],
    now: datetime,
    days: int,
    usages: Sequence[x509.ObjectIdentifier] = BOTH_SIDES,
) -> Pair:
    """A certificate that carries these host names and addresses, at most as long valid as its authority's."""
    key = ec.generate_private_key(ec.SECP256R1())
    end = min(now + timedelta(days=days), authority.certificate.not_valid_after_utc)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _builder(names[0], key, now, end)
        .issuer_name(authority.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(each) for each in names]), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    return Pair(builder.sign(authority.key, hashes.SHA256()), key)


def renewed(authority: Pair, former: x509.Certificate, now: datetime, days: int) -> Pair:
    """A certificate for the same names and uses, with another key."""
    found = former.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = [str(name.value) for name in found]
    usages = former.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return issue(authority, names, now, days, list(usages))


def _builder(name: str, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])  # a common name has at most 64 characters


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
