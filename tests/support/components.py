"""What a test needs and a machine may lack: programs (iproute2), libraries, permissions, later real components (a JVM,
ZooKeeper, Kafka, a browser).

On a laptop what is missing is a skip that says how to get it; in CI it is a failure, because there a skip would be a
proof that silently stopped proving.
"""

import os

import pytest

ROOT_LINE = "sudo make test"
"""Gets what only root may: mounts and network namespaces."""


def in_ci() -> bool:
    """Whether this run decides about a change: `.ci/run` sets CI=true."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def require(component_available: bool, name: str, install_line: str) -> None:
    """Skip the test on a laptop, fail it in CI, when it isn't there. `install_line` is the command that gets it."""
    if component_available:
        return
    message = f"{name} is missing; get it with: {install_line}"
    if in_ci():
        pytest.fail(f"{message} (in CI a missing component is a failure)", pytrace=False)
    pytest.skip(message)
