"""PyFlink's modules over our classes."""

import importlib
import pickle
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType

import cloudpickle  # type: ignore[import-untyped]  # it has no types
import pytest

import millstream
import millstream.pyflink
from millstream.compiler.modules import collect_modules
from millstream.compiler.source_files import ProgramFiles
from millstream.errors import FacadeError
from millstream.pyflink.presented import NAMES, SHOWN


@pytest.fixture(autouse=True)
def installed() -> Generator[None]:
    millstream.pyflink.install()
    yield
    millstream.pyflink.uninstall()


def imported(statement: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(statement, names)  # what a program begins with
    return names


def test_a_name_is_our_class() -> None:
    names = imported("from pyflink.datastream import StreamExecutionEnvironment, MapFunction")
    assert names["StreamExecutionEnvironment"] is millstream.StreamExecutionEnvironment
    assert names["MapFunction"] is millstream.MapFunction


@pytest.mark.parametrize("module", NAMES)
def test_each_module_is_there_and_shows_what_it_has(module: str) -> None:
    found = importlib.import_module(module)
    assert set(found.__all__) <= set(NAMES[module])
    assert set(found.__all__) <= set(dir(found))
    imported(f"from {module} import *")


def test_a_module_may_be_taken_from_its_package() -> None:
    names = imported("from pyflink.datastream import window, async_retry_predicates as predicates\nimport pyflink as p")
    assert names["window"] is importlib.import_module("pyflink.datastream.window")
    assert names["predicates"].empty_result_predicate is millstream.empty_result_predicate  # type: ignore[attr-defined]  # a module is an object here
    assert imported("import pyflink\nhere = pyflink.common.time")["here"] is importlib.import_module(
        "pyflink.common.time"
    )


def test_a_name_that_is_missing_fails_where_it_is_imported() -> None:
    with pytest.raises(
        FacadeError, match=r"pyflink\.datastream\.connectors\.kafka\.KafkaSource isn't there.*no connector"
    ):
        imported("from pyflink.datastream.connectors.kafka import KafkaSource")


def test_a_name_that_pyflink_has_not_either_is_told_apart() -> None:
    with pytest.raises(FacadeError, match=r"PyFlink 2\.3 has no public DataStraem in pyflink\.datastream"):
        imported("from pyflink.datastream import DataStraem")


def test_a_name_that_pyflink_has_elsewhere_is_said_to_be_there() -> None:
    with pytest.raises(FacadeError, match=r"no public Time in pyflink\.datastream; it is in pyflink\.common"):
        imported("from pyflink.datastream import Time")


@pytest.mark.parametrize("module", SHOWN)
def test_what_a_module_of_pyflinks_imports_itself_is_there_too(module: str) -> None:
    """Programs write `from pyflink.datastream.window import Time`, for PyFlink lets them."""
    assert not set(SHOWN[module]) & set(NAMES[module])
    for name in SHOWN[module]:
        home = min((other for other, names in NAMES.items() if name in names), key=len)
        assert imported(f"from {module} import {name} as one\nfrom {home} import {name} as other\nsame = one is other")[
            "same"
        ]
    assert not set(SHOWN[module]) & set(importlib.import_module(module).__all__), "import * gives what is public"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("from pyflink.datastream import StreamExecutionEnviroment", "did you mean StreamExecutionEnvironment"),
        ("from pyflink.datastream import TimeCharacteristic", "PyFlink 1 had it: leave it out, windows and timers say"),
        ("from pyflink.datastream import FsStateBackend", "PyFlink 1 had it: leave it out, state lies in memory"),
        (
            "from pyflink.common.serialization import JsonRowDeserializationSchema",
            r"it is in pyflink\.common, but isn't there in this version of Millstream: .*json\.loads",
        ),
        (
            "from pyflink.datastream.windows import TimeWindow",
            r"no public module pyflink\.datastream\.windows; did you mean window\?",
        ),
        ("import pyflink.datastream.time_characteristic", "PyFlink 1 had it: leave it out, windows and timers"),
        ("import pyflink.datastream.connectors.mqtt", r"no public module pyflink\.datastream\.connectors\.mqtt$"),
        ("import pyflink.ml", "only common, datastream and metrics are presented"),
    ],
)
def test_what_is_imported_by_mistake_is_told_what_to_do(line: str, words: str) -> None:
    with pytest.raises(FacadeError, match=words):
        imported(line)


def test_a_module_that_is_missing_fails_where_it_is_imported() -> None:
    with pytest.raises(FacadeError, match=r"pyflink\.table; this version has no Table API"):
        imported("from pyflink.table import StreamTableEnvironment")


def test_the_sentence_names_the_line_of_the_import(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("\nfrom pyflink.table import StreamTableEnvironment\n", encoding="utf-8")
    with pytest.raises(FacadeError, match=r"program\.py:2\)"):
        exec(compile(program.read_text(encoding="utf-8"), str(program), "exec"), {"__name__": "__main__"})


def test_what_a_program_looks_for_to_know_a_module_is_told_as_by_any_module() -> None:
    module = importlib.import_module("pyflink.datastream")
    assert not hasattr(module, "__wrapped__")
    assert not hasattr(module, "_private")


def test_a_module_is_pickled_by_its_name() -> None:
    module = importlib.import_module("pyflink.datastream.window")
    assert pickle.loads(cloudpickle.dumps(module)) is module


def test_uninstalled_it_is_gone() -> None:
    importlib.import_module("pyflink.datastream")
    millstream.pyflink.uninstall()
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'pyflink'"):
        importlib.import_module("pyflink.datastream")


def test_the_real_one_is_not_replaced_behind_a_programs_back(monkeypatch: pytest.MonkeyPatch) -> None:
    millstream.pyflink.uninstall()
    real = ModuleType("pyflink")
    real.__file__ = "/somewhere/pyflink/__init__.py"
    monkeypatch.setitem(sys.modules, "pyflink", real)
    with pytest.raises(FacadeError, match=r"imported already .*/somewhere/pyflink"):
        millstream.pyflink.install()


def test_it_travels_with_a_job_whose_program_imports_it() -> None:
    assert collect_modules(ProgramFiles(), {}).archives == ()
    package = importlib.import_module("pyflink")
    [archive] = collect_modules(ProgramFiles(), {"pyflink": package}).archives
    assert archive.name == "pyflink.zip"


def test_what_travels_is_the_facade_in_another_process(tmp_path: Path) -> None:
    """Before a real PyFlink, if one is installed there: archives stand first on a worker's path."""
    [archive] = collect_modules(ProgramFiles(), {"pyflink": importlib.import_module("pyflink")}).archives
    (tmp_path / archive.name).write_bytes(archive.data)
    lines = [
        f"import sys; sys.path.insert(0, {str(tmp_path / archive.name)!r})",
        "import pyflink.datastream.window as window, millstream",
        "print(window.TumblingEventTimeWindows is millstream.TumblingEventTimeWindows)",
    ]
    said = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert said.stdout == "True\n"


def test_a_strategy_changes_where_pyflink_changes_it() -> None:
    """Programs call it as a statement, and would lose their times without a word."""
    names = imported("from pyflink.common import Duration, WatermarkStrategy\nfrom pyflink.datastream import *")
    exec(
        "strategy = WatermarkStrategy.for_bounded_out_of_orderness(Duration.of_seconds(1))\n"
        "strategy.with_timestamp_assigner(int)\n"
        "idle = strategy.with_idleness(Duration.of_seconds(2))\n",
        names,
    )
    ours = millstream.WatermarkStrategy.for_bounded_out_of_orderness(1_000).with_timestamp_assigner(int)
    for name, expected in (("strategy", ours), ("idle", ours.with_idleness(2_000))):
        strategy = names[name]
        assert isinstance(strategy, millstream.WatermarkStrategy)
        copy = pickle.loads(pickle.dumps(strategy))
        assert (type(copy), copy) == (millstream.WatermarkStrategy, expected)
