"""Where a name of PyFlink's is found: in `millstream`, or, what only PyFlink has, in a module of the facade's own."""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

import millstream
from millstream.pyflink.presented import NAMES

NOT_THERE: Final = object()

OWN: Final[Mapping[str, str]] = {
    "__version__": "millstream.pyflink.own.version",
}
"""Names that aren't in `millstream`, with the module that has them."""


def found(module: str, name: str) -> object:
    """The object that PyFlink's `module.name` stands for; NOT_THERE when there is none."""
    if name not in NAMES.get(module, ()):
        return NOT_THERE
    if name in OWN:
        return getattr(import_module(OWN[name]), name)
    return getattr(millstream, name, NOT_THERE)
