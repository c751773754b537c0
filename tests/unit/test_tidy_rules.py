"""Each house rule can fail: small bad sources, and beside them the good ones that look alike."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.tidy.clocks import wall_clock_reads
from tests.support.tidy.face import FACE, face_is_one_list
from tests.support.tidy.imports import circular_imports, upward_imports
from tests.support.tidy.purity import impure
from tests.support.tidy.reasons import ruff_ignores_without_reason, silenced_without_reason
from tests.support.tidy.size import long_files, long_functions, missing_package_docstrings, missing_return_annotations
from tests.support.tidy.source import Finding, Source
from tests.support.tidy.words import forbidden_words

Rule = Callable[[Source], Iterator[Finding]]

PURE = "dataflow/millstream_dataflow/windows.py"
LONG_BODY = "\n".join(["    x = 1"] * 60)
NO_REASON = "# no" + "qa: E501"  # in halves, for this file is read by the rule
BLANKET = "# type: " + "ignore"
LATER = "# TO" + "DO"

BAD: list[tuple[Rule, str, str]] = [
    (long_files, "tools/a.py", "x = 1\n" * 501),
    (long_functions, "tools/a.py", f"def f() -> None:\n{LONG_BODY}\n"),
    (long_functions, "tools/a.py", f"class C:\n  async def f(self) -> None:\n{LONG_BODY}\n"),
    (missing_return_annotations, "tests/a.py", "def f(x: int): return x"),
    (missing_return_annotations, "tests/a.py", "class C:\n  def __init__(self): pass"),
    (missing_package_docstrings, "client/millstream/sql/__init__.py", ""),
    (missing_package_docstrings, "client/millstream/sql/__init__.py", "import json"),
    (upward_imports, "dataflow/millstream_dataflow/a.py", "import millstream_runtime"),
    (upward_imports, "dataflow/millstream_dataflow/a.py", "def f():\n  from millstream import col"),
    (upward_imports, "jobmanager/millstream_jobmanager/a.py", "from millstream_taskmanager.slots import Slot"),
    (upward_imports, "taskmanager/millstream_taskmanager/a.py", "from millstream.table import Table"),
    (upward_imports, "client/millstream/table.py", "import millstream_jobmanager.core"),
    (
        upward_imports,
        "client/millstream/client.py",
        "from importlib import import_module\nimport_module('millstream_jobmanager')",
    ),
    (upward_imports, "client/millstream/clients/a.py", "import millstream_taskmanager"),
    (impure, PURE, "import time"),
    (impure, PURE, "from asyncio import Queue"),
    (impure, PURE, "import concurrent.futures"),
    (impure, PURE, "def f(): return datetime.datetime.now(UTC)"),
    (impure, PURE, "from uuid import uuid4\nx = uuid4()"),
    (impure, PURE, "import os\nx = os.urandom(8)"),
    (impure, PURE, "import os\nx = os.environ['HOME']"),
    (impure, PURE, "x = open('file')"),
    (impure, PURE, "import numpy as np\nx = np.random.default_rng()"),
    (impure, "jobmanager/millstream_jobmanager/core/scheduler.py", "import grpc"),
    (impure, "taskmanager/millstream_taskmanager/core/a.py", "import random"),
    (wall_clock_reads, "taskmanager/millstream_taskmanager/operators/a.py", "import time\nx = time.time()"),
    (wall_clock_reads, "taskmanager/millstream_taskmanager/operators/a.py", "from time import time_ns"),
    (wall_clock_reads, "client/millstream/connectors/a.py", "x = datetime.datetime.now(UTC)"),
    (wall_clock_reads, "client/millstream/connectors/a.py", "make(clock=time.time)"),
    (forbidden_words, "docs/a.md", "see /wo" + "rk/main"),
    (forbidden_words, "docs/a.md", f"{LATER}: later"),
    (silenced_without_reason, "tools/a.py", f"x = 1  {NO_REASON}"),
    (silenced_without_reason, "tools/a.py", f"x = 1  {BLANKET}  # a good reason"),
    (silenced_without_reason, "tools/a.py", f"x = 1  {BLANKET}[assignment]"),
    (silenced_without_reason, "tools/a.py", f"x = 1  {BLANKET}[assignment]  {NO_REASON}"),
    (silenced_without_reason, "tools/a.py", "# ruff: no" + "qa\nx = 1"),
    (ruff_ignores_without_reason, "pyproject.toml", '[tool.ruff.lint]\nignore = [\n  "E501",\n]'),
    (face_is_one_list, FACE, "if TYPE_CHECKING:\n  from a import x\n__all__ = ['x']\n_MODULES = {}"),
    (face_is_one_list, FACE, "if TYPE_CHECKING:\n  from a import x\n__all__ = ['x']\n_MODULES = {'b': 'x'}"),
    (face_is_one_list, FACE, "__all__ = ['x']\n_MODULES = {'b': 'x'}"),
    (
        face_is_one_list,
        FACE,
        "if TYPE_CHECKING:\n  from a import x, y\n__all__ = ['y', 'x']\n_MODULES = {'a': 'x y'}",
    ),
]

GOOD: list[tuple[Rule, str, str]] = [
    (long_files, "tools/a.py", "x = 1\n" * 500),
    (long_functions, "tools/a.py", "def f() -> None:\n" + "    x = 1\n" * 59),
    (missing_package_docstrings, "client/millstream/sql/a.py", ""),
    (upward_imports, "dataflow/millstream_dataflow/a.py", "from . import keys\nimport millstream_proto.graph_pb2"),
    (upward_imports, "client/millstream/cli/local.py", "from millstream_jobmanager import main"),
    (upward_imports, "client/millstream/embedded/cluster.py", "import millstream_taskmanager"),
    (upward_imports, "tests/a.py", "import millstream, millstream_jobmanager"),
    (impure, PURE, "from datetime import timedelta\nimport os\ndef f(p: os.PathLike): return os.fspath(p)"),
    (impure, PURE, "from millstream_dataflow.time import Watermark\nclock.now()"),
    (impure, "jobmanager/millstream_jobmanager/shell.py", "import asyncio, time"),
    (wall_clock_reads, "taskmanager/millstream_taskmanager/worker/loop.py", "x = time.time_ns()"),
    (wall_clock_reads, "taskmanager/millstream_taskmanager/operators/a.py", "x = time.monotonic() + clock.now()"),
    (wall_clock_reads, "taskmanager/millstream_taskmanager/operators/a.py", "x: datetime.time"),
    (wall_clock_reads, "tests/a.py", "x = time.time()"),
    (forbidden_words, "docs/a.md", "see the docs/wo" + "rk/ folder; HACKING"),
    (silenced_without_reason, "tools/a.py", f"x = 1  {NO_REASON}  # the address is long"),
    (silenced_without_reason, "tools/a.py", f"x = '{BLANKET}'"),
    (ruff_ignores_without_reason, "pyproject.toml", '[tool.ruff.lint]\nignore = [\n  "E501", # long by nature\n]'),
    (
        face_is_one_list,
        FACE,
        "if TYPE_CHECKING:\n  from a import X, y\n__all__ = ['X', 'y']\n_MODULES = {'a': 'X y'}",
    ),
]


def name_of(value: object) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize(("rule", "path", "text"), BAD, ids=name_of)
def test_the_rule_finds_it(rule: Rule, path: str, text: str) -> None:
    findings = list(rule(Source(path, text)))
    assert findings
    assert all(finding.mend and str(finding).startswith(f"{path}:") for finding in findings)


@pytest.mark.parametrize(("rule", "path", "text"), GOOD, ids=name_of)
def test_the_rule_lets_it_be(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text))) == []


def modules(**texts: str) -> list[Source]:
    return [Source(f"dataflow/millstream_dataflow/{name}.py", text) for name, text in texts.items()]


@pytest.mark.parametrize(
    "sources",
    [
        modules(a="from millstream_dataflow.b import x", b="import millstream_dataflow.a"),
        modules(a="from . import b", b="from .c import x", c="try:\n  from .a import y\nexcept ImportError: pass"),
        modules(__init__="from millstream_dataflow.a import x", a="from millstream_dataflow import VERSION"),
        modules(a="class C:\n  from .b import x", b="from .a import y"),
    ],
)
def test_a_circle_is_found(sources: list[Source]) -> None:
    [finding] = circular_imports(sources)
    assert "circular import" in finding.what


@pytest.mark.parametrize(
    "sources",
    [
        modules(a="from .b import x", b="def f():\n  from .a import y"),
        modules(a="from .b import x", b="if TYPE_CHECKING:\n  from .a import y"),
        modules(__init__="from .a import x", a="from . import b", b=""),
        modules(a="from .b import x\nfrom .c import y", b="from .c import y", c=""),
    ],
)
def test_no_circle_is_made_up(sources: list[Source]) -> None:
    assert list(circular_imports(sources)) == []
