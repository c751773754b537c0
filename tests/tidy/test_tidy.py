"""Style is a test: the rules of tests/support/tidy over this tree. Each finding names its mend."""

import gc
import importlib
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.tidy.clocks import wall_clock_reads
from tests.support.tidy.face import FACE, face_is_one_list
from tests.support.tidy.imports import circular_imports, upward_imports
from tests.support.tidy.purity import DECIDING, impure
from tests.support.tidy.reasons import ruff_ignores_without_reason, silenced_without_reason
from tests.support.tidy.size import long_files, long_functions, missing_package_docstrings, missing_return_annotations
from tests.support.tidy.source import PACKAGES, ROOT, Finding, Source, python_sources, text_sources
from tests.support.tidy.words import forbidden_words

PYTHON_RULES = [
    impure,
    long_files,
    long_functions,
    missing_package_docstrings,
    missing_return_annotations,
    silenced_without_reason,
    upward_imports,
    wall_clock_reads,
]


@pytest.fixture(scope="module")
def sources() -> Iterator[list[Source]]:
    """Their trees stay until the end: a collector that looks through them again and again takes most of the time."""
    gc.disable()
    yield python_sources()
    gc.enable()


def read(path: str) -> Source:
    return Source(path, (ROOT / path).read_text(encoding="utf-8"))


def hold(findings: Iterator[Finding]) -> None:
    """Fail with the findings alone: whoever reads them wants the line and the mend, not this file's traceback."""
    if lines := "\n".join(map(str, findings)):
        pytest.fail(lines, pytrace=False)


@pytest.mark.parametrize("rule", PYTHON_RULES, ids=lambda rule: rule.__name__)
def test_python_files_keep_the_rule(rule: Callable[[Source], Iterator[Finding]], sources: list[Source]) -> None:
    hold(finding for source in sources for finding in rule(source))


def test_no_circular_imports(sources: list[Source]) -> None:
    hold(circular_imports(sources))


def test_no_forbidden_words() -> None:
    hold(finding for source in text_sources() for finding in forbidden_words(source))


def test_ruff_ignores_have_reasons() -> None:
    hold(ruff_ignores_without_reason(read("pyproject.toml")))


def test_the_face_is_one_list() -> None:
    hold(face_is_one_list(read(FACE)))


def test_every_public_name_can_be_had() -> None:
    face = importlib.import_module("millstream")
    missing = [name for name in face.__all__ if getattr(face, name, None) is None or name not in dir(face)]
    assert not missing, "a name of __all__ that its home doesn't define; mend: correct its line in _MODULES"


def test_the_rules_see_the_tree(sources: list[Source]) -> None:
    """A rule that walks past the files is always content."""
    packages = {source.module.partition(".")[0] for source in sources if source.module}
    assert packages == set(PACKAGES.values())
    assert any(source.path.startswith(DECIDING) for source in sources)


def test_packages_are_typed() -> None:
    folders = [ROOT / folder / name for folder, name in PACKAGES.items()]
    untyped = [folder.name for folder in folders if not (folder / "py.typed").exists()]
    assert not untyped, "a package without py.typed; mend: add the empty file, or its users' type checkers are blind"


def test_generated_protos_are_fresh() -> None:
    command = [sys.executable, "tools/generate_protos.py", "--check"]
    check = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout + check.stderr


def test_the_wheel_holds_the_six_packages_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top_level = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert top_level == set(PACKAGES.values()), "mend: tool.hatch.build.targets.wheel in pyproject.toml"
    assert {f"{package}/py.typed" for package in PACKAGES.values()} <= set(names)
