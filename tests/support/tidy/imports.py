"""Imports point downwards between the six packages, and never in a circle inside one.

millstream_proto <- millstream_dataflow <- millstream_runtime <- millstream_jobmanager, millstream_taskmanager and
millstream, which stand side by side.
"""

import ast
from collections.abc import Iterable, Iterator

from tests.support.tidy.source import PACKAGES, Finding, Source

_FOUNDATION = {"millstream_proto", "millstream_dataflow", "millstream_runtime"}

# What a package may import besides itself.
BELOW = {
    "millstream_proto": set[str](),
    "millstream_dataflow": {"millstream_proto"},
    "millstream_runtime": {"millstream_proto", "millstream_dataflow"},
    "millstream_jobmanager": _FOUNDATION,
    "millstream_taskmanager": _FOUNDATION,
    "millstream": _FOUNDATION,
}

# The only parts of the face that start a cluster, and so may import one.
STARTS_CLUSTERS = ("millstream.cli", "millstream.embedded", "millstream.inline")
CLUSTER = {"millstream_jobmanager", "millstream_taskmanager"}


def upward_imports(source: Source) -> Iterator[Finding]:
    """Imports against the arrows, wherever they stand: at the top, in a function, or for a type checker only."""
    package = source.module.partition(".")[0]
    if package not in BELOW:
        return
    allowed = {package, *BELOW[package]}
    if any(source.module == door or source.module.startswith(f"{door}.") for door in STARTS_CLUSTERS):
        allowed |= CLUSTER
    for node in source.nodes:
        for name in sorted({target.partition(".")[0] for target in imported_names(source, node)}):
            if name in PACKAGES.values() and name not in allowed:
                what = f"{source.module} imports {name}, which is not below it"
                mend = "move what both need to a lower package, or take it as an argument behind a Protocol"
                yield source.finding(getattr(node, "lineno", 1), what, mend)


def imported_names(source: Source, node: ast.AST) -> list[str]:
    """Dotted names that a node imports; `from a import b` may mean the module a.b, so it gives both a and a.b."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(names=names):
            base = _absolute(source, node)
            return [base, *(f"{base}.{alias.name}" for alias in names)]
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return [name]
        case _:
            return []


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = source.module.split(".")
    parents = len(parts) - node.level + (1 if source.is_package else 0)
    return ".".join([*parts[:parents], *([node.module] if node.module else [])])


def circular_imports(sources: Iterable[Source]) -> Iterator[Finding]:
    """Modules that need one another while they load: whichever is imported first breaks."""
    modules = {source.module: source for source in sources if source.module}
    edges = {name: _loads(source, modules.keys()) for name, source in modules.items()}
    done: set[str] = set()
    for name in sorted(modules):
        for circle in _circles(name, edges, done, ()):
            what = f"circular import {' -> '.join([*circle, circle[0]])}"
            mend = "move what both need to a third module, or import where it is used"
            yield modules[circle[0]].finding(1, what, mend)


def _circles(name: str, edges: dict[str, set[str]], done: set[str], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if name in path:
        yield path[path.index(name) :]
    elif name not in done:
        for target in sorted(edges[name]):
            yield from _circles(target, edges, done, (*path, name))
        done.add(name)


def _loads(source: Source, modules: Iterable[str]) -> set[str]:
    """Modules that loading this one loads. The package around it is loading already: only taking a name counts."""
    found: set[str] = set()
    known = set(modules)
    for node in _import_time(source.tree.body):
        targets = [name for name in imported_names(source, node) if name in known]
        if isinstance(node, ast.ImportFrom) and len(targets) > len(node.names):
            targets = targets[1:]  # `from package import module, other`: all are modules, the package lends no name
        found.update(targets)
    return found - {source.module}


def _import_time(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        blocks = ["orelse", "finalbody"] if _for_type_checkers(statement) else ["body", "orelse", "finalbody"]
        yield statement
        for block in blocks:
            yield from _import_time(getattr(statement, block, []))
        for handler in getattr(statement, "handlers", []):
            yield from _import_time(handler.body)


def _for_type_checkers(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)
