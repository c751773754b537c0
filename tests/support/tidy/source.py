"""What the rules look at (a source) and what they say (a finding)."""

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[3]

# Each top-level folder holds one import package.
PACKAGES = {
    "proto": "millstream_proto",
    "dataflow": "millstream_dataflow",
    "runtime": "millstream_runtime",
    "client": "millstream",
    "jobmanager": "millstream_jobmanager",
    "taskmanager": "millstream_taskmanager",
}

_GENERATED = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")
_NOT_OURS = {"__pycache__", "node_modules", "build", "dist"}
_AS_USERS_WRITE = "tests/data/pyflink_programs/"
"""Programs that stand for those of users, who keep no rule of ours."""


@dataclass(frozen=True)
class Finding:
    """A rule that a line breaks."""

    path: str
    line: int
    what: str
    mend: str

    def __str__(self) -> str:
        """One line, in the form that editors make clickable."""
        return f"{self.path}:{self.line}: {self.what}; mend: {self.mend}"


@dataclass(frozen=True)
class Source:
    """A file of text, named relative to the root of the tree."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Parsed Python."""
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All that is in the tree, walked once for all rules."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def module(self) -> str:
        """Dotted import name; empty for a file outside of the six packages."""
        parts = PurePosixPath(self.path).with_suffix("").parts
        if len(parts) < 2 or PACKAGES.get(parts[0]) != parts[1]:
            return ""
        return ".".join(parts[1:-1] if parts[-1] == "__init__" else parts[1:])

    @property
    def is_package(self) -> bool:
        """Whether this is the `__init__.py` of a folder."""
        return self.path.endswith("__init__.py")

    def finding(self, line: int, what: str, mend: str) -> Finding:
        """A finding in this file."""
        return Finding(self.path, line, what, mend)


def text_sources(root: Path = ROOT) -> Iterator[Source]:
    """Every file of the tree that is text and written by hand."""
    for folder, names, files in os.walk(root):
        # Hidden folders are environments and caches, but for the one that says what CI does.
        names[:] = sorted(name for name in names if name not in _NOT_OURS and (name == ".ci" or name[0] != "."))
        for name in sorted(files):
            path = Path(folder, name)
            if not name.endswith(_GENERATED):
                try:
                    yield Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
                except UnicodeDecodeError:
                    continue


def python_sources(root: Path = ROOT) -> list[Source]:
    """Every Python file of the tree that is written by hand, as we write."""
    found = (source for source in text_sources(root) if source.path.endswith(".py"))
    return [source for source in found if not source.path.startswith(_AS_USERS_WRITE)]


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods, nested ones too."""
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
