"""Which modules of a folder a script needs, read from its source."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from millstream.compiler.imports import SourceModule, needed_modules


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def needed(folder: Path, files: Mapping[str, str], script: str = "job.py") -> list[str]:
    write(folder, files)
    return sorted(needed_modules([SourceModule("__main__", folder / script)], [folder]))


def test_direct_and_indirect_imports_are_needed_and_others_are_not(tmp_path: Path) -> None:
    files = {"job.py": "import a", "a.py": "import b, json", "b.py": "", "unused.py": ""}
    assert needed(tmp_path, files) == ["a", "b"]


def test_an_import_inside_a_function_counts(tmp_path: Path) -> None:
    files = {"job.py": "def f(x):\n    from helper import g\n    return g(x)", "helper.py": "g = str"}
    assert needed(tmp_path, files) == ["helper"]


def test_packages_come_with_the_packages_around_them(tmp_path: Path) -> None:
    files = {
        "job.py": "from shop.parts.prices import net",
        "shop/__init__.py": "",
        "shop/parts/__init__.py": "import audit",
        "shop/parts/prices.py": "from . import tax\nfrom .. import rates\nfrom ..names import label",
        "shop/parts/tax.py": "",
        "shop/rates.py": "",
        "shop/names.py": "",
        "audit.py": "",
    }
    expected = "audit shop shop.names shop.parts shop.parts.prices shop.parts.tax shop.rates"
    assert needed(tmp_path, files) == expected.split()


def test_a_folder_without_init_is_a_package_too(tmp_path: Path) -> None:
    assert needed(tmp_path, {"job.py": "import tools.clean", "tools/clean.py": ""}) == ["tools.clean"]


@pytest.mark.parametrize(
    "line",
    ["importlib.import_module('plugin')", "import_module('plugin')", "__import__('plugin')", "from plugin import *"],
)
def test_other_ways_to_import(tmp_path: Path, line: str) -> None:
    assert needed(tmp_path, {"job.py": line, "plugin.py": ""}) == ["plugin"]


def test_circles_and_broken_sources_do_no_harm(tmp_path: Path) -> None:
    files = {"job.py": "import a, broken", "a.py": "import b", "b.py": "import a", "broken.py": "def f(:"}
    assert needed(tmp_path, files) == ["a", "b", "broken"]


def test_an_encoding_that_the_source_declares_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": ""})
    (tmp_path / "job.py").write_bytes("# -*- coding: latin-1 -*-\nname = 'é'\nimport a\n".encode("latin-1"))
    assert list(needed_modules([SourceModule("__main__", tmp_path / "job.py")], [tmp_path])) == ["a"]


def test_a_module_knows_its_place_in_an_archive(tmp_path: Path) -> None:
    assert SourceModule("a.b", tmp_path / "a" / "b.py").archive_path == "a/b.py"
    assert SourceModule("a.b", tmp_path / "a" / "b" / "__init__.py").archive_path == "a/b/__init__.py"


def test_relative_imports_of_a_script_run_as_a_module(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"shop/job.py": "from .helper import f\nfrom . import other", "shop/helper.py": "", "shop/other.py": ""},
    )
    script = SourceModule("shop.job", tmp_path / "shop" / "job.py")
    assert sorted(needed_modules([script], [tmp_path])) == ["shop.helper", "shop.other"]
