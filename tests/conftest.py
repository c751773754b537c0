"""What holds for every test: a limit of a minute (pyproject.toml), no leaks, seconds per folder, calm hypothesis."""

import hypothesis

from tests.support.components import in_ci

pytest_plugins = ["pytester", "tests.support.durations", "tests.support.leak_check"]

# No deadline an example: on a busy machine it measures the machine. In CI the examples are the same each time, so
# that a red run is the change's own fault; laptops look for new ones.
hypothesis.settings.register_profile("laptop", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if in_ci() else "laptop")
