"""The public face: the table of modules, `__all__` and what type checkers see are one list, in plain order."""

import ast
from collections.abc import Iterator

from tests.support.tidy.source import Finding, Source

FACE = "client/millstream/__init__.py"


def face_is_one_list(source: Source) -> Iterator[Finding]:
    """Where the three lists differ, or are not in order."""
    homes = _homes(source.tree)
    imports = _type_checking_imports(source.tree)
    modules = list(_modules(source.tree))
    if modules != sorted(modules):
        yield source.finding(1, "_MODULES is not in plain order", f"sort it: {', '.join(sorted(modules))}")
    for module, line in _modules(source.tree).items():
        if line.split() != sorted(line.split()):
            yield source.finding(1, f"the names of {module} are not in plain order", " ".join(sorted(line.split())))
    for title, names in {"__all__": _all(source.tree), "_MODULES": sorted(homes)}.items():
        if names != sorted(set(names)):
            yield source.finding(1, f"{title} is not in plain order", f"sort it: {', '.join(sorted(set(names)))}")
        for name in sorted(set(names) ^ set(imports)):
            where = "TYPE_CHECKING imports" if name in names else title
            yield source.finding(1, f"{name} is missing in {where}", "a public name stands in all three lists")
    for name in sorted(homes.keys() & imports.keys()):
        if homes[name] != imports[name]:
            what = f"{name} comes from {homes[name]} at run time, from {imports[name]} for type checkers"
            yield source.finding(1, what, "name the same module in both")


def _assigned(tree: ast.Module, name: str) -> ast.expr | None:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                return value
            case ast.AnnAssign(target=ast.Name(id=target), value=value) if target == name:
                return value
            case _:
                continue
    return None


def _all(tree: ast.Module) -> list[str]:
    value = _assigned(tree, "__all__")
    return list(ast.literal_eval(value)) if value else []


def _modules(tree: ast.Module) -> dict[str, str]:
    value = _assigned(tree, "_MODULES")
    return dict(ast.literal_eval(value)) if value else {}


def _homes(tree: ast.Module) -> dict[str, str]:
    return {name: module for module, names in _modules(tree).items() for name in names.split()}


def _type_checking_imports(tree: ast.Module) -> dict[str, str]:
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    statements = [statement for block in blocks for statement in block.body if isinstance(statement, ast.ImportFrom)]
    return {alias.asname or alias.name: node.module or "" for node in statements for alias in node.names}
