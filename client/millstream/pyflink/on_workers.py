"""How workers come to know PyFlink's names: a package `pyflink` travels with the job, and installs the facade when it
is imported.

What a program pickles names our own classes; but the modules that it brings along, and functions that use a module of
PyFlink's as such, import `pyflink` on the worker.
"""

from collections.abc import Mapping
from typing import Final

FILES: Final[Mapping[str, bytes]] = {
    "pyflink/__init__.py": (
        b"import sys\n\n"
        b"from millstream.pyflink import install\n\n"
        b"del sys.modules[__name__]\n"
        b"install()\n"
        b"import pyflink  # the facade's\n"
    )
}
"""An import gives what stands in `sys.modules` at its end, which is the facade's package by then."""
