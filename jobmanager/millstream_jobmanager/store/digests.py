"""SHA-256 as the name of bytes."""

import hashlib
import re
from collections.abc import Iterable, Iterator

from millstream_dataflow.identity import Digest
from millstream_jobmanager.store.answers import BlobMismatchError, StoreError

_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_digest(name: str) -> bool:
    """A name that a blob can have."""
    return _DIGEST.fullmatch(name) is not None


def checked_digest(digest: Digest) -> Digest:
    """StoreError for another text: a digest comes from a client, and becomes the name of a file."""
    if not is_digest(digest):
        raise StoreError(f"{digest!r} is no SHA-256 in 64 hexadecimal digits")
    return digest


def verified(digest: Digest, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks as they come; BlobMismatchError behind the last if they are others."""
    found = hashlib.sha256()
    size = 0
    for chunk in chunks:
        found.update(chunk)
        size += len(chunk)
        yield chunk
    if found.hexdigest() != digest:
        text = f"{size} bytes came under the digest {digest}, theirs is {found.hexdigest()}; upload them again"
        raise BlobMismatchError(text)
