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


def test_the_version_is_that_of_the_distribution() -> None:
    assert millstream.__version__[0].isdigit()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'millstream' has no attribute 'Strem'"):
        millstream.__getattr__("Strem")
