"""The files that make a small cluster's connections safe, one folder for each who may have them.

    authorities/  what signs certificates; no process of the cluster needs it
    cluster/      for the hosts of JobManagers and TaskManagers
    client/       for whoever may submit jobs

There are two authorities. What the internal one signs can be a member of the cluster; the other one only names the
JobManager to clients, and its certificate is handed to each of them. So neither a mistake in a certificate for clients
nor an organisation's own authority, which may take the second one's place, can make anybody a member.

A certificate lies in one file with its key, which `renew` replaces at once: nobody ever reads halves of two.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from millstream.security.authorities import BOTH_SIDES, SERVERS_ONLY, Pair, issue, make_authority, renewed
from millstream_dataflow.configuration.options import security
from millstream_runtime.security import INTERNAL_NAME

AUTHORITY_DAYS: Final = 3650
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""By which clients on the JobManager's own host know it."""
_SIGNED: Final = {"internal": "internal", "rest": "rest"}
"""Of each certificate of `cluster/` the authority."""
_PRIVATE, _PUBLIC = 0o600, 0o644


class WorkingSetError(Exception):
    """It can't be written, or there is none."""


def write(directory: Path, hosts: Sequence[str], now: datetime, days: int) -> list[Path]:
    """All of it, or nothing: the files. WorkingSetError when something lies there, OSError when it can't be written."""
    directory = directory.absolute()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise WorkingSetError(f"{directory} isn't empty, and nothing is overwritten; name another directory")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _naming(directory):
        return _written(directory, _contents(directory, hosts, now, days))


def _written(directory: Path, contents: Iterator[tuple[str, bytes, int]]) -> list[Path]:
    unfinished = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        written: list[Path] = []
        for name, content, mode in contents:
            path = unfinished / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _create(path, content, mode)
            written.append(directory / name)
        unfinished.rename(directory)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return written


def renew(directory: Path, now: datetime, days: int) -> list[Path]:
    """New certificates, with new keys, for the names of the former ones: the files.

    WorkingSetError when this is no directory that `write` has written, OSError when it can't be written.
    """
    written: list[Path] = []
    try:
        for name, by in _SIGNED.items():
            authorities = directory.absolute() / "authorities"
            authority = Pair.of(
                (authorities / f"{by}-ca.crt").read_bytes(), (authorities / f"{by}-ca.key").read_bytes()
            )
            path = directory.absolute() / "cluster" / f"{name}.pem"
            former = x509.load_pem_x509_certificates(path.read_bytes())[0]
            _replace(path, renewed(authority, former, now, days).pem)
            written.append(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        mend = "'millstream security init' writes a whole working set"
        raise WorkingSetError(f"{error.filename} is missing; {mend}") from error
    except ValueError as error:
        raise WorkingSetError(f"a file of {directory} holds something else than init wrote: {error}") from error
    return written


def _contents(directory: Path, hosts: Sequence[str], now: datetime, days: int) -> Iterator[tuple[str, bytes, int]]:
    """Each file with its mode."""
    internal = make_authority("Millstream internal authority", now, max(days, AUTHORITY_DAYS))
    rest = make_authority("Millstream authority for clients", now, max(days, AUTHORITY_DAYS))
    for name, authority in (("internal", internal), ("rest", rest)):
        yield f"authorities/{name}-ca.crt", authority.certificate_pem, _PUBLIC
        yield f"authorities/{name}-ca.key", authority.key_pem, _PRIVATE
    token = f"{secrets.token_urlsafe(32)}\n".encode()
    names = tuple(dict.fromkeys((*LOCAL_NAMES, *hosts)))
    yield "cluster/internal.pem", issue(internal, (INTERNAL_NAME,), now, days, BOTH_SIDES).pem, _PRIVATE
    yield "cluster/internal-ca.crt", internal.certificate_pem, _PUBLIC
    yield "cluster/rest.pem", issue(rest, names, now, days, SERVERS_ONLY).pem, _PRIVATE
    yield "cluster/tokens", token, _PRIVATE
    yield "cluster/millstream.yaml", _cluster_yaml(directory / "cluster"), _PUBLIC
    yield "client/rest-ca.crt", rest.certificate_pem, _PUBLIC
    yield "client/token", token, _PRIVATE
    yield "client/millstream.yaml", _client_yaml(directory / "client"), _PUBLIC


def _cluster_yaml(folder: Path) -> bytes:
    return _yaml(
        "For JobManagers and TaskManagers. Where this folder lies elsewhere, write its paths.",
        {
            security.INTERNAL_ENABLED.key: "true",
            security.INTERNAL_KEYSTORE.key: folder / "internal.pem",
            security.INTERNAL_TRUSTSTORE.key: folder / "internal-ca.crt",
            security.REST_ENABLED.key: "true",
            security.REST_KEYSTORE.key: folder / "rest.pem",
            security.TOKEN_FILE.key: folder / "tokens",
        },
    )


def _client_yaml(folder: Path) -> bytes:
    return _yaml(
        "For whoever submits jobs. Where this folder lies elsewhere, write its paths.",
        {
            security.REST_ENABLED.key: "true",
            security.REST_TRUSTSTORE.key: folder / "rest-ca.crt",
            security.TOKEN_FILE.key: folder / "token",
        },
    )


def _yaml(comment: str, values: dict[str, str | Path]) -> bytes:
    quoted = ((key, str(value).replace("'", "''")) for key, value in values.items())
    return "".join([f"# {comment}\n", *(f"{key}: '{value}'\n" for key, value in quoted)]).encode()


def _create(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def _replace(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.new")
    with _naming(path):
        new.unlink(missing_ok=True)
        _create(new, content, _PRIVATE)
        with new.open("rb") as stream:
            os.fsync(stream.fileno())  # after a power cut the former one is whole, or this
        new.replace(path)


@contextmanager
def _naming(path: Path) -> Generator[None]:
    """An OSError names what should be there, not what is there until it is whole."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
