"""Where savepoints lie, as the JobManager must be told: its working directory is another one."""

import os


def absolute(path: str) -> str:
    """A local path from this program's working directory; URIs stay, and so does the empty text (no path)."""
    return os.path.abspath(path) if path and "://" not in path else path  # noqa: PTH100  # no Path: it resolves no link
