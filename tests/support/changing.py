"""Classes that a program's next version defines otherwise, under the same names."""

import sys
from types import ModuleType
from typing import Any

import pytest

_HEAD = "from dataclasses import dataclass, field\nfrom typing import NamedTuple\n"


class Program:
    """A module of the user's, in one version after the other."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str = "shop") -> None:
        self._patch = patch
        self._name = name

    def version(self, source: str) -> Any:  # noqa: ANN401  # a module of any content
        """The module as this version has it."""
        module = ModuleType(self._name)
        self._patch.setitem(sys.modules, self._name, module)
        exec(compile(_HEAD + source, f"{self._name}.py", "exec"), vars(module))  # our own text
        return module
