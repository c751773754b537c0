"""Where a program's source lies, and which modules a worker has of its own.

The folder of the script stands for the program: what is imported from there travels with the job. Without a script (a
notebook, a shell) it is the current directory. A program that some installed tool runs (pytest) has no folder.
"""

import os
import site
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Final

OWN_PACKAGES: Final = frozenset(
    {
        *("millstream", "millstream_dataflow", "millstream_jobmanager"),
        *("millstream_proto", "millstream_runtime", "millstream_taskmanager"),
    }
)
"""Every worker has these, whether they are installed or run from a checkout."""

_NEVER_LOCAL: Final = OWN_PACKAGES | {"__main__"}


@dataclass(frozen=True, slots=True)
class ProgramFiles:
    """A program's source: the script, the folder whose modules travel, and what `--py-files` adds."""

    script: Path | None = None
    script_module: str = "__main__"
    """The script's dotted name when it was run by `python -m`; its relative imports begin there."""
    folder: Path | None = None
    py_files: tuple[Path, ...] = ()


def of_script(script: Path, py_files: Iterable[Path] = ()) -> ProgramFiles:
    """The files of a program that is about to be run as a script."""
    resolved = script.resolve()
    return ProgramFiles(resolved, "__main__", resolved.parent, tuple(py_files))


def locate(main: ModuleType, py_files: Iterable[Path] = ()) -> ProgramFiles:
    """The files of the program whose `__main__` is `main`."""
    added = tuple(py_files)
    file: str | None = getattr(main, "__file__", None)
    if file is None or not Path(file).is_file():  # typed in: Python says "<stdin>" there
        return ProgramFiles(folder=Path.cwd(), py_files=added)
    script = Path(file).resolve()
    if is_library(script):
        return ProgramFiles(py_files=added)
    name = main.__spec__.name if main.__spec__ is not None else "__main__"
    return ProgramFiles(script, name, script.parents[name.count(".")], added)


def local_modules(modules: Mapping[str, ModuleType]) -> dict[str, Path]:
    """Name and file of every module that was imported from source and belongs neither to a library nor to us."""
    found: dict[str, Path] = {}
    here = Path.cwd()
    for name, module in modules.items():
        # Not by getattr: there are lazy modules, which would load themselves, and other objects.
        file = getattr(module, "__dict__", {}).get("__file__")
        if not isinstance(file, str) or not file.endswith(".py") or file.startswith(_library_prefixes()):
            continue
        if name.partition(".")[0] in _NEVER_LOCAL:
            continue
        path = _real_path(here, file)
        if not is_library(path) and path.is_file():
            found[name] = path
    return found


@lru_cache(maxsize=4_096)  # six calls of the system each, and the place of what is loaded stays
def _real_path(here: Path, file: str) -> Path:
    return (here / file).resolve()


def is_library(file: Path) -> bool:
    """Whether a file belongs to Python itself or to an installed distribution."""
    return _is_in(file, _library_folders())


def is_importable_elsewhere(file: Path) -> bool:
    """Whether a fresh interpreter of this environment would find the file: an editable installation, in effect."""
    return _is_in(file, _editable_folders())


def _is_in(file: Path, folders: tuple[Path, ...]) -> bool:
    """By letters: this is asked of each of a thousand modules, and `is_relative_to` takes apart both paths."""
    return f"{file}{os.sep}".startswith(tuple(f"{folder}{os.sep}" for folder in folders))


@cache
def _library_folders() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    folders = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple({Path(folder).resolve() for folder in [*folders, *site.getsitepackages(), site.getusersitepackages()]})


@cache
def _library_prefixes() -> tuple[str, ...]:
    """The same as texts: most of a thousand loaded modules are told by their first letters, which costs least."""
    paths = sysconfig.get_paths()
    return tuple(f"{paths[key]}{os.sep}" for key in ("stdlib", "purelib"))


@cache
def _editable_folders() -> tuple[Path, ...]:
    """The folders that `.pth` files of the installation put on the import path."""
    folders: list[Path] = []
    for library in _library_folders():
        for pth in sorted(library.glob("*.pth")):
            lines = pth.read_text(encoding="utf-8", errors="replace").splitlines()
            folders += [
                library / line.strip() for line in lines if line.strip() and not line.startswith(("import ", "#"))
            ]
    return tuple(folder.resolve() for folder in folders if folder.is_dir())
