"""Classes of which `@dataclass(slots=True)` has made another one of the same name. If that is frozen too, its methods
keep the former one, which so goes wherever the class goes, and must never be taken for it.
"""

from collections.abc import Iterable
from typing import Any


def forerunners(classes: Iterable[type]) -> set[type]:
    """Of which these were made."""
    return {former for cls in classes for former in _kept_by(vars(cls).get("__setattr__"), cls)}


def _kept_by(method: Any, cls: type) -> Iterable[type]:  # noqa: ANN401  # a function, or whatever a class may have there
    for cell in getattr(method, "__closure__", None) or ():
        try:
            kept: object = cell.cell_contents
        except ValueError:  # it is empty
            continue
        if isinstance(kept, type) and kept is not cls and _name(kept) == _name(cls):
            yield kept


def _name(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__
