"""From a path or URI to the file system that serves it.

A path without a scheme and `file:` are the machine's own. `s3://bucket/checkpoints?region=eu-north-1` keeps its query
when names are put behind it, as every process does that works with a directory's name as text: the query ends at
the next slash, so `s3://bucket/checkpoints?region=eu-north-1/chk-7` is `bucket/checkpoints/chk-7` in that region.
"""

import errno
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from millstream_runtime.file_systems.local import LocalStorage
from millstream_runtime.file_systems.storage import Storage

_LOCAL = LocalStorage()

OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
"""Schemes of URIs that obstore serves."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in one file system; it need not exist."""

    storage: Storage
    path: str

    def __truediv__(self, name: str) -> "Location":
        """A place below it."""
        return Location(self.storage, f"{self.path}/{name}")


def locate(path: str) -> Location:
    """Where a path or URI points; OSError for a scheme that nobody serves."""
    if "://" not in path:
        return Location(_LOCAL, str(Path(path).absolute()))
    scheme, _, rest = path.partition("://")
    if scheme == "file":
        host, slash, local = rest.partition("/")
        if host not in ("", "localhost") or not slash:
            raise OSError(errno.EPROTONOSUPPORT, "a file URI names a path of this machine: file:///directory", path)
        return Location(_LOCAL, str(Path(f"/{unquote(local)}")))
    authority, _, names = rest.partition("/")
    before, _, query = names.partition("?")
    settings, _, behind = query.partition("/")
    storage, root = _connected(f"{scheme}://{authority}{'?' * bool(settings)}{settings}")
    parts = [root.strip("/"), *unquote(f"{before}/{behind}").split("/")]
    return Location(storage, "/" * root.startswith("/") + "/".join(part for part in parts if part))


@lru_cache(maxsize=64)
def _connected(uri: str) -> tuple[Storage, str]:
    """Once a bucket, with the connections to it. Only who needs a library imports it: that takes 40 ms for obstore, 250
    for pyarrow.fs.
    """
    if uri.partition("://")[0] in OBJECT_STORES:
        from millstream_runtime.file_systems import object_store  # noqa: PLC0415  # see above

        return object_store.connect(uri)
    from millstream_runtime.file_systems import arrow  # noqa: PLC0415  # see above

    return arrow.connect(uri)
