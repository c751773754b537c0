"""What holds for every test: a limit of a minute (pyproject.toml), no leaks, seconds per folder, calm hypothesis."""

import gc
import os
import signal
import sys
from collections.abc import Generator

import hypothesis
import pytest

from tests.support.components import in_ci

pytest_plugins = ["pytester", "tests.support.durations", "tests.support.leak_check"]

# A worker of xdist has a `__main__` without a file, as a shell has one. A program would then be all that is imported
# from the current directory, so each job that a test makes would carry this whole tree: seconds, every time.
if "PYTEST_XDIST_WORKER" in os.environ:
    sys.modules["__main__"].__file__ = pytest.__file__

# What is started in the background, or by nohup, ignores these, and so would all that a test starts; not so with a
# handler, even one that does nothing.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, lambda *_: None),
    (signal.SIGHUP, lambda *_: None),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

# What a test starts buffers what it prints, as it does for most users.
os.environ.pop("PYTHONUNBUFFERED", None)

# No deadline an example: on a busy machine it measures the machine. In CI the examples are the same each time, so
# that a red run is the change's own fault; laptops look for new ones. So does `make test-nightly`, for longer. Loops
# over seeds and state machines take their numbers from here too.
BY_DAY, BY_NIGHT = 10, 200
hypothesis.settings.register_profile("laptop", deadline=None, max_examples=BY_DAY)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=BY_DAY, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=BY_NIGHT, print_blob=True)
hypothesis.settings.load_profile("ci" if in_ci() else "laptop")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays until the end, so the collector need not look through it again and again:
    that took a twelfth of the run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
