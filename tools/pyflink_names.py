"""Reads the public names of PyFlink's DataStream API, with their parameters, out of a wheel of `apache-flink`, and
writes them to tests/data/pyflink_names.txt: what docs/pyflink.md must state, name by name.

    pip download --no-deps apache-flink==2.3.0
    python tools/pyflink_names.py apache_flink-2.3.0-*.whl

Only names are taken, from the syntax tree; nothing of the wheel is run. A line is a module and what it makes public:

    pyflink.datastream.window TumblingEventTimeWindows.of(size, offset=)

A parameter with a `=` has a default. What begins with `_` is left out, and so are the parts that only talk to a Java
process: their names are no API.
"""

from __future__ import annotations

import argparse
import ast
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests" / "data" / "pyflink_names.txt"
PACKAGES = ("pyflink/common/", "pyflink/datastream/", "pyflink/metrics/")
INSIDE = ("pyflink/common/utils.py", "pyflink/datastream/utils.py")
"""Helpers of PyFlink itself."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    arguments = parser.parse_args()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text("".join(f"{line}\n" for line in names_of(arguments.wheel)), encoding="utf-8")


def names_of(wheel: Path) -> list[str]:
    """All public names of a wheel, sorted."""
    found = set[str]()
    with zipfile.ZipFile(wheel) as archive:
        for path in archive.namelist():
            if path.startswith(PACKAGES) and path.endswith(".py") and path not in INSIDE and "/tests/" not in path:
                module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                found.update(f"{module} {name}" for name in _module(ast.parse(archive.read(path))))
    return sorted(found)


def _module(tree: ast.Module) -> Iterator[str]:
    """What `__all__` names, with the members of its classes; without one, what is defined there."""
    exported = _exported(tree)
    defined = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    for name in exported if exported is not None else [name for name in defined if not name.startswith("_")]:
        match defined.get(name):
            case ast.ClassDef() as node:
                yield f"{name}{_constructor(node)}"
                yield from (f"{name}.{member}" for member in _members(node))
            case ast.FunctionDef() as node:
                yield f"{name}({_parameters(node, bound=False)})"
            case _:
                yield name
    yield from _set_at_import(tree)


def _set_at_import(tree: ast.Module) -> Iterator[str]:
    """Names that a package takes over from its modules by `setattr`, for the sake of older programs."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value=str(name)), _]):
                yield name
            case _:
                pass


def _exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(it, ast.Name) and it.id == "__all__" for it in node.targets):
            return list(ast.literal_eval(node.value))
    return None


def _constructor(node: ast.ClassDef) -> str:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return "" if "j_" in _parameters(item) or "java" in _parameters(item) else f"({_parameters(item)})"
    return ""


def _members(node: ast.ClassDef) -> Iterator[str]:
    """Methods, inner classes with theirs, and values such as those of an enumeration."""
    for item in node.body:
        match item:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if not name.startswith("_"):
                yield _method(item)
            case ast.ClassDef(name=name) if not name.startswith("_"):
                yield name
                yield from (f"{name}.{member}" for member in _members(item))
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if not name.startswith("_"):
                    yield name
            case _:
                pass


def _method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    decorators = {it.id for it in node.decorator_list if isinstance(it, ast.Name)}
    if "property" in decorators:
        return node.name
    return f"{node.name}({_parameters(node, bound='staticmethod' not in decorators)})"


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, *, bound: bool = True) -> str:
    """Their names in order, without `self`."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    optional = len(positional) - len(arguments.defaults)
    names = [f"{it.arg}=" if place >= optional else it.arg for place, it in enumerate(positional)][bound:]
    if arguments.vararg is not None:
        names.append(f"*{arguments.vararg.arg}")
    for it, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        names.append(f"{it.arg}=" if default is not None else it.arg)
    if arguments.kwarg is not None:
        names.append(f"**{arguments.kwarg.arg}")
    return ", ".join(names)


if __name__ == "__main__":
    main()
