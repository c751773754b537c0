"""Object stores, by `obstore`: S3 and all that speak its protocol, Google Cloud Storage, Azure.

An acknowledged PUT is durable and whole (law 4.3), and one that is sent with `If-None-Match: *` is refused where there
is an object already: so a file is published once, whoever tries (law 1.4). No other condition is relied upon.

Nobody waits for ever. A request ends after `ANSWER_S`; one that may be sent again is, until `RETRIES_S` have passed. So
an outage of less than that is not noticed, and a store that takes a connection and is silent holds a thread for the
sum of both.
"""

import errno
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import from_url

from millstream_runtime.file_systems.errors import UncertainWriteError

if TYPE_CHECKING:  # they are types alone
    from obstore.store import BackoffConfig, ClientConfig, ObjectStore, RetryConfig, S3Config

_OTHER_NAMES = {"s3a": "s3", "gcs": "gs"}

CONNECTED_S = 5
ANSWER_S = 30  # for a part of 8 MiB: 280 KB/s
RETRIES_S = 60

_PART = 8 << 20  # S3 takes 10,000 parts, so 80 GB
_PARTS_AT_ONCE = 4
_PAGE = 1_000  # what one listing gives, and one deletion takes


def connect(uri: str) -> tuple["ObjectStorage", str]:
    """The bucket of a URI, and its name, with which all its paths begin. Nothing is asked yet.

    The query of an `s3:` URI may have `region`, `endpoint_override` and `scheme`, as pyarrow's; all else, credentials
    above all, comes from the environment, since URIs are shown and stored.
    """
    scheme, _, rest = uri.partition("://")
    scheme = _OTHER_NAMES.get(scheme, scheme)
    bucket, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    config: S3Config = {}
    client: ClientConfig = {"timeout": f"{ANSWER_S}s", "connect_timeout": f"{CONNECTED_S}s"}
    if region := options.pop("region", ""):
        config["region"] = region
    if endpoint := options.pop("endpoint_override", ""):
        config["endpoint"] = endpoint if "://" in endpoint else f"{options.pop('scheme', 'https')}://{endpoint}"
        client["allow_http"] = config["endpoint"].startswith("http:")
    if options or (config and scheme != "s3"):
        known = "region, endpoint_override and, beside it, scheme"
        raise OSError(errno.EPROTONOSUPPORT, f"the query of an s3: URI may have {known}; others have none", uri)
    if "@" in bucket and scheme == "s3":
        known = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what the machine or the pod is given"
        raise OSError(errno.EPROTONOSUPPORT, f"credentials don't belong into a URI, which is shown and stored: {known}")
    limit = timedelta(seconds=RETRIES_S)
    backoff: BackoffConfig = {"max_backoff": timedelta(seconds=2)}
    retries: RetryConfig = {"retry_timeout": limit, "max_retries": 1_000, "backoff": backoff}  # time is the limit
    try:
        store = from_url(f"{scheme}://{bucket}", config=config, client_options=client, retry_config=retries)
    except BaseError as error:
        raise OSError(errno.EPROTONOSUPPORT, _words(error), uri) from error
    return ObjectStorage(store, f"{scheme}://"), bucket


@contextmanager
def _answers(path: str) -> Generator[None]:
    """What the store says, in the words of a file system."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, _words(error), path) from error
    except AlreadyExistsError as error:
        raise FileExistsError(errno.EEXIST, _words(error), path) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise PermissionError(errno.EACCES, _words(error), path) from error
    except InvalidPathError as error:
        raise OSError(errno.EPROTONOSUPPORT, _words(error), path) from error
    except BaseError as error:
        raise OSError(errno.EIO, _words(error), path) from error


@contextmanager
def _writing(path: str) -> Generator[None]:
    """The same; what is no clear no may have been done, or be done yet."""
    try:
        with _answers(path):
            yield
    except OSError as error:
        # An upload that isn't there any more may be one that has landed.
        if error.filename == path and (error.errno == errno.EIO or "NoSuchUpload" in str(error)):
            raise UncertainWriteError(error.errno, error.strerror, path) from error
        raise


def _words(error: Exception) -> str:
    """Without the dump of the client's structures behind them."""
    return str(error).partition("\n\nDebug source")[0].replace("\n", " ")


class ObjectFile:
    """An object that is there."""

    def __init__(self, store: "ObjectStore", path: str) -> None:
        self._store = store
        self._path = path
        with _answers(path):
            self.size = int(obstore.head(store, _key(path))["size"])

    def read_at(self, offset: int, length: int) -> bytes:
        """In requests that are short enough to be answered in their time."""
        end = min(offset + length, self.size)
        with _answers(self._path):
            return b"".join(
                obstore.get_range(self._store, _key(self._path), start=start, end=min(start + _PART, end))
                for start in range(offset, end, _PART)
            )

    def close(self) -> None:
        """There is nothing to let go of."""


class ObjectStorage:
    """One bucket. Paths begin with its name."""

    def __init__(self, store: "ObjectStore", kind: str) -> None:
        self._store = store
        self._kind = kind

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """In one request if it is small; else in parts, which are given up when one fails or `chunks` raises."""
        waiting = iter(chunks)
        first = _first_part(waiting)
        with _writing(path):
            if len(first) < _PART:
                obstore.put(self._store, _key(path), first, use_multipart=False)
            else:
                parts = chain((first,), waiting)
                obstore.put(self._store, _key(path), parts, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)

    def make_private(self, directory: str) -> None:
        """There are no directories; who may read the bucket, its own policy says."""

    def publish(self, path: str, data: bytes) -> bytes:
        """By one conditional request, however large."""
        try:
            with _writing(path):
                obstore.put(self._store, _key(path), data, mode="create", use_multipart=False)
        except FileExistsError as error:
            try:
                return self.read(path)
            except OSError as unreadable:  # perhaps gone meanwhile; S3 also says so while another request is under way
                raise UncertainWriteError(error.errno, f"{error.strerror}; then {unreadable}", path) from unreadable
        return data

    def read(self, path: str) -> bytes:
        """By one request."""
        with _answers(path):
            return obstore.get(self._store, _key(path)).bytes().to_bytes()

    def open(self, path: str) -> ObjectFile:
        """For reading."""
        return ObjectFile(self._store, path)

    def entries(self, directory: str) -> list[str]:
        """One level, though an object store has none."""
        key = _key(directory)
        with _answers(directory):
            found = obstore.list_with_delimiter(self._store, key)
        paths = {*found["common_prefixes"], *(entry["path"] for entry in found["objects"])} - {key}
        return sorted(path.rpartition("/")[2] for path in paths)

    def find(self, directory: str, name: str) -> list[str]:
        """One listing of everything."""
        key = _key(directory)
        above = key.count("/") + bool(key)
        paths = (path for page in self._below(directory) for path in page)
        return sorted(
            f"{directory.partition('/')[0]}/{path}"
            for path in paths
            if path.rpartition("/")[2] == name and path.count("/") - above in (1, 2)
        )

    def identity(self, path: str) -> str:
        """No path on disk is equal to it."""
        return self._kind + path

    def is_link(self, path: str) -> bool:
        """There are no links."""
        return False

    def remove_file(self, path: str) -> None:
        """Gone with the answer."""
        with suppress(FileNotFoundError), _answers(path):
            obstore.delete(self._store, _key(path))

    def remove_tree(self, path: str) -> None:
        """With all objects below, so many a request."""
        for page in self._below(path):
            with suppress(FileNotFoundError), _answers(path):
                obstore.delete(self._store, page)
        self.remove_file(path)

    def _below(self, directory: str) -> Iterator[list[str]]:
        with _answers(directory):
            for page in obstore.list(self._store, _key(directory), chunk_size=_PAGE):
                yield [entry["path"] for entry in page]


def _key(path: str) -> str:
    return path.partition("/")[2]


def _first_part(chunks: Iterator[bytes]) -> bytes:
    """As many as fill a part, or all."""
    taken: list[bytes] = []
    size = 0
    for chunk in chunks:
        taken.append(chunk)
        size += len(chunk)
        if size >= _PART:
            break
    return taken[0] if len(taken) == 1 else b"".join(taken)
