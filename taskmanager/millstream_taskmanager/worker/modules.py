"""The program's own modules and classes in a worker (law 12.1).

Modules beside the script, and `--py-files`, come as zips and are imported for real. The script's own classes come by
value, inside the functions; each is installed under its module and qualified name, so that rows, keys and state name it
by reference, at C speed, and a checkpoint never holds code. A class that was made inside a function has no such name.
"""

import importlib.util
import sys
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

from cloudpickle import cloudpickle as _internals  # type: ignore[import-untyped]  # it has no types

from millstream_dataflow.forerunners import forerunners
from millstream_dataflow.job_graph import Artifact

# Private to cloudpickle, which is pinned below its next major version; a test fails if it is gone.
_by_class = cast(
    "MutableMapping[object, str]",
    cast("Any", _internals)._DYNAMIC_CLASS_TRACKER_BY_CLASS,  # noqa: SLF001  # no public way
)

_IN_FUNCTION = "<locals>"


class HollowModule(ModuleType):
    """Stands for a module whose classes have come, but not its source."""


def add_artifacts(artifacts: Iterable[Artifact], blobs: Path, directory: Path) -> None:
    """Put the archives on the import path, before everything else, as the script's folder was. They lie under their
    digests; links in `directory` give them the names that a traceback shows.
    """
    paths: list[str] = []
    for artifact in artifacts:
        if Path(artifact.name).name != artifact.name or artifact.name in ("", ".", ".."):
            raise ValueError(f"an artifact calls itself {artifact.name!r}, which is no name of a file")
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        link = directory / artifact.name
        link.symlink_to((blobs / artifact.blob.digest).absolute())
        paths.append(str(link))
    sys.path[:0] = paths


def install_classes() -> list[type]:
    """Give every class that has come by value its name; gives those that have got one."""
    classes = [cls for cls in list(_by_class) if isinstance(cls, type) and _IN_FUNCTION not in cls.__qualname__]
    former = forerunners(classes)
    classes = [cls for cls in classes if cls not in former]
    # An outer class comes before those in it, so that nothing is put in its place.
    return [cls for cls in sorted(classes, key=_depth) if _install(cls)]


def _depth(cls: type) -> tuple[int, str, str]:
    return cls.__qualname__.count("."), cls.__module__, cls.__qualname__


def _install(cls: type) -> bool:
    place: Any = _module(cls.__module__)
    real = not isinstance(place, HollowModule) and cls.__module__ != "__main__"
    *outer, name = cls.__qualname__.split(".")
    for part in outer:
        if not hasattr(place, part):
            setattr(place, part, SimpleNamespace())
        place = getattr(place, part)
    if real and getattr(place, name, cls) is not cls:  # a library's own, which isn't ours to replace
        return False
    setattr(place, name, cls)
    return True


def _module(name: str) -> ModuleType:
    """The loaded module of that name, else a hollow one; with what stands above it, since pickle imports from there."""
    if name in sys.modules:
        return sys.modules[name]
    above, _, last = name.rpartition(".")
    if above and above not in sys.modules and _can_be_imported(above):
        importlib.import_module(above)
    module = HollowModule(name)
    module.__path__ = []
    sys.modules[name] = module
    if above:
        setattr(_module(above), last, module)
    return module


def _can_be_imported(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
