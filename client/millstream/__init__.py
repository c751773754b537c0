"""Millstream: Apache Flink's model for Python. This is the product's face; users import everything from here.

A name is loaded from its module when it is first asked for (PEP 562), so `import millstream` costs a program only
what it uses. To add a public name, add it to the three lists below, each in plain order: the imports that type
checkers read, `__all__`, and the table of homes.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream.version import __version__

__all__ = [
    "__version__",
]

_HOMES = {
    "__version__": "millstream.version",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'millstream' has no attribute {name!r}"
        raise AttributeError(message, name=name, obj=import_module(__name__))
    value: object = getattr(import_module(home), name)
    globals()[name] = value  # the next look-up doesn't come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
