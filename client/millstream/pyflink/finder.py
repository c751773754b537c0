"""How Python comes to see PyFlink's modules: a finder that stands before all others on `sys.meta_path`.

A module of the facade holds nothing until it is asked for a name. Then the name is looked up among our own
(`homes.found`), and one that isn't there is an ImportError that says so, why, and what to use instead: so a program
that can't run ends at its first lines and not in the middle.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

from millstream.compiler.modules import TRAVELS_AS
from millstream.errors import FacadeError
from millstream.pyflink.homes import NOT_THERE, found
from millstream.pyflink.on_workers import FILES
from millstream.pyflink.presented import NAMES
from millstream.pyflink.refusals import refuse_module, refuse_name

ROOT: Final = "pyflink"
_PACKAGES: Final = frozenset(module.rpartition(".")[0] for module in NAMES)


def _fill(module: ModuleType) -> None:
    """Give it what PEP 562 asks a module for."""
    own = module.__name__

    def look_up(name: str) -> object:
        if name.startswith("_") and found(own, name) is NOT_THERE:
            raise AttributeError(name)
        if f"{own}.{name}" in NAMES:  # `from pyflink.datastream import window` asks for it before it imports it
            return import_module(f"{own}.{name}")
        value = found(own, name)
        if value is NOT_THERE:
            refuse_name(own, name)
        setattr(module, name, value)  # the next look-up doesn't come here
        return value

    there = [name for name in NAMES[own] if found(own, name) is not NOT_THERE]
    vars(module).update(__getattr__=look_up, __dir__=lambda: sorted({*vars(module), *there}), __all__=there)
    if own == ROOT:
        vars(module)[TRAVELS_AS] = FILES


class _Finder(MetaPathFinder, Loader):
    """Finds and makes them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module, if the name is PyFlink's; ImportError for one of PyFlink's that isn't presented."""
        if fullname.partition(".")[0] != ROOT:
            return None
        if fullname not in NAMES:
            refuse_module(fullname)
        return ModuleSpec(fullname, self, origin="millstream.pyflink", is_package=fullname in _PACKAGES)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An ordinary one: only such can be pickled by its name."""
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """See `_fill`."""
        _fill(module)


_FINDER: Final = _Finder()


def install() -> None:
    """From here on `import pyflink` means Millstream in this process; once more does nothing.

    FacadeError when the real PyFlink has been imported here already.
    """
    if is_installed():
        return
    real = sys.modules.get(ROOT)
    if real is not None:
        raise FacadeError(
            f"PyFlink itself is imported already ({real.__file__ or 'a namespace'})",
            "call millstream.pyflink.install() before the first import of pyflink",
        )
    sys.meta_path.insert(0, _FINDER)


def uninstall() -> None:
    """`import pyflink` means what it meant before. Names that a program has taken stay what they are."""
    if is_installed():
        sys.meta_path.remove(_FINDER)
        for name in NAMES:
            sys.modules.pop(name, None)


def is_installed() -> bool:
    """Whether `import pyflink` means Millstream."""
    return _FINDER in sys.meta_path
