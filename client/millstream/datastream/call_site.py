"""Where in the user's program a call stands."""

import sys
from pathlib import Path
from types import FrameType
from typing import Final

from millstream.compiler.source_files import OWN_PACKAGES

_NOT_THE_USERS: Final = OWN_PACKAGES | {"importlib"}
"""An import of the user's passes through Python's own modules to ours."""


def call_site() -> str:
    """`file:line` of the innermost frame that is not ours; the path from the current folder where it lies below it."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # a tenth of the cost of inspect.stack, once a call
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return "" if frame is None else f"{_shown(frame.f_code.co_filename)}:{frame.f_lineno}"


def _is_ours(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] in _NOT_THE_USERS


def _shown(file: str) -> str:
    path = Path(file)
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the current folder is gone
        return file
