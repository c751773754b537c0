"""Which modules of a folder a script needs: its imports, theirs, and so on, read from the source without running it.

An `import` inside a function counts as well, though nothing was imported yet when the job is made: on a worker it
will be.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SourceModule:
    """A module by its dotted name and its file."""

    name: str
    file: Path

    @property
    def package(self) -> str:
        """What a relative import inside it starts from."""
        return self.name if self.file.name == "__init__.py" else self.name.rpartition(".")[0]

    @property
    def archive_path(self) -> str:
        """Its place below an entry of the import path."""
        steps = self.name.replace(".", "/")
        return f"{steps}/__init__.py" if self.file.name == "__init__.py" else f"{steps}.py"


def needed_modules(starts: Iterable[SourceModule], search: Sequence[Path]) -> dict[str, SourceModule]:
    """All modules in the folders of `search` that the starts import, directly or not; without the starts themselves."""
    found: dict[str, SourceModule] = {}
    looked_for = set[str]()
    waiting = list(starts)
    while waiting:
        for name in _imported_names(waiting.pop()):
            for step in _on_the_way(name):
                if step in looked_for:  # most names are those of libraries, and each costs a few calls of the system
                    continue
                looked_for.add(step)
                module = find_module(step, search)
                if module is not None:
                    found[step] = module
                    waiting.append(module)
    return found


def _on_the_way(name: str) -> Iterator[str]:
    """The modules that importing `a.b.c` loads: a, a.b and a.b.c."""
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def find_module(name: str, search: Sequence[Path]) -> SourceModule | None:
    """The module of that name in the first folder that has it."""
    for folder in search:
        place = folder.joinpath(*name.split("."))
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                return SourceModule(name, file)
    return None


def _imported_names(module: SourceModule) -> tuple[str, ...]:
    """Dotted names that a module's source imports; `from a import b` may mean the module a.b, so it gives a.b."""
    try:
        return _names_in(module.file.read_bytes(), module.package)
    except (OSError, SyntaxError, ValueError):
        return ()  # whoever imports it is told by Python itself


@lru_cache(maxsize=4_096)  # to parse 300 modules takes 2 s, and a notebook executes many programs
def _names_in(source: bytes, package: str) -> tuple[str, ...]:
    return tuple(_names_of(ast.parse(source), package))


def _names_of(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(names=names):
                base = _absolute(node, package)
                yield from (f"{base}.{alias.name}".strip(".") for alias in names if alias.name != "*")
                yield from ([base] if base else [])
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ) if not name.startswith("."):
                yield name
            case _:
                pass


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    base = parts[: max(len(parts) - node.level + 1, 0)]
    return ".".join([*base, *([node.module] if node.module else [])])
