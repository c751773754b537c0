"""Source files that travel with a job (law 12.1)."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from millstream.compiler import source_files
from millstream.compiler.modules import Archive, collect_modules, zip_of
from millstream.compiler.source_files import ProgramFiles, is_library, local_modules, locate, of_script
from millstream.errors import ModuleArchiveError
from tests.support.work import work

SCRIPT = "import lazy_user\n\ndef parse(x):\n    import helper\n    return helper.parse(x)\n"


@pytest.fixture
def program(tmp_path: Path) -> ProgramFiles:
    """A script with a helper that is imported lazily, one that isn't, and one that nobody imports."""
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "job.py").write_text(SCRIPT)
    (folder / "helper.py").write_text("def parse(x):\n    return int(x)\n")
    (folder / "lazy_user.py").write_text("")
    (folder / "unused.py").write_text("")
    return ProgramFiles(folder / "job.py", "__main__", folder)


def module_at(name: str, path: Path, text: str = "") -> ModuleType:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    module = ModuleType(name)
    module.__file__ = str(path)
    return module


def content(archive: Archive) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive.data)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist() if not name.endswith("/")}


def test_what_the_script_imports_travels_lazily_or_not_and_the_script_does_not(program: ProgramFiles) -> None:
    [archive] = collect_modules(program, {}).archives
    assert archive.name == "modules.zip"
    assert sorted(content(archive)) == ["helper.py", "lazy_user.py"]
    assert content(archive)["helper.py"] == b"def parse(x):\n    return int(x)\n"


def test_an_archive_is_imported_for_real(
    program: ProgramFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [archive] = collect_modules(program, {}).archives
    (tmp_path / "modules.zip").write_bytes(archive.data)
    monkeypatch.syspath_prepend(str(tmp_path / "modules.zip"))
    helper = __import__("helper")
    monkeypatch.delitem(sys.modules, "helper")
    assert helper.parse("7") == 7


def test_modules_of_the_folder_that_are_loaded_already_travel_too(program: ProgramFiles) -> None:
    assert program.folder is not None
    loaded = {"dynamic": module_at("dynamic", program.folder / "dynamic.py", "import unused")}
    [archive] = collect_modules(program, loaded).archives
    assert sorted(content(archive)) == ["dynamic.py", "helper.py", "lazy_user.py", "unused.py"]


def test_a_virtual_environment_inside_the_folder_stays(program: ProgramFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    assert program.folder is not None
    library = program.folder / ".venv" / "lib"
    monkeypatch.setattr(source_files, "_library_folders", lambda: (library,))
    loaded = {"dependency": module_at("dependency", library / "dependency.py")}
    modules = collect_modules(program, loaded)
    assert sorted(content(modules.archives[0])) == ["helper.py", "lazy_user.py"]
    assert modules.by_value == ()


def test_a_module_from_elsewhere_travels_by_value(program: ProgramFiles, tmp_path: Path) -> None:
    elsewhere = module_at("elsewhere", tmp_path / "shared" / "elsewhere.py")
    assert collect_modules(program, {"elsewhere": elsewhere}).by_value == (elsewhere,)


def test_what_an_editable_installation_gives_is_left_to_it(
    program: ProgramFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_files, "_editable_folders", lambda: (tmp_path / "shared",))
    elsewhere = module_at("elsewhere", tmp_path / "shared" / "elsewhere.py")
    assert collect_modules(program, {"elsewhere": elsewhere}).by_value == ()


def test_a_program_without_a_folder_has_no_archive(tmp_path: Path) -> None:
    """A test that makes a job: what it defines travels by value."""
    test = module_at("test_jobs", tmp_path / "test_jobs.py", "import helper")
    modules = collect_modules(ProgramFiles(), {"test_jobs": test})
    assert modules.archives == ()
    assert modules.by_value == (test,)


def test_the_same_files_give_the_same_bytes(program: ProgramFiles) -> None:
    [first] = collect_modules(program, {}).archives
    assert program.folder is not None
    (program.folder / "helper.py").touch()
    assert collect_modules(program, {}).archives == (first,)
    assert zip_of({"b": b"2", "a": b"1"}) == zip_of({"a": b"1", "b": b"2"})


def test_a_package_without_an_init_file_is_imported_from_an_archive(tmp_path: Path) -> None:
    """A folder in a regular package, as tests often have."""
    archive = tmp_path / "modules.zip"
    archive.write_bytes(zip_of({"whole/__init__.py": b"", "whole/part/module.py": b"VALUE = 7"}))
    code = "from whole.part import module; print(module.VALUE)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(archive)}, capture_output=True, check=True
    )
    assert done.stdout == b"7\n"


class TestPyFiles:
    """`--py-files`: whatever Python could have on its import path."""

    def archives(self, *paths: Path) -> list[Archive]:
        return list(collect_modules(ProgramFiles(py_files=paths), {}).archives)

    def test_a_module(self, tmp_path: Path) -> None:
        (tmp_path / "extra.py").write_text("x = 1")
        [archive] = self.archives(tmp_path / "extra.py")
        assert archive.name == "extra.zip"
        assert content(archive) == {"extra.py": b"x = 1"}

    def test_a_folder_gives_its_content(self, tmp_path: Path) -> None:
        module_at("p", tmp_path / "libs" / "package" / "__init__.py", "y = 2")
        (tmp_path / "libs" / "package" / "table.csv").write_text("a,b")
        (tmp_path / "libs" / ".git").mkdir()
        (tmp_path / "libs" / ".git" / "config").write_text("")
        [archive] = self.archives(tmp_path / "libs")
        assert content(archive) == {"package/__init__.py": b"y = 2", "package/table.csv": b"a,b"}

    def test_two_of_one_name_are_told_apart(self, tmp_path: Path) -> None:
        for place in "ab":
            module_at("p", tmp_path / place / "extra.py", place)
        names = [archive.name for archive in self.archives(tmp_path / "a" / "extra.py", tmp_path / "b" / "extra.py")]
        assert names == ["extra.zip", "extra-2.zip"]

    def test_a_zip_travels_as_it_is(self, tmp_path: Path) -> None:
        data = zip_of({"zipped.py": b""})
        (tmp_path / "libs.zip").write_bytes(data)
        assert self.archives(tmp_path / "libs.zip") == [Archive("libs.zip", data)]

    def test_a_module_of_them_does_not_travel_by_value_as_well(self, tmp_path: Path) -> None:
        extra = module_at("extra", tmp_path / "extra.py")
        files = ProgramFiles(py_files=(tmp_path / "extra.py",))
        assert collect_modules(files, {"extra": extra}).by_value == ()

    def test_a_wheel_with_compiled_modules_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "fast-1.whl").write_bytes(zip_of({"fast.cpython-311.so": b""}))
        with pytest.raises(ModuleArchiveError, match=r"holds the compiled module fast\.cpython.*install the distrib"):
            self.archives(tmp_path / "fast-1.whl")

    def test_what_is_missing_or_something_else_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModuleArchiveError, match="not there; name a file or a folder"):
            self.archives(tmp_path / "missing.py")
        (tmp_path / "notes.txt").write_text("")
        with pytest.raises(ModuleArchiveError, match="neither Python source nor a zip"):
            self.archives(tmp_path / "notes.txt")


class TestLocate:
    """Where a program's source lies."""

    def test_beside_a_script(self, tmp_path: Path) -> None:
        main = module_at("__main__", tmp_path / "job.py")
        assert locate(main) == ProgramFiles(tmp_path / "job.py", "__main__", tmp_path)

    def test_of_a_script_that_is_about_to_run(self, tmp_path: Path) -> None:
        assert of_script(tmp_path / "job.py") == ProgramFiles(tmp_path / "job.py", "__main__", tmp_path)

    def test_around_the_package_of_a_module(self, tmp_path: Path) -> None:
        main = module_at("__main__", tmp_path / "shop" / "jobs" / "daily.py")
        main.__spec__ = __import__("importlib.machinery").machinery.ModuleSpec("shop.jobs.daily", None)
        assert locate(main) == ProgramFiles(tmp_path / "shop" / "jobs" / "daily.py", "shop.jobs.daily", tmp_path)

    def test_in_the_current_folder_of_a_notebook(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert locate(ModuleType("__main__")) == ProgramFiles(folder=tmp_path)

    def test_nowhere_for_an_installed_tool(self) -> None:
        main = ModuleType("__main__")
        main.__file__ = pytest.__file__
        assert locate(main) == ProgramFiles()

    def test_libraries_are_told_from_programs(self, tmp_path: Path) -> None:
        assert is_library(Path(pytest.__file__))
        assert is_library(Path(zipfile.__file__))
        assert not is_library(tmp_path / "job.py")

    def test_neither_libraries_nor_our_own_packages_are_local(self) -> None:
        local = local_modules(sys.modules)
        assert local[__name__] == Path(__file__).resolve()
        assert not {name.partition(".")[0] for name in local} & {
            "millstream",
            "millstream_dataflow",
            "pytest",
            "zipfile",
        }

    def test_a_job_of_many_looks_at_the_modules_cheaply(self, tmp_path: Path) -> None:
        """All that are loaded are looked at each time: where a thousand are, a job must not take a tenth of a second
        for it.
        """
        loaded = {f"module_{number}": module_at("module", tmp_path / f"module_{number}.py") for number in range(50)}
        first = local_modules(loaded)
        assert len(first) == len(loaded)
        assert work(lambda: collect_modules(ProgramFiles(), loaded)) < 60 * len(loaded)
        assert local_modules(loaded) == first
