"""The program's classes and archives in a worker. Each test undoes what it does to this very interpreter."""

import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from types import ModuleType

import pytest

from millstream.compiler.class_ids import travelled
from millstream.compiler.modules import zip_of
from millstream.compiler.pickling import blob_of, dumps
from millstream_dataflow.job_graph import Artifact
from millstream_taskmanager.worker import modules
from millstream_taskmanager.worker.modules import HollowModule, add_artifacts, install_classes


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    path, loaded, known = list(sys.path), dict(sys.modules), dict(modules._by_class)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(loaded):
        del sys.modules[name]
    for cls in set(modules._by_class) - set(known):
        del modules._by_class[cls]


def by_value(module: str, qualified: str, **members: object) -> type:
    """A class as it comes out of a vertex's functions."""
    cls = type(qualified.rpartition(".")[2], (), {"__module__": module, "__qualname__": qualified, **members})
    found = pickle.loads(dumps(cls))
    assert isinstance(found, type)
    return found


def test_a_class_of_the_script_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    cls = by_value("__main__", "Event")
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(cls())
    assert cls in install_classes()
    assert type(pickle.loads(pickle.dumps(cls()))) is cls


def test_modules_that_no_worker_has_are_made_with_all_that_is_above_them() -> None:
    cls = by_value("nowhere.to.be_found", "Event")
    install_classes()
    assert pickle.loads(pickle.dumps(cls)) is cls
    assert isinstance(sys.modules["nowhere.to"], HollowModule)


def test_a_class_in_a_class_is_found_even_alone() -> None:
    inner = by_value("nowhere_else", "Outer.Inner")
    install_classes()
    assert pickle.loads(pickle.dumps(inner)) is inner
    outer = by_value("nowhere_else", "Outer", Inner=inner)
    install_classes()
    assert pickle.loads(pickle.dumps(outer)) is outer
    assert pickle.loads(pickle.dumps(inner)) is inner


def test_a_class_made_in_a_function_gets_no_name() -> None:
    class Local:
        pass

    local = pickle.loads(dumps(Local))
    assert local not in install_classes()


def test_what_a_library_has_is_not_replaced() -> None:
    before = pickle.Pickler
    cls = by_value("pickle", "Pickler")
    assert cls not in install_classes()
    assert pickle.Pickler is before


def test_a_dataclass_made_by_a_call_is_found() -> None:
    made = make_dataclass("Made", [("x", int)], namespace={"__module__": "nowhere_at_all"})
    found = pickle.loads(dumps(made))
    install_classes()
    assert pickle.loads(pickle.dumps(found(3))) == found(3)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_dataclass_with_slots_is_found_and_not_what_it_was_made_of(frozen: bool) -> None:  # a parameter of pytest's
    """Two classes of one name come: a frozen one's `__setattr__` keeps the one without slots (Python 3.11 to 3.13)."""
    module = "nowhere_frozen" if frozen else "nowhere_in_slots"
    members = {"__module__": module, "__annotations__": {"x": int}}
    made: type = dataclass(slots=True, frozen=frozen)(type("Made", (), members))
    found = pickle.loads(dumps(made))
    install_classes()
    value = found(3)
    assert (pickle.loads(pickle.dumps(value)), type(value)) == (value, made)
    assert travelled(module, "Made") is made


def test_archives_come_first_on_the_path_under_their_names(tmp_path: Path) -> None:
    artifacts: list[Artifact] = []
    for name, value in (("first.zip", 1), ("second.zip", 2)):
        data = zip_of({"only_in_archives.py": f"value = {value}\nwhere = __file__\n".encode()})
        blob = blob_of(data)
        (tmp_path / blob.digest).write_bytes(data)
        artifacts.append(Artifact(name, blob))
    add_artifacts(artifacts, tmp_path, tmp_path / "worker" / "modules")
    import only_in_archives  # type: ignore[import-not-found]  # it is in the archives

    assert only_in_archives.value == 1
    assert only_in_archives.where.endswith("modules/first.zip/only_in_archives.py")


@pytest.mark.parametrize("name", ["../out.zip", "/etc/out.zip", "", "..", "a/b.zip"])
def test_an_archive_cannot_choose_its_place(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name of a file"):
        add_artifacts([Artifact(name, blob_of(b""))], tmp_path, tmp_path / "modules")
