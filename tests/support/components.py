"""Real components (a JVM, ZooKeeper, Kafka, a browser) that a test needs and a machine may lack.

On a laptop a missing component is a skip that says how to install it; in CI it is a failure, because there a skip
would be a proof that silently stopped proving.
"""

import os

import pytest


def in_ci() -> bool:
    """Whether this run decides about a change: `.ci/run` sets CI=true."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def require(component_available: bool, name: str, install_line: str) -> None:
    """Skip the test on a laptop, fail it in CI, when the component is not there."""
    if component_available:
        return
    message = f"{name} is not installed; install it with: {install_line}"
    if in_ci():
        pytest.fail(f"{message} (in CI a missing component is a failure)", pytrace=False)
    pytest.skip(message)
