"""`import millstream` is cheap, and what it lacks is said in Python's own words."""

import subprocess
import sys

import pytest

import millstream


def test_importing_the_face_loads_nothing_heavy() -> None:
    heavy = ["click", "rich", "grpc", "pyarrow", "numpy", "importlib.metadata", "asyncio"]
    program = f"import sys, millstream; print([name for name in {heavy} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


_ROWS = """
import sys
from millstream import StreamExecutionEnvironment
env = StreamExecutionEnvironment.get_execution_environment()
env.from_collection(["Hello", "World"]).map(str.upper).print()
before = sorted(heavy & set(sys.modules))
import millstream.compiler.job_graph, millstream.submission.executor
print(before, sorted(heavy & set(sys.modules)))
"""


def test_a_program_of_rows_needs_no_numpy_and_loads_grpc_when_it_is_submitted() -> None:
    heavy = "heavy = {'cloudpickle', 'email', 'grpc', 'importlib.metadata', 'numpy', 'pyarrow', 'rich', 'yaml'}"
    printed = subprocess.run([sys.executable, "-c", heavy + _ROWS], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[] ['cloudpickle', 'grpc']"


def test_the_processes_that_plan_jobs_need_no_numpy() -> None:
    program = (
        "import sys, millstream.embedded.child; print([name for name in ('numpy', 'rich') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_version_is_that_of_the_distribution() -> None:
    assert millstream.__version__[0].isdigit()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'millstream' has no attribute 'Strem'"):
        millstream.__getattr__("Strem")
