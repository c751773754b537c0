"""The source files that travel with a job, so that a worker imports them for real (law 12.1).

One archive holds the modules beside the script: those that it imports, directly or through each other, lazily or not,
and those of its folder that are imported already. Each of `--py-files` is an archive of its own. The script itself
and notebook code aren't in them: they travel by value, inside the functions; so do modules that no worker could
import, such as a test that makes a job.

The same files give the same bytes: entries are sorted, dated 1980 and stored as they are.
"""

import io
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Final

from millstream.compiler.imports import SourceModule, needed_modules
from millstream.compiler.source_files import ProgramFiles, is_importable_elsewhere, is_library, local_modules
from millstream.errors import ModuleArchiveError

BESIDE_SCRIPT: Final = "modules.zip"
TRAVELS_AS: Final = "__travels_as__"
"""Where a loaded module that has no source of its own may say which files stand for it on a worker, by path."""
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold
_NEVER_IN_ZIPS: Final = (".so", ".pyd", ".dylib")


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip that a worker puts on its import path."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ProgramModules:
    """How a program's own modules reach a worker."""

    archives: tuple[Archive, ...]
    by_value: tuple[ModuleType, ...]


def collect_modules(files: ProgramFiles, loaded: Mapping[str, ModuleType]) -> ProgramModules:
    """The archives of a program, and those of the loaded modules (`sys.modules`) that have to travel by value."""
    local = local_modules(loaded)
    beside = _beside_script(files, local)
    archives = [_archive_of(path) for path in files.py_files]
    archives += _stand_ins(loaded)
    if beside:
        entries = {module.archive_path: module.file.read_bytes() for module in beside.values()}
        archives.append(Archive(BESIDE_SCRIPT, zip_of(entries)))
    lost = [
        loaded[name]
        for name, file in local.items()
        if name not in beside and not is_importable_elsewhere(file) and not _is_in(file, files.py_files)
    ]
    return ProgramModules(_named_apart(archives), tuple(lost))


def _stand_ins(loaded: Mapping[str, ModuleType]) -> list[Archive]:
    says = {name: getattr(module, "__dict__", {}).get(TRAVELS_AS) for name, module in loaded.items()}
    return [Archive(f"{name}.zip", zip_of(files)) for name, files in sorted(says.items()) if files]


def _named_apart(archives: Iterable[Archive]) -> tuple[Archive, ...]:
    """Two of `--py-files` may be called alike; on the worker they lie side by side."""
    named: dict[str, Archive] = {}
    for archive in archives:
        stem, dot, suffix = archive.name.rpartition(".")
        names = chain([archive.name], (f"{stem}-{number}{dot}{suffix}" for number in count(2)))
        name = next(name for name in names if name not in named)
        named[name] = replace(archive, name=name)
    return tuple(named.values())


def _beside_script(files: ProgramFiles, local: Mapping[str, Path]) -> dict[str, SourceModule]:
    if files.folder is None:
        return {}
    search = _search_path(files.folder)
    imported = {
        name: SourceModule(name, file)
        for name, file in local.items()
        if file.is_relative_to(files.folder) and file != files.script and _is_named_by_place(name, file)
    }
    script = [] if files.script is None else [SourceModule(files.script_module, files.script)]
    found = {**needed_modules([*script, *imported.values()], search), **imported}
    return {name: found[name] for name in sorted(found) if not is_library(found[name].file)}


def _search_path(folder: Path) -> list[Path]:
    """Where a worker's modules are looked for: the folder, and what the program itself put on its path below it."""
    entries = (Path(entry).resolve() for entry in sys.path if entry)
    inside = (entry for entry in entries if entry != folder and entry.is_relative_to(folder))
    # A virtual environment often lies in the program's folder; walking its libraries would take minutes.
    return [folder, *(entry for entry in inside if not is_library(entry / "module.py"))]


def _is_named_by_place(name: str, file: Path) -> bool:
    """Whether the file can be found by its dotted name below some entry of an import path."""
    module = SourceModule(name, file)
    return file.as_posix().endswith(f"/{module.archive_path}")


def _is_in(file: Path, py_files: tuple[Path, ...]) -> bool:
    return any(file.is_relative_to(path.resolve()) for path in py_files)


def _archive_of(path: Path) -> Archive:
    """One of `--py-files`: a module, a folder whose content goes on the import path, or a zip or wheel as it is."""
    if path.is_dir():
        files = {file.relative_to(path): file for file in path.rglob("*") if file.is_file()}
        entries = {name.as_posix(): file.read_bytes() for name, file in files.items() if not _is_litter(name)}
        return Archive(f"{path.name}.zip", zip_of(entries))
    if not path.is_file():
        raise ModuleArchiveError(
            f"--py-files (or add_python_file) names {path}, which is not there", "name a file or a folder"
        )
    if path.suffix == ".py":
        return Archive(f"{path.stem}.zip", zip_of({path.name: path.read_bytes()}))
    if not zipfile.is_zipfile(path):
        what = f"--py-files (or add_python_file) names {path}, which is neither Python source nor a zip"
        raise ModuleArchiveError(what, "name a .py file, a folder, a .zip or a .whl")
    with zipfile.ZipFile(path) as archive:
        compiled = next((name for name in archive.namelist() if name.endswith(_NEVER_IN_ZIPS)), None)
    if compiled is not None:
        holds = f"the compiled module {compiled}; Python can't import it from a zip"
        what = f"--py-files (or add_python_file) names {path}, which holds {holds}"
        raise ModuleArchiveError(what, "install the distribution where the TaskManagers run")
    return Archive(path.name, path.read_bytes())


def _is_litter(name: Path) -> bool:
    return any(part == "__pycache__" or part.startswith(".") for part in name.parts)


def zip_of(entries: Mapping[str, bytes]) -> bytes:
    """A zip of these files, the same for the same content.

    Folders stand in it too: Python finds a package without `__init__.py` in a zip only by its folder.
    """
    folders = {f"{folder.as_posix()}/": b"" for name in entries for folder in PurePosixPath(name).parents[:-1]}
    files = {**folders, **entries}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.external_attr = (0o755 if name.endswith("/") else 0o644) << 16
            archive.writestr(entry, files[name])
    return stream.getvalue()
