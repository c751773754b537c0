"""Where a cluster can run."""

import sys

from millstream.errors import ExecutionError


class PlatformError(ExecutionError):
    """A cluster can't be started on this operating system."""


def check_platform(what: str, platform: str = sys.platform) -> None:
    """PlatformError on Windows, which has neither fork nor the sockets that worker processes need."""
    if platform == "win32":
        message = (
            f"{what} can't be started on Windows; start it in WSL 2 ('wsl --install' sets that up). Programs run here "
            "with execution.target: inline, or on a cluster elsewhere with execution.target: remote"
        )
        raise PlatformError(message)
